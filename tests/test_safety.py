"""What must never stand in the code: anything that would run what a file says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FORBIDDEN = {
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.full_load",
    "joblib.load",
    "marshal.loads",
    "shelve.open",
    "os.system",
    "eval",
    "exec",
    "__import__",
}


def sources(root: Path) -> list[Path]:
    """Every Python file that is shipped or run by a maintainer, without the tests."""
    folders = [root / "sigzoo", root / "benchmarks", *(root / "plugins").iterdir()]
    return [path for folder in folders for path in sorted(folder.rglob("*.py")) if "tests" not in path.parts]


def faults(tree: ast.AST) -> Iterator[str]:
    """Calls that would run what a file says, or write where it says."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in FORBIDDEN or name.endswith((".extractall", ".extract")):
            yield f"line {node.lineno}: {name}"
        if name == "torch.load" and options.get("weights_only") != "True":
            yield f"line {node.lineno}: torch.load without weights_only=True"
        if name in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
            yield f"line {node.lineno}: {name} without allow_pickle=False"
        if options.get("allow_pickle", "False") != "False" or options.get("shell", "False") != "False":
            yield f"line {node.lineno}: {name} with {options}"


def test_no_source_runs_what_a_file_says(root: Path) -> None:
    files = sources(root)
    assert len(files) > 40
    found = {str(path.relative_to(root)): list(faults(ast.parse(path.read_text()))) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "pickle.load(f)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p)",
        "np.load(p, allow_pickle=True)",
        "yaml.load(t, Loader=L)",
        "tar.extractall('.')",
        "subprocess.run(c, shell=True)",
        "eval(t)",
    ],
)
def test_the_search_finds_what_it_should(line: str) -> None:
    assert list(faults(ast.parse(line)))


def test_every_file_says_in_its_first_line_what_it_holds(root: Path) -> None:
    tests = [path for folder in ("tests", "plugins") for path in (root / folder).rglob("test_*.py")]
    for path in [*sources(root), *tests]:
        first = path.read_text().splitlines()[0]
        assert first.startswith(('"""', "#!")), path
        assert len(first) > 15, path
