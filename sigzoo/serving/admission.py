"""What is taken in hand and what is refused, so that nothing waits without bound."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sigzoo.serving.limits import ServingLimits

__all__ = ["Admission", "Overloaded"]

_LONGEST = 60
"""Seconds after which a client is told to come back, at most."""


class Overloaded(Exception):  # noqa: N818  (a state that passes, told to the client as 429)
    """There is no room just now; nothing of the request was taken.

    Attributes
    ----------
    seconds
        After how long there may be room again.
    """

    def __init__(self, what: str, seconds: int) -> None:
        super().__init__(f"The service has as many {what} in hand as it takes; try again in {seconds} s.")
        self.seconds = seconds


class Admission:
    """Counts the images and bytes in hand. Used from the event loop's thread alone."""

    def __init__(self, limits: ServingLimits) -> None:
        self._limits = limits
        self.images = self.bytes = 0
        self._finished: deque[tuple[float, int]] = deque(maxlen=64)
        """When requests were finished, and how many images each had."""

    @contextmanager
    def hold_bytes(self, count: int) -> Iterator[None]:
        """Have a request of so many bytes in hand for the block.

        Raises
        ------
        Overloaded
            If there is no room.
        """
        if self.bytes + count > self._limits.max_held_bytes or self.images >= self._limits.max_queue:
            raise Overloaded("requests", self.seconds())
        self.bytes += count
        try:
            yield
        finally:
            self.bytes -= count

    @contextmanager
    def hold_images(self, count: int) -> Iterator[None]:
        """Have so many images in hand for the block.

        Raises
        ------
        Overloaded
            If there is no room.
        """
        if self.images + count > self._limits.max_queue:
            raise Overloaded("images", self.seconds())
        self.images += count
        try:
            yield
        finally:
            self.images -= count
            self._finished.append((time.monotonic(), count))

    def seconds(self) -> int:
        """How long what is in hand will take, by what was done of late: whole seconds, at least 1."""
        if len(self._finished) < 2:
            return 1
        passed = time.monotonic() - self._finished[0][0]
        done = sum(count for _, count in self._finished)
        return max(1, min(_LONGEST, math.ceil(self.images * passed / done)))
