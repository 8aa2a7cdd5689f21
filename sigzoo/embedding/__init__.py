"""Images to features in a stream: prepared on all cores, batched, in order, in constant memory."""

from sigzoo.embedding.stream import MAX_BATCH_PIXELS, Embedded, EmbeddingStream

__all__ = ["MAX_BATCH_PIXELS", "Embedded", "EmbeddingStream"]
