"""The table of extras on the page of installation, from pyproject.toml."""

from __future__ import annotations

import tomllib

from generators.pages import ROOT, Pages

__all__ = ["add_to", "extras"]

PAGE = "install.md"
MARK = "<!-- generated: extras -->"

FOR = {
    "all": "all of these but `docs` and `test`",
    "docs": "building these pages",
    "eval": "evaluation with SVMs, maps of embeddings, `sigzoo.sklearn`",
    "heif": "HEIC images, as phones make them",
    "onnx": "export to ONNX, and running in ONNX Runtime",
    "openvino": "export to OpenVINO, and running in it",
    "parquet": "features in Parquet files",
    "plot": "every figure: `--plot`",
    "ray": "embedding on many machines with Ray",
    "remote": "images and features in object stores (`s3://...`)",
    "search": "an index of many features",
    "serve": "the HTTP service",
    "test": "running the tests",
}
"""What each is for."""


def add_to(pages: Pages) -> None:
    """Say how the page is filled."""
    table = extras()
    pages.fillings[PAGE] = lambda text: text.replace(MARK, table)


def extras() -> str:
    """A line for each extra; fail where one is not described, or none that is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared: dict[str, list[str]] = project["optional-dependencies"]
    if set(declared) != set(FOR):
        raise ValueError(
            f"docs/generators/install.py must describe exactly the extras: {set(declared) ^ set(FOR)}"
        )
    lines = ["| extra | for | brings |", "|---|---|---|"]
    for name, needs in sorted(declared.items()):
        brings = ", ".join(f"`{each.split('>')[0]}`" for each in needs) if name not in ("all", "test") else ""
        lines.append(f"| `{name}` | {FOR[name]} | {brings} |")
    return "\n".join(lines)
