"""Where the images of a stream are prepared: in threads at first, in processes once their start pays."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from operator import length_hint

from PIL import Image, ImageFile

from sigzoo.common.parallel import Threads, in_order
from sigzoo.common.worker_pool import CHUNK, WorkerPool
from sigzoo.embedding.fetching import fetched_ahead
from sigzoo.embedding.preparation import Preparation, Prepared, WorkerPreparation, read_answer
from sigzoo.imaging import EncodedImage, ImageSource, source_name
from sigzoo.imaging.decode_limits import MAX_BYTES
from sigzoo.imaging.remote_images import FetchedImage

__all__ = ["PreparationPool", "prepared_in_order"]

_START_SECONDS = 0.25
"""Time of a core that a worker takes to start, as measured: Python, numpy, Pillow."""

_PAYS = 2
"""How many times what the start of all workers takes must be left to do, where that is known. Of less, two
threads do as much in the same time: they run about 1.25 times as fast as one, two processes 1.9 times."""

_ROOM = 1 << 20
"""Room for a prepared image whose size is not known before; a larger one goes through the channel."""

_LEAST_BYTES = 100 << 20
"""What any worker may take to decode an image: an A4 page at 400 dots an inch."""

_MOST_CONTENT = 16 << 20
"""Content of files, given as bytes, that is sent to a worker."""

_Numbered = tuple[int, ImageSource]


def prepared_in_order(
    preparation: Preparation, images: Iterable[ImageSource], *, workers: int, ahead: int
) -> Generator[Prepared, None, None]:
    """Prepare images on several cores and give them back in order.

    numpy and Pillow let go of the interpreter's lock only while they are at the pixels: two threads
    prepare small scans hardly faster than one. So work goes to processes as soon as as much time has been
    spent as these take to start, or at once where the images have a length and those that are left will take
    long by what the first took; what cannot be sent there (open files, PIL images, arrays) stays in threads,
    and so does all work where a worker cannot load the preprocessor.

    Parameters
    ----------
    preparation
        What is done with an image.
    images
        Taken one after the other as they are needed.
    workers
        How many cores; with 1 there is a thread and no process.
    ahead
        Results that wait at most, beside those under way.

    Raises
    ------
    SigzooError
        If a worker process dies.
    """
    pool = PreparationPool(preparation, workers, expected=length_hint(images))
    fetched = fetched_ahead(images)
    try:
        for item in in_order(pool.submit, enumerate(fetched), ahead + 2 * CHUNK * (workers - 1)):
            for note in item.notes:
                _warn_again("sigzoo.errors", "SigzooWarning", note, __file__, 0)
            for warned in item.warned:
                _warn_again(*warned)
            yield item
    finally:
        fetched.close()
        pool.close()


@dataclass
class _Clock:
    """Prepares images, and adds up the time that threads take for it."""

    preparation: Preparation
    spent: float = field(default=0.0, init=False)
    images: int = field(default=0, init=False)

    def __call__(self, numbered: _Numbered) -> Prepared:
        start = time.thread_time()
        try:
            return self.preparation(numbered)
        finally:
            self.spent += time.thread_time() - start
            self.images += 1


class PreparationPool:
    """Threads that prepare images, and worker processes beside them as soon as these pay.

    Parameters
    ----------
    preparation
        What is done with an image.
    workers
        How many of each; with 1 there is a thread and no process.
    expected
        How many images will come at least, as far as that is known.
    """

    def __init__(self, preparation: Preparation, workers: int, *, expected: int = 0) -> None:
        self._preparation, self._count, self._left = preparation, workers, expected
        self._clock = _Clock(preparation)
        self._threads = Threads(self._clock, workers)
        self._workers: WorkerPool | None = None
        self._may_start = workers > 1

    def submit(self, numbered: _Numbered, *, here: bool = False) -> Future[Prepared]:
        """Have an image prepared; with `here` in a thread, which spares the way to a process and back."""
        index, source = numbered
        self._left -= 1
        sent = None if here else _sendable(source)
        if sent is None:
            return self._threads.submit(numbered)
        if self._may_start and self._start_pays():
            self._may_start = False
            self._workers = self._start()
        if self._workers is not None and self._workers.ready:
            return self._workers.submit((index, sent))
        return self._threads.submit(numbered)

    def _start_pays(self) -> bool:
        """Whether workers are likely to save more than their start takes.

        What has been spent says that as much may come again, which is all that is known of a stream.
        """
        start, clock = self._count * _START_SECONDS, self._clock
        if clock.spent >= start:
            return True
        each = clock.spent / clock.images if clock.images else 0.0
        return self._left * each >= _PAYS * start

    def _start(self) -> WorkerPool | None:
        """Start worker processes; `None` where that cannot be."""
        size = self._preparation.preprocessor.output_size
        elsewhere = WorkerPreparation(
            self._preparation,
            max(_LEAST_BYTES, MAX_BYTES // self._count),
            Image.MAX_IMAGE_PIXELS,
            ImageFile.LOAD_TRUNCATED_IMAGES,
        )
        try:
            return WorkerPool(
                elsewhere,
                elsewhere.begin,
                self._count,
                room=_ROOM if size is None else size[0] * size[1],
                read=read_answer,
                again=self._threads.submit,
                name=_name,
            )
        except Exception:  # a preprocessor that cannot be pickled raises anything
            return None

    def close(self) -> None:
        """End processes and threads."""
        self._threads.stop()
        if self._workers is not None:
            self._workers.close()


_shown: dict[str | tuple[str, type[Warning], int], int] = {}
"""Which warnings have been shown, where the filter says to show each once."""


def _warn_again(module: str, name: str, text: str, file: str, line: int) -> None:
    """Give a warning that was heard elsewhere to this process's filters."""
    category = getattr(sys.modules.get(module), name, UserWarning)
    if not (isinstance(category, type) and issubclass(category, Warning)):
        category = UserWarning
    warnings.warn_explicit(text, category, file, line, registry=_shown)


def _name(numbered: _Numbered) -> str:
    index, source = numbered
    return source_name(source, index)


def _sendable(source: ImageSource) -> ImageSource | None:
    """What a worker can read an image from, under the same name; `None` where it cannot."""
    if isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    content = source.content if isinstance(source, EncodedImage) else source
    if isinstance(content, bytes) and len(content) <= _MOST_CONTENT:
        return source
    if isinstance(source, FetchedImage) and len(source.content) <= _MOST_CONTENT:
        return source
    return None
