"""Images to features in a stream: prepared on all cores, batched, in order, in constant memory."""

from sigzoo.embedding.stream import Embedded, EmbeddingStream

__all__ = ["Embedded", "EmbeddingStream"]
