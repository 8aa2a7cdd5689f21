"""A downloader for pooch that resumes, retries, gives up what never ends, and knows pages from files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import is_offline, make_folder, storage_errors
from sigzoo.artifacts.part_files import discard_part, part_path
from sigzoo.artifacts.retry import Progress, Retry
from sigzoo.artifacts.spec import scheme
from sigzoo.common.redaction import redacted
from sigzoo.errors import OfflineError

__all__ = ["ResumingDownloader"]


@dataclass
class ResumingDownloader:
    """Downloads over HTTP into ``<target>.part``, going on where an earlier try stopped.

    It has the signature of pooch's downloaders, so that ``pooch.retrieve(url, ...,
    downloader=ResumingDownloader(part=...))`` works; there `part` must be given, as pooch makes
    up a new name for each try.

    Attributes
    ----------
    size
        Bytes of the whole file, where known.
    same_bytes
        Whether a digest will decide over the result. Then bytes of another mirror or of a server
        that gives no validator may be continued; else only those that the same URL's strong ETag
        says are the same.
    retry
        Patience.
    progress
        Called as the bytes arrive.
    part
        Where the bytes gather; by default beside the target.
    """

    size: int | None = None
    same_bytes: bool = False
    retry: Retry = field(default_factory=Retry)
    progress: Progress | None = None
    part: Path | None = None

    def __call__(self, url: str, output_file: str | Path, pooch: Any = None) -> None:
        """Download `url` and put it, whole, under the name `output_file`; nothing is verified but its length.

        Raises
        ------
        ArtifactError
            If the server does not give the file.
        StorageError
            If it cannot be written.
        OfflineError
            If the network is switched off.
        """
        target = Path(output_file)
        part = self.part or part_path(target)
        self.gather(url, part, target.name)
        with storage_errors(target):
            part.replace(target)
        discard_part(part)

    def gather(self, url: str, part: Path, filename: str) -> None:
        """Make `part` whole and leave it there.

        Raises
        ------
        ArtifactError, StorageError, OfflineError
            As when called.
        """
        if is_offline():
            raise OfflineError(f"SIGZOO_OFFLINE is set: {redacted(url)} is not asked for.")
        from sigzoo.artifacts.connections import Watchdog, ca_file, opened_session
        from sigzoo.artifacts.http_transfer import Transfer

        trusted = ca_file() if scheme(url) == "https" else None
        make_folder(part.parent)
        watchdog = Watchdog()
        with opened_session(watchdog) as session:
            if trusted is not None:
                session.verify = trusted[1]
            Transfer(self, session, watchdog, url, part, filename).run()
