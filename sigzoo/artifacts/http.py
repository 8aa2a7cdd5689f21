"""A downloader for pooch that resumes, retries and recognises what is not a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigzoo.artifacts.home import append, discard, is_offline, keeping, make_folder
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.artifacts.pages import HEAD, printable, wrong_content
from sigzoo.artifacts.retry import Progress, Retry, retry_after_seconds
from sigzoo.artifacts.spec import scheme
from sigzoo.errors import ArtifactError, OfflineError, VerificationError

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = ["BLOCK", "ResumingDownloader", "discard_part", "part_path"]

BLOCK = 1 << 20
MAX_UNSTATED_SIZE = 1 << 34
"""Bytes at which a file of unknown size is given up: an endless answer must not fill the disk."""

_TRANSIENT = frozenset({408, 425, 429})


class _TryAgainError(Exception):
    """A try that failed in a way that another may not."""

    def __init__(
        self, reason: str, *, wait: float | None = None, at_once: bool = False, attempts: int = 1 << 30
    ) -> None:
        super().__init__(reason)
        self.wait, self.at_once, self.attempts = wait, at_once, attempts


def part_path(target: Path) -> Path:
    """Return where the bytes of `target` gather until they are whole."""
    return target.with_name(f"{target.name}.part")


def _record_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def discard_part(part: Path) -> None:
    """Remove a partial file and what is known about it.

    Raises
    ------
    StorageError
        If it is there and cannot be removed.
    """
    discard(_record_path(part))
    discard(part)


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
        that gives no validator may be continued; else only those of the same unchanged URL are.
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
        with keeping(target):
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
            raise OfflineError(f"SIGZOO_OFFLINE is set: {url} is not asked for.")
        from requests import Session

        from sigzoo import __version__

        make_folder(part.parent)
        with Session() as session:
            session.headers.update({"User-Agent": f"sigzoo/{__version__}", "Accept-Encoding": "identity"})
            _Transfer(self, session, url, part, filename).run()


@dataclass
class _Transfer:
    """One URL into one partial file, over as many requests as it takes."""

    wanted: ResumingDownloader
    session: Session
    url: str
    part: Path
    filename: str

    def run(self) -> None:
        retry = self.wanted.retry
        failures, furthest = 0, self.have()
        while not self.is_whole():
            try:
                return self.request()
            except _TryAgainError as again:
                if self.have() >= furthest + retry.progress_bytes:
                    failures = 0
                furthest = max(furthest, self.have())
                failures += 1
                if failures >= min(retry.attempts, again.attempts):
                    times = f" (tried {failures} times)" if failures > 1 else ""
                    raise ArtifactError(f"{again}{times}") from again
                if (again.wait or 0) > retry.longest_retry_after:
                    raise ArtifactError(f"{again}; the server asks to wait {again.wait:.0f} s") from again
                if not again.at_once:
                    retry.sleep(max(retry.wait_before(failures), again.wait or 0))

    def have(self) -> int:
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    def is_whole(self) -> bool:
        """Whether an earlier process stopped between the last byte and the verification."""
        return self.wanted.same_bytes and self.have() == self.wanted.size and self.known() is not None

    def known(self) -> dict[str, Any] | None:
        return read_json(_record_path(self.part))

    def plan(self) -> dict[str, str]:
        """Return the headers that ask for the rest; none of them where it must start from the beginning."""
        have, known = self.have(), self.known()
        if have == 0 or known is None or (self.wanted.size is not None and have > self.wanted.size):
            return {}
        headers = {"Range": f"bytes={have}-"}
        if known.get("url") == self.url:
            etag, modified = known.get("etag"), known.get("last_modified")
            # A weak validator does not promise the same bytes, and If-Range must not hold one.
            validator = etag if etag and not etag.startswith("W/") else modified
            if validator:
                return headers | {"If-Range": validator}
        return headers if self.wanted.same_bytes else {}

    def request(self) -> None:
        asked = self.plan()
        with self.answer(asked) as response:
            self.refuse_status(response)
            if response.status_code == 416:
                return self.end_of_range(response)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ArtifactError("the server sends the file compressed, though asked not to")
            if response.status_code == 206 and not asked:
                raise ArtifactError("the server sends a part of the file (206), though asked for all of it")
            start, total = self.continued(response) if asked and response.status_code == 206 else (0, None)
            length = _number(response.headers.get("Content-Length"))
            if total is None and length is not None:
                total = start + length
            if total is None and not self.end_shows(response):
                raise ArtifactError(
                    "the server does not say how long the file is, and no digest is known to tell a cut one"
                )
            self.receive(response, start, total)

    def end_shows(self, response: Response) -> bool:
        """Whether a cut would be noticed without a stated length."""
        known = self.wanted.same_bytes or self.wanted.size is not None
        return known or bool(getattr(response.raw, "chunked", False))

    def answer(self, asked: dict[str, str]) -> Response:
        from requests import exceptions
        from urllib3.exceptions import HTTPError

        retry = self.wanted.retry
        timeouts = (retry.connect_timeout, retry.read_timeout)
        try:
            response = self.session.get(self.url, headers=asked, stream=True, timeout=timeouts)
        except exceptions.TooManyRedirects as error:
            raise ArtifactError("redirects in a loop") from error
        except exceptions.SSLError as error:
            raise ArtifactError(f"no trusted connection ({_cause(error)})") from error
        except exceptions.ReadTimeout as error:
            raise _TryAgainError(f"no answer within {retry.read_timeout:g} s") from error
        except exceptions.ConnectTimeout as error:
            raise _TryAgainError(f"no connection within {retry.connect_timeout:g} s", attempts=2) from error
        except exceptions.ConnectionError as error:
            unreachable = "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)
            raise _TryAgainError(_cause(error), attempts=2 if unreachable else 1 << 30) from error
        except (exceptions.RequestException, HTTPError, ValueError) as error:
            raise ArtifactError(f"not a usable URL or answer ({_cause(error)})") from error
        insecure = [hop.url for hop in (*response.history, response) if scheme(hop.url) != "https"]
        if insecure and scheme(self.url) == "https":
            response.close()
            raise ArtifactError(f"redirected from https to {printable(insecure[0])}")
        return response

    def refuse_status(self, response: Response) -> None:
        status = response.status_code
        if status in {200, 206, 416}:
            return
        reason = printable(f"{status} {response.reason or ''}".strip())
        if status in _TRANSIENT or status >= 500:
            raise _TryAgainError(reason, wait=retry_after_seconds(response.headers.get("Retry-After")))
        raise ArtifactError(reason)

    def end_of_range(self, response: Response) -> None:
        """Judge a 416: the partial file is the whole one already, or none of it."""
        total = response.headers.get("Content-Range", "").removeprefix("bytes */")
        if self.have() and _number(total) == self.have():
            return
        discard_part(self.part)
        raise _TryAgainError("416: the server's file is not the one that was begun", at_once=True)

    def continued(self, response: Response) -> tuple[int, int | None]:
        """Return where a 206 goes on and how long the file is; start over where it is of another file."""
        span, _, length = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        start, total = _number(span.partition("-")[0]), _number(length)
        known = self.known() or {}
        begun = known.get("total") if isinstance(known.get("total"), int) else None
        etags = (known.get("etag"), response.headers.get("ETag"))
        other_file = known.get("url") == self.url and None not in etags and etags[0] != etags[1]
        if start != self.have() or other_file or (begun is not None and total not in {None, begun}):
            discard_part(self.part)
            raise _TryAgainError("the server's file is not the one that was begun", at_once=True)
        total = begun if total is None else total
        if total is None and not self.wanted.same_bytes and self.wanted.size is None:
            # A part may end before the file does, and nothing here would tell.
            discard_part(self.part)
            raise _TryAgainError("the server does not say how long the file is", at_once=True)
        return start, total

    def receive(self, response: Response, start: int, total: int | None) -> None:
        blocks = self.blocks(response)
        head = b""
        if start == 0:
            for block in blocks:
                head += block
                if len(head) >= HEAD:
                    break
            page = wrong_content(head[:HEAD], response.headers.get("Content-Type", ""), self.filename)
            if page is not None:
                raise ArtifactError(f"the server sends {page}")
        if total is not None and self.wanted.size not in {None, total}:
            raise VerificationError(f"the server has {total} bytes instead of {self.wanted.size}")
        self.write(head, blocks, response, start, total if self.wanted.size is None else self.wanted.size)
        have = self.have()
        if total is None and self.wanted.size is not None:
            total = self.wanted.size
        if total is not None and have < total:
            raise _TryAgainError(f"connection cut at {have} of {total} bytes")

    def blocks(self, response: Response) -> Iterator[bytes]:
        """Yield the body as it arrives, `BLOCK` bytes at most; a failing connection is to be tried again."""
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        raw = response.raw
        # urllib3 before 2.1 has no read1; its read gathers a whole block first.
        read = getattr(raw, "read1", raw.read)
        try:
            while block := read(BLOCK):
                yield block
        except ReadTimeoutError as error:
            raise _TryAgainError(f"no byte within {self.wanted.retry.read_timeout:g} s") from error
        except (HTTPError, OSError) as error:
            raise _TryAgainError(f"connection cut at {self.have()} bytes") from error

    def write(
        self, head: bytes, blocks: Iterator[bytes], response: Response, start: int, total: int | None
    ) -> None:
        """Append to the partial file from `start` on; what is written stays, whatever happens."""
        progress, limit = self.wanted.progress, MAX_UNSTATED_SIZE if total is None else total
        have = start
        with self.opened(response, start, total) as file:
            for block in chain([head], blocks):
                if have + len(block) > limit:
                    discard_part(self.part)
                    raise VerificationError(f"the server sends more than {limit} bytes")
                have += append(file, self.part, block, resumes=True)
                if progress is not None:
                    progress(have, total)

    @contextmanager
    def opened(self, response: Response, start: int, total: int | None) -> Iterator[FileIO]:
        """Open the partial file at `start`; a record of where its bytes come from lies beside it first."""
        record = _record_path(self.part)
        if start == 0:
            discard(record)
        with keeping(self.part):
            # Unbuffered: what a killed process has received is in the file.
            file = FileIO(self.part, "r+b" if start else "wb")
        with file:
            if start == 0:
                headers = response.headers
                validators = {"etag": headers.get("ETag"), "last_modified": headers.get("Last-Modified")}
                write_json(record, {"url": self.url, "total": total, **validators})
            with keeping(self.part):
                file.seek(start)
                file.truncate()
            yield file


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a nested network error, in a line."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    if len(error.args) > 1 and isinstance(error.args[1], BaseException):
        return f"{printable(str(error.args[0]))} {_cause(error.args[1])}"
    return printable(" ".join(str(error).split())[:200]) or type(error).__name__
