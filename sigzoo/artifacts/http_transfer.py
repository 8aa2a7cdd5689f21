"""One URL into one partial file, over as many requests as it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from sigzoo.artifacts.home import append
from sigzoo.artifacts.http_failures import TryAgainError, failure, unanswered
from sigzoo.artifacts.pages import HEAD, wrong_content
from sigzoo.artifacts.part_files import PartRecord, discard_part, opened_part, part_size, read_record
from sigzoo.artifacts.retry import MAX_UNSTATED_SIZE, retry_after_seconds
from sigzoo.artifacts.spec import scheme
from sigzoo.common.redaction import redacted
from sigzoo.common.terminal import safe_text
from sigzoo.errors import ArtifactError, VerificationError

if TYPE_CHECKING:
    from requests import Response, Session

    from sigzoo.artifacts.connections import Watchdog
    from sigzoo.artifacts.http import ResumingDownloader

__all__ = ["Transfer"]

_BLOCK = 1 << 20
_TRANSIENT = frozenset({408, 425, 429})


@dataclass
class Transfer:
    """One URL into one partial file, over as many requests as it takes."""

    wanted: ResumingDownloader
    session: Session
    watchdog: Watchdog
    url: str
    part: Path
    filename: str
    deadline: float = 0.0
    """Of the clock ``time.monotonic``."""

    def run(self) -> None:
        """Ask until the partial file is whole, or nothing more is to be hoped for."""
        retry = self.wanted.retry
        self.deadline = time.monotonic() + retry.longest
        failures, furthest = 0, part_size(self.part)
        while not self.is_whole():
            try:
                return self.request()
            except TryAgainError as again:
                have = part_size(self.part)
                if have >= furthest + retry.progress_bytes:
                    failures = 0
                furthest = max(furthest, have)
                failures += 1
                if failures >= min(retry.attempts, again.attempts):
                    times = f" (tried {failures} times)" if failures > 1 else ""
                    raise ArtifactError(f"{again}{times}") from again
                if (again.wait or 0) > retry.longest_retry_after:
                    raise ArtifactError(f"{again}; the server asks to wait {again.wait:.0f} s") from again
                if not again.at_once:
                    retry.sleep(max(retry.wait_before(failures), again.wait or 0))

    def is_whole(self) -> bool:
        """Whether an earlier process stopped between the last byte and the verification."""
        whole = self.wanted.same_bytes and part_size(self.part) == self.wanted.size
        return whole and read_record(self.part) is not None

    def plan(self) -> dict[str, str]:
        """Return the headers that ask for the rest; none of them where it must start from the beginning."""
        have, known = part_size(self.part), read_record(self.part)
        if have == 0 or known is None or self.is_too_long(have, known):
            return {}
        headers = {"Range": f"bytes={have}-"}
        if known.url == redacted(self.url):
            # A weak validator does not promise the same bytes, and If-Range must not hold one. A date
            # has whole seconds: only where a digest will tell may two versions share one.
            validator = known.strong_etag or (known.last_modified if self.wanted.same_bytes else None)
            if validator:
                return headers | {"If-Range": validator}
        return headers if self.wanted.same_bytes else {}

    def is_too_long(self, have: int, known: PartRecord) -> bool:
        """Whether more has gathered than the file has, of which nothing can be used."""
        return any(size is not None and have > size for size in (self.wanted.size, known.total))

    def request(self) -> None:
        """Ask once, for all or the rest, and write what comes."""
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
        """Return the answer's head, its body still to be read."""
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        retry = self.wanted.retry
        timeouts = (retry.connect_timeout, retry.read_timeout)
        self.watchdog.begin(retry.answer_timeout)
        try:
            response = self.session.get(self.url, headers=asked, stream=True, timeout=timeouts)
        except (RequestException, HTTPError, ValueError, OSError) as error:
            raise failure(error, retry, expired=self.watchdog.expired) from error
        if self.watchdog.expired:
            response.close()
            raise unanswered(retry)
        insecure = [hop.url for hop in (*response.history, response) if scheme(hop.url) != "https"]
        if insecure and scheme(self.url) == "https":
            response.close()
            raise ArtifactError(f"redirected from https to {redacted(safe_text(insecure[0]))}")
        return response

    def refuse_status(self, response: Response) -> None:
        """Raise where the status says that no file comes."""
        status = response.status_code
        if status in {200, 206, 416}:
            return
        reason = safe_text(f"{status} {response.reason or ''}".strip())
        if status in _TRANSIENT or status >= 500:
            raise TryAgainError(reason, wait=retry_after_seconds(response.headers.get("Retry-After")))
        raise ArtifactError(reason)

    def end_of_range(self, response: Response) -> None:
        """Judge a 416: the partial file is the whole one already, or none of it."""
        have, known = part_size(self.part), read_record(self.part)
        stated = _number(response.headers.get("Content-Range", "").removeprefix("bytes */"))
        # Without a digest only the length that the first answer stated tells that nothing is missing.
        begun = known.total if known is not None else None
        whole = stated == have and (begun == have or (begun is None and self.wanted.same_bytes))
        if have and whole:
            return
        discard_part(self.part)
        raise TryAgainError("416: the server's file is not the one that was begun", at_once=True)

    def continued(self, response: Response) -> tuple[int, int | None]:
        """Return where a 206 goes on and how long the file is; start over where it is of another file."""
        span, _, length = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        start, total = _number(span.partition("-")[0]), _number(length)
        known = read_record(self.part)
        begun = known.total if known is not None else None
        other_length = begun is not None and total not in {None, begun}
        if start != part_size(self.part) or other_length or self.is_other_file(known, response):
            discard_part(self.part)
            raise TryAgainError("the server's file is not the one that was begun", at_once=True)
        total = begun if total is None else total
        if total is None and not self.wanted.same_bytes and self.wanted.size is None:
            # A part may end before the file does, and nothing here would tell.
            discard_part(self.part)
            raise TryAgainError("the server does not say how long the file is", at_once=True)
        return start, total

    def is_other_file(self, known: PartRecord | None, response: Response) -> bool:
        """Whether a 206 is, or where no digest will tell may be, of another version than what is here."""
        etag = response.headers.get("ETag")
        if not self.wanted.same_bytes:
            return known is None or known.strong_etag is None or known.strong_etag != etag
        same_url = known is not None and known.url == redacted(self.url)
        return same_url and known is not None and None not in {known.etag, etag} and known.etag != etag

    def receive(self, response: Response, start: int, total: int | None) -> None:
        """Write the body, if it can be the file."""
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
        have = part_size(self.part)
        if total is None and self.wanted.size is not None:
            total = self.wanted.size
        if total is not None and have < total:
            raise TryAgainError(f"connection cut at {have} of {total} bytes")

    def blocks(self, response: Response) -> Iterator[bytes]:
        """Yield the body as it arrives, `_BLOCK` bytes at most; a failing connection is to be tried again."""
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        raw, retry = response.raw, self.wanted.retry
        # urllib3 before 2.1 has no read1; its read gathers a whole block first.
        read = getattr(raw, "read1", raw.read)
        wanted = arrived = retry.least_speed * retry.speed_window
        try:
            while True:
                if arrived >= wanted:
                    arrived = 0
                    self.watchdog.allow(retry.speed_window)
                block = read(_BLOCK)
                if self.watchdog.expired:
                    raise self.too_slow()
                if not block:
                    return
                arrived += len(block)
                yield block
                self.refuse_overtime()
        except ReadTimeoutError as error:
            raise TryAgainError(
                f"no byte within {retry.read_timeout:g} s", attempts=retry.silent_attempts
            ) from error
        except (HTTPError, OSError, ValueError) as error:
            if self.watchdog.expired:
                raise self.too_slow() from error
            raise TryAgainError(f"connection cut at {part_size(self.part)} bytes") from error

    def too_slow(self) -> TryAgainError:
        """Say that the body came too slowly."""
        retry = self.wanted.retry
        return TryAgainError(
            f"slower than {retry.least_speed:g} bytes a second, {part_size(self.part)} bytes are here",
            attempts=retry.silent_attempts,
        )

    def refuse_overtime(self) -> None:
        """Give up a mirror that has had its time."""
        if time.monotonic() > self.deadline:
            raise ArtifactError(
                f"not whole after {self.wanted.retry.longest:g} s, {part_size(self.part)} bytes are here;"
                " the next fetch goes on from there"
            )

    def write(
        self, head: bytes, blocks: Iterator[bytes], response: Response, start: int, total: int | None
    ) -> None:
        """Append to the partial file from `start` on; what is written stays, whatever happens."""
        progress, limit = self.wanted.progress, MAX_UNSTATED_SIZE if total is None else total
        have = start
        record = PartRecord.from_headers(self.url, total, response.headers)
        with opened_part(self.part, start, record) as file:
            for block in chain([head], blocks):
                if have + len(block) > limit:
                    discard_part(self.part)
                    raise VerificationError(f"the server sends more than {limit} bytes")
                have += append(file, self.part, block, resumes=True)
                if progress is not None:
                    progress(have, total)


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
