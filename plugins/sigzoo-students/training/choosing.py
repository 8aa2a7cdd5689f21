"""What programs that choose by all development sets share: arguments, features first, heads of columns."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from development import read_features

__all__ = ["arguments", "heads_of", "keep_features"]


def arguments(doc: str) -> argparse.Namespace:
    """`data`, `work` and `workers`, of a program with this documentation that measures sets in processes."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/, bhsig-dev/ and crossmedia/")
    parser.add_argument("--work", type=Path, required=True, help="folder for images and features")
    parser.add_argument("--workers", type=int, default=1, help="sets that are measured at once")
    return parser.parse_args()


def keep_features(names: Sequence[str], args: argparse.Namespace) -> None:
    """Compute the features of sets that are not kept yet: processes then find them.

    Raises
    ------
    SigzooError
        If a set cannot be read.
    """
    for name in names:
        read_features(name, args.data, args.work, args.workers)


def heads_of(names: Sequence[str]) -> str:
    """Print which number each set has, and give heads of the sets' columns."""
    print("\n".join(f"({number}) {name}" for number, name in enumerate(names, 1)))
    return " ".join(f"  ({number})" for number in range(1, 1 + len(names)))
