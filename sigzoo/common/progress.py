"""Progress bars on stderr, or a caller's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

ProgressLike = bool | Callable[[int], object]
"""`True` for a bar on stderr, `False` for none, or a function that is told how many more are done."""


@contextmanager
def bar(progress: ProgressLike, total: int | None, what: str) -> Iterator[Callable[[int], object]]:
    """Give a function to call with the number of steps that were just done."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done: None
    else:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
            task = shown.add_task(what, total=total)
            yield lambda done: shown.advance(task, done)
