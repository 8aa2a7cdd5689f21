"""Write the table of `docs/install.md`: what each extra brings, and what it costs in megabytes.

The sizes are those of the files that are installed here: run it where all extras are. ``--check`` compares
the extras alone, as sizes differ from one system to the next.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = Path(__file__).with_name("install.md")
MARKS = ("<!-- extras: made by docs/extra_sizes.py -->\n", "<!-- end of extras -->")
FOR = {
    "plot": "`--plot` of all commands, contact sheets",
    "eval": "protocols with SVMs, `sigzoo.sklearn`",
    "heif": "images in HEIC, as telephones make them",
    "onnx": "`--runtime onnx`, int8, `sigzoo export` to ONNX",
    "openvino": "`--runtime openvino`, `sigzoo export` to OpenVINO",
    "parquet": "tables and shards of features in Parquet",
    "ray": "jobs on many machines with Ray",
    "remote": "images and outputs in object stores (s3://)",
    "search": "`sigzoo index`: the nearest among millions, with FAISS",
    "serve": "verification and features over HTTP",
    "all": "all of these",
}


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Names of a distribution and all that it needs, with some of its extras."""
    found: set[str] = set()
    waiting = [(canonicalize_name(name), extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        key, wanted = waiting.pop()
        if (key, wanted) in seen:
            continue
        seen.add((key, wanted))
        found.add(key)
        for each in map(Requirement, installed(key).requires or ()):
            if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in wanted or {""}):
                waiting.append((canonicalize_name(each.name), frozenset(each.extras)))
    return found


def installed(name: str) -> Distribution:
    """A distribution that is installed here; the program ends where it is not."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        sys.exit(f"{name} is not installed here: install sigzoo[all] first")


def megabytes(names: set[str]) -> float:
    """Size of the files of distributions, each file once."""
    files = {path.locate() for name in names for path in installed(name).files or ()}
    return sum(Path(file).stat().st_size for file in files if Path(file).is_file()) / 1e6


def table() -> str:
    """The table, a row an extra."""
    base = closure("sigzoo")
    rows = ["| extra | what for | distributions | MB |", "|---|---|---|---|"]
    rows.append(f"| none | all commands but what stands below | {len(base)} | {megabytes(base):,.0f} |")
    for extra, purpose in FOR.items():
        more = closure("sigzoo", frozenset({extra})) - base
        rows.append(f"| `{extra}` | {purpose} | +{len(more)} | +{megabytes(more):,.0f} |")
    return "\n".join(rows) + "\n"


def listed(text: str) -> list[str]:
    """The extras that the page's table lists."""
    return re.findall(r"^\| `([a-z]+)` \|", text.split(MARKS[0])[1].split(MARKS[1])[0], re.MULTILINE)


def main() -> None:
    """Write the table, or check which extras it lists."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        declared = set(distribution("sigzoo").metadata.get_all("Provides-Extra") or ()) - {"test", "docs"}
        if set(listed(text)) != declared or set(FOR) != declared:
            sys.exit(f"{PAGE}: its table is not of the extras {sorted(declared)}; run docs/extra_sizes.py")
        return
    before, rest = text.split(MARKS[0])
    PAGE.write_text(before + MARKS[0] + table() + MARKS[1] + rest.split(MARKS[1])[1], encoding="utf-8")


if __name__ == "__main__":
    main()
