"""Images to features in a stream: prepared on all cores, batched, in order, in constant memory."""

from sigzoo.embedding.stream import Embedded, EmbeddingStream
from sigzoo.interfaces.runtimes import MAX_BATCH_PIXELS

__all__ = ["MAX_BATCH_PIXELS", "Embedded", "EmbeddingStream"]
