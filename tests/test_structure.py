"""Rules of the house that a program can check: which way imports go, what only the command line may do."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "sigzoo"
HIDDEN = {".venv", ".git", "node_modules", "build", "dist"}
SOURCES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if not any(part in HIDDEN or part.startswith(".") for part in path.relative_to(ROOT).parts[:-1])
)
MODULES = sorted(CORE.rglob("*.py"))

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "common": {"errors"},
    "data": {"common", "errors"},
    "settings": {"common", "errors"},
    "interfaces": {"common", "errors"},
    "pages": {"common"},
    "hookspecs": {"errors"},
    "registry": {"common", "errors", "settings"},
    "plugins": {"common", "errors", "hookspecs", "registry"},
    "artifacts": {"common", "errors", "registry"},
    "imaging": {"common", "data", "errors", "interfaces"},
    "synthesis": {"common", "data", "errors", "imaging"},
    "verification": {"common", "data", "errors", "imaging", "interfaces"},
    "datasets": {"common", "data", "default", "errors", "imaging", "interfaces", "synthesis"},
    "evaluation": {
        *("artifacts", "common", "data", "datasets", "errors", "imaging", "interfaces", "model", "pages"),
        *("registry", "verification", "zoo"),
    },
    "search": {"common", "data", "errors", "verification"},
    "gallery": {"common", "evaluation", "imaging", "model", "pages"},
    "sklearn": {"errors", "evaluation", "verification"},
    "graphs": {"artifacts", "common", "errors", "interfaces"},
    "runtimes": {"common", "errors", "graphs", "interfaces"},
    "network": {"graphs", "interfaces", "synthesis"},
    "fitting": {"errors", "interfaces"},
    "embedding": {"common", "errors", "imaging", "interfaces"},
    "installed": {"artifacts", "common", "errors", "interfaces", "plugins", "registry"},
    "default": {"installed"},
    "weights": {"common", "default", "errors", "installed", "interfaces"},
    "jobs": {"common", "data", "embedding", "errors", "imaging", "model", "zoo"},
    "recipes": {"artifacts", "common", "errors", "installed", "registry"},
    "model": {
        *("common", "data", "embedding", "errors", "export", "imaging", "interfaces", "network", "registry"),
        *("runtimes", "verification", "weights"),
    },
    "card_weights": {
        *("artifacts", "common", "errors", "installed", "interfaces", "recipes", "registry", "weights"),
    },
    "export": {"common", "errors", "graphs", "interfaces", "registry", "synthesis"},
    "loading": {
        *("artifacts", "card_weights", "common", "errors", "fitting", "imaging", "installed", "interfaces"),
        *("model", "network", "recipes", "registry", "runtimes", "weights"),
    },
    "zoo": {"default", "errors", "installed", "interfaces", "loading", "model", "registry"},
    "api": {"errors", "interfaces", "model", "registry", "zoo"},
    "serving": {"common", "embedding", "errors", "imaging", "model", "search", "verification"},
    "compat": {"api", "errors", "evaluation", "weights"},
    "conversion": {"card_weights", "errors", "loading", "registry", "weights", "zoo"},
    "golden": {
        *("artifacts", "common", "data", "errors", "evaluation", "interfaces", "loading", "model"),
        *("registry", "synthesis", "weights", "zoo"),
    },
    "scaffold": {"common", "errors", "plugins", "registry", "zoo"},
    "testing": {
        *("artifacts", "common", "errors", "fitting", "interfaces", "loading", "plugins", "registry"),
        *("settings", "verification", "weights", "zoo"),
    },
    "learning": {
        *("artifacts", "common", "data", "datasets", "errors", "evaluation", "fitting", "imaging"),
        *("interfaces", "loading", "model", "recipes", "registry", "settings", "synthesis", "weights", "zoo"),
    },
}
"""What each room may import. `sigzoo` itself and `cli` stand on top of all."""

CHANGES_ITS_HOST = {
    "umask": "a umask belongs to the whole process: sigzoo.common.atomic lets the kernel apply it",
    "dup2": "other threads' output goes astray",
    "meta_path": "every import of the process goes through it",
    "environ": "every library of the process reads it",
}
MAY_CHANGE = {
    ("plugins/plugin_code_guard.py", "dup2"): "only in the command's own process, which switches it on",
}
MAY_CACHE = {
    "artifacts/ownership.py": "names of users and groups, which decide no model",
    "learning/augment/surface.py": "noise of the same size and seed",
    "learning/distillation/distill.py": "inside one call",
    "loading.py": "inside one call",
    "verification/local_matching.py": "what descriptors of the same bytes come to",
    "testing/conformance.py": "what a check of conformance has built, in a test's process",
}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _room(path: Path) -> str:
    first = path.relative_to(CORE).parts[0]
    return first.removesuffix(".py")


def _imports(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported, anywhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _imported_rooms(path: Path) -> set[str]:
    """Rooms of the core that a module imports from."""
    names = (name.split(".")[1] for name in _imports(_tree(path)) if name.startswith("sigzoo."))
    rooms = {each.stem if each.suffix else each.name for each in CORE.iterdir()}
    return {name for name in names if name in rooms} - {_room(path)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_first_line_of_a_file_says_what_it_holds(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text:
        assert ast.get_docstring(_tree(path)), "no docstring"
        assert text.removeprefix("r").startswith('"""'), "something stands before the docstring"


