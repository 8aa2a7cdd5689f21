"""The commands of the page on serving work, as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sigzoo.cli.serve import serve

from .conftest import served

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not any((Path(each) / "curl").exists() for each in os.get_exec_path()), reason="no curl")
def test_the_commands_of_the_page_on_serving_work(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "sigzoo", "synth", "-o", "signatures"], check=True)
    (start,), asked = BLOCKS[0].splitlines(), BLOCKS[1].splitlines()
    assert [start] == list(serve.examples)
    with served("--among", "signatures") as (client, _):
        address = str(client.base_url).rstrip("/")
        for line in asked:
            command = line.replace("http://127.0.0.1:8000", address)
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
            assert done.returncode == 0, line
            if not line.endswith("metrics"):
                assert "error" not in json.loads(done.stdout), done.stdout
    assert len(asked) == 7
