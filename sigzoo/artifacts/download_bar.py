"""A progress bar on stderr for a download, where stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sigzoo.artifacts.fetching import fetch
from sigzoo.artifacts.notices import show_once
from sigzoo.artifacts.retry import Progress
from sigzoo.artifacts.spec import ArtifactSpec

__all__ = ["bar", "fetch_with_bar"]


def fetch_with_bar(spec: ArtifactSpec, *, require_hash: bool = False) -> Path:
    """Fetch as `fetch` does, with a bar where a person sees it.

    Parameters
    ----------
    spec
        What to fetch.
    require_hash
        Refuse a file of which nobody published a digest.

    Returns
    -------
    Path
        The file in the cache.

    Raises
    ------
    ArtifactError, VerificationError, OfflineError
        As `fetch`.
    """
    if spec.pinned or not require_hash:
        # Before the bar, which would be drawn over it.
        show_once(spec)
    with bar(spec.stored_name) as progress:
        return fetch(spec, progress=progress, require_hash=require_hash)


@contextmanager
def bar(label: str) -> Iterator[Progress | None]:
    """Give what `fetch` takes as `progress`; `None` where stderr is no terminal.

    The bar appears with the first byte, so that a file that is here already shows none.

    Parameters
    ----------
    label
        What stands before the bar.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = bars.add_task(escape(label), total=None)

    def show(done: int, total: int | None) -> None:
        bars.start()
        bars.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bars.stop()