def test_every_room_has_its_place() -> None:
    rooms = {_room(path) for path in MODULES} - {"__init__", "__main__", "cli"}
    assert rooms == set(ALLOWED)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_imports_go_one_way(path: Path) -> None:
    room = _room(path)
    if room not in {"__init__", "__main__", "cli"}:
        assert _imported_rooms(path) <= ALLOWED[room]


def test_contributing_says_what_every_room_holds() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("## Where things live")[1].split("##")[0]
    first = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    named = {
        each.strip("/").removeprefix("sigzoo/").removesuffix(".py")
        for each in re.findall(r"`([^`]+)`", first)
    }
    assert set(ALLOWED) | {"cli"} <= named | {"errors"}


def test_the_way_has_no_circle() -> None:
    assert len(list(TopologicalSorter(ALLOWED).static_order())) == len(ALLOWED)


def _component_names() -> set[str]:
    """Names that this repository's plugins register."""
    found: set[str] = set()
    for path in (ROOT / "plugins").glob("*/*/__init__.py"):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "register":
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


ORDINARY_WORDS = {"verification", "continual", "triplet"}
"""Names of losses that are also words of the field."""


def _texts(tree: ast.AST) -> Iterator[str]:
    """Strings that the program works with: not its documentation."""
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_names_no_plugin(path: Path) -> None:
    components = _component_names() - ORDINARY_WORDS
    assert {"signet-2017", "kd-kl", "student-tiny", "spp-2018"} <= components
    packages = re.compile("sigzoo[_-](signet|spp|students)")
    tree = _tree(path)
    assert not [name for name in _imports(tree) if packages.match(name)]
    # What stands for a published program names its models, as a user's script does.
    allowed = components if _room(path) == "compat" else set()
    named = [text for text in _texts(tree) if text in components or packages.search(text)]
    assert set(named) <= allowed


_CHANGING = {"update", "setdefault", "pop", "clear", "insert", "append", "extend", "remove"}


def _changes(tree: ast.AST) -> Iterator[str]:
    """What of the process is changed, by the words of `CHANGES_ITS_HOST`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, method = node.func.value, node.func.attr
            if method in {"umask", "dup2"}:
                yield method
            if method == "putenv":
                yield "environ"
            held = owner.attr if isinstance(owner, ast.Attribute) else ""
            if method in _CHANGING and held in {"environ", "meta_path"}:
                yield held
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            place = target.value if isinstance(target, ast.Subscript) else target
            if isinstance(place, ast.Attribute) and place.attr in {"environ", "meta_path"}:
                yield place.attr


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("os.umask(0)", "umask"),
        ("os.dup2(1, 2)", "dup2"),
        ("sys.meta_path.insert(0, x)", "meta_path"),
        ("os.environ['A'] = 'b'", "environ"),
        ("del os.environ['A']", "environ"),
        ("os.environ |= {}", "environ"),
        ("os.environ.setdefault('A', 'b')", "environ"),
        ("x = os.environ['A']; y = os.environ.get('B'); z = list(sys.meta_path)", None),
    ],
)
def test_a_change_of_the_host_is_seen(code: str, found: str | None) -> None:
    assert list(_changes(ast.parse(code))) == ([found] if found else [])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_only_the_command_line_changes_its_process(path: Path) -> None:
    if _room(path) == "cli":
        return
    name = path.relative_to(CORE).as_posix()
    wrong = [each for each in _changes(_tree(path)) if (name, each) not in MAY_CHANGE]
    assert not wrong, [CHANGES_ITS_HOST[each] for each in wrong]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_no_cache_of_a_module_decides_what_exists(path: Path) -> None:
    cached = {name for name in _imports(_tree(path)) if name in {"functools.cache", "functools.lru_cache"}}
    named = {
        node.attr
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"cache", "lru_cache"}
        if isinstance(node.value, ast.Name) and node.value.id == "functools"
    }
    if cached | named:
        assert path.relative_to(CORE).as_posix() in MAY_CACHE


def test_exceptions_that_nobody_needs_are_taken_back() -> None:
    for name in MAY_CACHE:
        assert (CORE / name).is_file(), name
    for name, change in MAY_CHANGE:
        assert change in set(_changes(_tree(CORE / name))), name


PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not any(part in HIDDEN for part in path.relative_to(ROOT).parts)
)


@pytest.mark.parametrize(
    "package", [path for path in MODULES if path.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_no_package_exports_what_has_the_name_of_a_module_of_its(package: Path) -> None:
    """The module would hide it, for readers of the reference and once somebody has imported it."""
    listed = [
        node.value
        for node in ast.parse(package.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    names = {name for value in listed for name in ast.literal_eval(value)}
    modules = {each.stem for each in package.parent.glob("*.py")}
    kept = {"images"} if package.parent.name == "testing" else set()  # the module itself is what is exported
    assert names & modules == kept


MADE = [
    f"docs/reference/{each}"
    for each in ("api/", "commands/", "models/", "environment.md", "exit-statuses.md")
]
"""Pages that the site's build makes: links to them are checked there, as errors (``mkdocs.yml``)."""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_documentation_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            place, _, part = target.partition("#")
            aim = (page.parent / place) if place else page
            if page.is_relative_to(ROOT / "docs") and Path(os.path.relpath(aim, ROOT)).as_posix().startswith(
                tuple(MADE)
            ):
                continue
            assert aim.exists(), f"{target} is not there"
            if part and aim.suffix == ".md":
                titles = re.findall(r"^#+ +(.+)$", aim.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in titles}
                assert part in anchors, f"{target}: no such heading"
