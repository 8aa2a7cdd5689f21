"""The page of environment variables: every one that the code reads, and no other."""

from __future__ import annotations

import ast

from generators.pages import ROOT, Pages

__all__ = ["add_to"]

READ = {
    "SIGZOO_HOME": "The folder of fetched and built files; by default the user's cache folder"
    " ([cache](../cache.md)).",
    "SIGZOO_OFFLINE": "`1`: no socket is opened; what is not in the cache is an error that says what to bring"
    " ([offline](../offline.md)).",
    "SIGZOO_REGISTRY": "Registry files of your own, joined by `:` (`;` on Windows)"
    " ([registry](../plugins/registry.md)).",
    "SIGZOO_PLUGINS": "Names of distributions or entry points, joined by commas: no other plugin is loaded"
    " ([plugins](../plugins/index.md)).",
    "SIGZOO_STRICT": "`1`: a plugin that fails is an error, not a line on stderr.",
    "REQUESTS_CA_BUNDLE": "The certificates to trust, a file or a folder; of these three the first that is"
    " set counts.",
    "CURL_CA_BUNDLE": "The same.",
    "SSL_CERT_FILE": "The same.",
    "TORCH_DEVICE_BACKEND_AUTOLOAD": "torch's own. The command line sets it to `0` for its own process where"
    " an installed distribution is damaged so that torch could not be imported.",
    "NO_COLOR": "Not empty: no colours and no bold in the terminal.",
    "TERM": "`dumb`: the same.",
    "RAY_ADDRESS": "Ray's own: the cluster that computes where none is named.",
    "WORLD_SIZE": "Set by `torchrun`: the number of processes of a training.",
    "RANK": "Set by `torchrun`: the number of this process; the first alone prints and writes.",
    "LOCAL_RANK": "Set by `torchrun`: the number of this process on its machine, and so its GPU.",
}
"""What each variable that the code reads does."""

ELSEWHERE = {
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "The way to the network"
    " ([offline and behind a proxy](../offline.md)).",
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...": "Who reads and writes `s3://...`.",
    "COLUMNS": "Width of tables where stdout is no terminal.",
    "OMP_NUM_THREADS": "Threads of torch; `embed` decides by itself how many cores it uses (`--workers`).",
}
"""Variables that libraries read for sigzoo."""

_PROGRAMS = ("sigzoo/**/*.py", "plugins/*/sigzoo_*/**/*.py")


def add_to(pages: Pages) -> None:
    """Add the page; fail where the code reads a variable that is not described, or none that is."""
    found = variables()
    if found != set(READ):
        raise ValueError(
            f"docs/generators/environment.py must describe exactly what is read: {found ^ set(READ)}"
        )
    lines = ["# Environment variables", ""]
    for name, meaning in READ.items():
        lines += [f"`{name}`", f":   {meaning}", ""]
    lines += ["## Read by libraries", ""]
    for name, meaning in ELSEWHERE.items():
        lines += [", ".join(f"`{each}`" for each in name.split(", ")), f":   {meaning}", ""]
    pages.files["reference/environment.md"] = "\n".join(lines)


def variables() -> set[str]:
    """Names of the environment variables that the programs of this repository read, from their code."""
    found: set[str] = set()
    for pattern in _PROGRAMS:
        for path in ROOT.glob(pattern):
            text = path.read_text(encoding="utf-8")
            if "environ" in text:
                found |= _read(ast.parse(text))
    return found


def _read(tree: ast.Module) -> set[str]:
    """Names that a module asks `os.environ` or `os.getenv` for: literal, or constants of the module."""
    nodes = list(ast.walk(tree))
    meant = {
        target.id: _texts(node.value)
        for node in nodes
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in nodes:  # `for name in NAMES`
        if isinstance(node, ast.comprehension | ast.For) and isinstance(node.target, ast.Name):
            named = node.iter.id if isinstance(node.iter, ast.Name) else ""
            meant.setdefault(node.target.id, meant.get(named, set()))
    found: set[str] = set()
    for asked in filter(None, map(_asked, nodes)):
        found |= meant.get(asked.id, set()) if isinstance(asked, ast.Name) else _texts(asked)
    return found


def _asked(node: ast.AST) -> ast.expr | None:
    """What a piece of code asks the environment for, if it does."""
    if isinstance(node, ast.Subscript) and _is_environ(node.value) and isinstance(node.ctx, ast.Load):
        return node.slice
    if isinstance(node, ast.Compare) and _is_environ(node.comparators[0]):
        return node.left
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
        return None
    asks = node.func.attr == "getenv" or (node.func.attr == "get" and _is_environ(node.func.value))
    return node.args[0] if asks else None


def _is_environ(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def _texts(node: ast.expr) -> set[str]:
    """A literal text, or those of a tuple."""
    parts = node.elts if isinstance(node, ast.Tuple | ast.List) else [node]
    return {each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)}
