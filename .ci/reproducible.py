"""Build every distribution's wheel twice, in two places and at two times, and compare them byte by byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EPOCH = "315532800"
"""`SOURCE_DATE_EPOCH` where none is given: the first moment that a zip archive can hold."""


def checkout(folder: Path) -> Path:
    """The files that are committed, in a folder of their own: nothing that lies about gets in."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def build(source: Path, into: Path, mask: int) -> dict[str, str]:
    """Build all wheels of a checkout; the SHA-256 of each by its name."""
    environment = {"SOURCE_DATE_EPOCH": EPOCH, **os.environ}
    sources = [source, *sorted(path.parent for path in (source / "plugins").glob("*/pyproject.toml"))]
    for each in sources:
        command = (
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(into),
            str(each),
        )
        done = subprocess.run(command, env=environment, capture_output=True, text=True, umask=mask)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
    return {
        wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in sorted(into.glob("*.whl"))
    }


def main() -> None:
    """Build twice, compare, print the digests that a release states."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = build(checkout(folder / "one"), folder / "wheels one", 0o022)
        second = build(checkout(folder / "another place"), folder / "wheels two", 0o077)
    differing = sorted(
        wheel for wheel in first.keys() | second.keys() if first.get(wheel) != second.get(wheel)
    )
    for wheel, digest in first.items():
        print(f"{digest}  {wheel}")
    if differing or not first:
        sys.exit(f"built twice, these differ: {', '.join(differing) or 'no wheel was built'}")
    print(f"{len(first)} wheels, built twice: the same bytes")


if __name__ == "__main__":
    main()
