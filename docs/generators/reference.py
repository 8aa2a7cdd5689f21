"""Short pages of reference: exit statuses, hooks, the files that commands write, the overview."""

from __future__ import annotations

import inspect

import plugin_pages

from generators.pages import Pages, escaped
from sigzoo import errors
from sigzoo.verification.verification import NOT_GENUINE, UNDECIDED

__all__ = ["add_to"]

OVERVIEW = """# Reference

- [Commands](commands/index.md): every option of each, made from the program.
- [Python](api/index.md): every public function and class, made from its docstring.
- [Models](models/index.md): a page a model, made from its card.
- [The registry](../plugins/registry.md): every key of a card.
- [Hooks](hooks.md): what a plugin can register.
- [Environment variables](environment.md), [exit statuses](exit-statuses.md), [files](files.md).
"""


def add_to(pages: Pages) -> None:
    """Add them."""
    pages.files["reference/index.md"] = OVERVIEW
    pages.files["reference/exit-statuses.md"] = exit_statuses()
    pages.files["reference/hooks.md"] = _hooks()


def exit_statuses() -> str:
    """The page of exit statuses, and of the errors behind them."""
    lines = [
        "# Exit statuses",
        "",
        "| status | says |",
        "|---|---|",
        "| 0 | done; of `sigzoo verify`: all are genuine as far as the threshold says |",
        "| 1 | failed: a file, the network, a model, a plugin; also a check that did not pass |",
        "| 2 | wrong usage: an option, a name, an argument |",
        f"| {NOT_GENUINE} | `sigzoo verify`: at least one signature is not genuine |",
        f"| {UNDECIDED} | `sigzoo verify`: none is not genuine, but one is inconclusive, or there"
        " is no threshold |",
        "| 130 | ended by Ctrl-C (128 plus the number of the signal, for others, too) |",
        "",
        "An error is a line or two on stderr; `--debug` shows its traceback. With `--json` stdout is"
        ' `{"error": ...}`.',
        "",
        "## Errors",
        "",
        "Everything that sigzoo raises on purpose is one of these, of"
        " [`sigzoo.errors`](api/sigzoo.errors.md):",
        "",
        "| error | status | is |",
        "|---|---|---|",
    ]
    for name in errors.__all__:
        kind = getattr(errors, name)
        if issubclass(kind, errors.SigzooError):
            summary = (inspect.getdoc(kind) or "").partition("\n")[0]
            lines.append(f"| `{name}` | {kind.exit_code} | {escaped(summary)} |")
    return "\n".join(lines) + "\n"


def _hooks() -> str:
    return (
        "# Hooks\n\nWhat a plugin can register, and through which function"
        " ([write a plugin](../plugins/index.md)); all targets are lazy, `package.module:Name`.\n\n"
        f"{plugin_pages.hooks()}\n"
        "The functions themselves: [`sigzoo.hookspecs`](api/sigzoo.hookspecs.md); what a part must be able"
        " to do: [`sigzoo.interfaces`](api/sigzoo.interfaces.md); what checks it:"
        " [`sigzoo.testing`](api/sigzoo.testing.md).\n"
    )
