"""What a service takes on: bytes, pixels and images of a request, images in hand, how batches are made."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sigzoo.errors import UsageError
from sigzoo.imaging.decode_limits import MAX_PIXELS

__all__ = ["ServingLimits"]


@dataclass(frozen=True)
class ServingLimits:
    """Bounds that hold memory constant, whatever clients send.

    Raises
    ------
    UsageError
        If one is out of range, or they do not go together.
    """

    max_bytes: int = 32 << 20
    """Bytes of a request, all its images together."""
    max_pixels: int = 40_000_000
    """Pixels of an image: a page of A4 at 600 dots an inch has 35 million. Looked at before it is decoded."""
    max_images: int = 64
    """Images of a request."""
    max_queue: int = 256
    """Images in hand at a time, waiting or worked on; a request that would exceed it is refused."""
    max_held_bytes: int = 512 << 20
    """Bytes of all requests in hand together."""
    batch_size: int = 32
    """Images that go through the network together."""
    max_wait: float = 0.010
    """Seconds that an image waits at most for others that are being prepared, to share a batch with them."""
    body_seconds: float = 60.0
    """Time that a client has for sending a request."""

    def __post_init__(self) -> None:
        """Check the bounds."""
        for each in fields(self):
            value = getattr(self, each.name)
            if not (value >= 0 if each.name == "max_wait" else value > 0):
                raise UsageError(f"{each.name} must be above 0, got {value!r}.")
        if self.max_pixels > MAX_PIXELS:
            raise UsageError(
                f"max_pixels is {self.max_pixels:,}, but no image of over {MAX_PIXELS:,} pixels is read."
            )
        if self.max_images > self.max_queue:
            raise UsageError(
                f"A request of {self.max_images} images could never be taken with room for {self.max_queue}:"
                " max_queue must be at least max_images."
            )
        if self.max_bytes > self.max_held_bytes:
            raise UsageError(
                f"A request of {self.max_bytes:,} bytes could never be taken with room for"
                f" {self.max_held_bytes:,}: max_held_bytes must be at least max_bytes."
            )
