"""Registries that are small to write down and endless to read: refused at once, with file and place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sigzoo.errors import RegistryError
from sigzoo.registry.yaml import read_yaml

ABSURD = {
    "base 60": "default: " + "1:" * 200_000 + "1",
    "base 60, a float": "default: " + "1:" * 200 + "1.0",
    "base 60, a time of day": "default: 12:30",
    "base 60, negative": "default: -1:30:00",
    "20,000 hexadecimal digits": "default: 0x" + "f" * 20_000,
    "20,000 octal digits": "default: 0" + "7" * 20_000,
    "20,000 binary digits": "default: 0b" + "1" * 20_000,
    "20,000 digits": "default: " + "9" * 20_000,
    "20,000 digits and a sign": "default: -" + "9" * 20_000,
    "20,000 digits, apart": "default: " + "9_" * 10_000 + "9",
    "20,000 digits of a float": "default: 0." + "9" * 20_000,
    "digits as a key": "9" * 20_000 + ": 1",
    "digits in a list": "models: [1, " + "9" * 5_000 + "]",
    "a day that no month has": "default: 2024-02-31",
    "a million entries": "models: [" + "1," * 1_000_000 + "]",
    "a million empty lists": "models: [" + "[]," * 1_000_000 + "]",
    "a tag of a million letters": "default: !" + "a" * 1_000_000 + " 1",
    "a key of a million letters, twice": ("? " + "a" * 1_000_000 + "\n: 1\n") * 2,
}


@pytest.mark.parametrize("what", list(ABSURD))
def test_it_is_refused_at_once_in_few_words(what: str, tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(ABSURD[what])
    began = time.process_time()
    with pytest.raises(RegistryError, match=r"registry\.yaml: ") as refusal:
        read_yaml(path)
    # In processor time: a million events take 2 s, what is refused here took from 16 s to hours.
    assert time.process_time() - began < 10
    assert len(str(refusal.value)) < len(str(path)) + 600


def test_texts_and_numbers_of_honest_registries_are_read(tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    digest = "0123456789" * 6 + "abcd"
    path.write_text(
        f"time: '12:30'\nurl: http://host:8000/a\nsha256: {digest}\nquoted: '{'9' * 64}'\n"
        "size: 1762656632\nscale: 0.00392156862745098\nhex: 0x1f\nnone:\n"
    )
    assert read_yaml(path) == {
        "time": "12:30",
        "url": "http://host:8000/a",
        "sha256": digest,
        "quoted": "9" * 64,
        "size": 1762656632,
        "scale": 1 / 255,
        "hex": 31,
        "none": None,
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "registry.yaml")
    program = (
        "import sys; from pathlib import Path; from sigzoo.registry.yaml import read_yaml;"
        "read_yaml(Path(sys.argv[1]))"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "registry.yaml")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert "is a folder or device, not a file" in done.stderr
