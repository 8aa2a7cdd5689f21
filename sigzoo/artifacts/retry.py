"""How often and how patiently a download is tried again, and when it is given up: all limits in one place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["MAX_UNSTATED_SIZE", "Progress", "Retry", "retry_after_seconds"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes there will be, `None` where nobody said."""

MAX_UNSTATED_SIZE = 1 << 34
"""Bytes at which a file of unknown size is given up: an endless answer must not fill the disk."""

_LONGEST_DATE = 64
"""Characters; an HTTP date has 29."""


@dataclass(frozen=True)
class Retry:
    """Patience of a download.

    Attributes
    ----------
    attempts
        Tries in a row that may bring nothing new before a mirror is given up.
    silent_attempts
        The same for a server that cannot be reached, says nothing, or is too slow.
    first_wait, factor, longest_wait
        Exponential back-off between tries: seconds, multiplier, seconds.
    longest_retry_after
        Seconds; a server that asks for a longer wait is given up at once.
    connect_timeout, read_timeout
        Seconds without a connection (TLS included), and without a byte.
    answer_timeout
        Seconds until an answer's head is whole, redirects included.
    least_speed, speed_window
        Bytes a second, and seconds: whatever ``least_speed * speed_window`` bytes take longer than the
        window is too slow.
    longest
        Seconds that one mirror may take in all; what has come by then is kept.
    progress_bytes
        New bytes that make a try count as progress, so that a poor line may take many tries.
    sleep
        What waits, in seconds.
    """

    attempts: int = 5
    silent_attempts: int = 2
    first_wait: float = 1.0
    factor: float = 2.0
    longest_wait: float = 30.0
    longest_retry_after: float = 120.0
    connect_timeout: float = 15.0
    read_timeout: float = 30.0
    answer_timeout: float = 45.0
    least_speed: float = 1024.0
    speed_window: float = 45.0
    longest: float = 12 * 3600.0
    progress_bytes: int = 1 << 16
    sleep: Callable[[float], None] = time.sleep

    def wait_before(self, attempt: int) -> float:
        """Seconds to wait before the attempt of that number, the second being 1.

        Parameters
        ----------
        attempt
            Its number: 1 for the second one.

        Returns
        -------
        float
            Seconds.
        """
        return min(self.first_wait * self.factor ** (attempt - 1), self.longest_wait)


def retry_after_seconds(value: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, in either of its forms; `None` where it says nothing.

    Source: RFC 9110, section 10.2.3.
    """
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    if not value or len(value) > _LONGEST_DATE:
        return None
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except Exception:  # a date that no calendar holds ends in errors of several kinds
        return None
