"""The page of environment variables: every one that the code reads, and no other."""

from __future__ import annotations

import ast
import re

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
    "WORLD_SIZE": "Set by `torchrun`: the number of processes of a training.",
    "RANK": "Set by `torchrun`: the number of this process; the first alone prints and writes.",
    "LOCAL_RANK": "Set by `torchrun`: the number of this process on its machine, and so its GPU.",
}
"""What each variable that the code reads does."""

ELSEWHERE = {
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "The way to the network"
    " ([offline and behind a proxy](../offline.md)).",
    "NO_COLOR": "Not empty: no colours in the terminal.",
    "COLUMNS": "Width of tables where stdout is no terminal.",
    "OMP_NUM_THREADS": "Threads of torch; `embed` decides by itself how many cores it uses (`--workers`).",
}
"""Variables that libraries read for sigzoo."""

_NAME = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+|RANK")
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
    """Names of environment variables in modules that read the environment.

    Not what is only set for processes of our own (threads of numeric libraries), nor flags of `os.open`.
    """
    found: set[str] = set()
    for pattern in _PROGRAMS:
        for path in ROOT.glob(pattern):
            text = path.read_text(encoding="utf-8")
            if "os.environ" in text:
                nodes = list(ast.walk(ast.parse(text)))
                own = {each.id for each in nodes if isinstance(each, ast.Name)}
                constants = {each.value for each in nodes if isinstance(each, ast.Constant)}
                found |= {each for each in constants - own if isinstance(each, str) and _NAME.fullmatch(each)}
    return {each for each in found if not each.endswith("_THREADS") and not each.startswith("O_")}
