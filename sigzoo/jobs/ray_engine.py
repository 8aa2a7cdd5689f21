"""`RayEngine`: shards on a Ray cluster, images prepared in tasks, each model in an actor."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sigzoo.embedding.fetching import fetched_ahead
from sigzoo.embedding.preparation import Preparation, Prepared
from sigzoo.errors import SigzooError, SigzooWarning, UsageError
from sigzoo.imaging import ImageSource
from sigzoo.jobs.embedding import EmbedJob, embed_shards
from sigzoo.jobs.ray_pipeline import Stages, connected, run_stages
from sigzoo.jobs.shard_writer import ShardDone
from sigzoo.jobs.shards import Shard

if TYPE_CHECKING:
    from sigzoo.embedding import Embedded, EmbeddingStream
    from sigzoo.model import SignatureModel

__all__ = ["RAY_SHARD_SIZE", "RayEngine"]

RAY_SHARD_SIZE = 1024
"""Images of a shard by default: prepared, at 150 x 220 pixels, 34 MB on their way to an actor."""


@dataclass(frozen=True)
class RayEngine:
    """Work on a Ray cluster, whose nodes read the images and write the shards: both must be there for all.

    Tasks on the CPUs read and prepare the images of a shard, with what the local engine prepares them with;
    an actor a GPU (or for every four CPUs where there is none) has the model, computes the features as the
    local engine does and writes the shard. A node's first actor fetches the weights, the others find them.

    Attributes
    ----------
    address
        Of the cluster (``host:6379``, or ``auto`` for that of this machine); without one a cluster of this
        machine's cores is begun, and ended afterwards.
    model
        The model that the job's settings load, loaded; loaded by them without.
    """

    address: str | None = None
    model: SignatureModel | None = None

    def run(self, job: EmbedJob, shards: Iterable[Shard]) -> Iterator[ShardDone]:
        """Compute and write the shards, which come back as they are done.

        Parameters
        ----------
        job, shards
            As for `Engine.run`.

        Yields
        ------
        ShardDone
            A shard that is written.

        Raises
        ------
        UsageError
            If Ray is not installed, there is no such cluster, or a node has another model or version.
        SigzooError
            As the local engine; or if the cluster is lost.
        """
        model = job.settings.load_model() if self.model is None else self.model
        preparation = job.settings.embedding_stream(model).preparation
        stages = Stages(_prepare, _load, (job, preparation, str(Path.cwd())))
        with connected(self.address) as ray, closing(run_stages(ray, stages, shards)) as results:  # type: ignore[type-var]
            for result in results:
                if isinstance(result, SigzooError):
                    raise result
                done, notes = result
                for note in notes:
                    warnings.warn(note, SigzooWarning, stacklevel=2)
                yield done


_Shared: TypeAlias = tuple[EmbedJob, Preparation, str]
"""The job, what is done with an image first, and the folder in which paths begin."""


def _enter(folder: str) -> None:
    """Let paths mean what they mean where the job was begun; this is a process of Ray's."""
    with suppress(OSError):  # names of files are then not found, which is told of each
        os.chdir(folder)


def _prepare(shared: _Shared, shard: Shard) -> tuple[list[Prepared], int]:
    """Read and preprocess the images of a shard."""
    _enter(shared[2])
    prepared = [shared[1](numbered) for numbered in enumerate(fetched_ahead(shard.sources))]
    return prepared, sum(each.image.nbytes for each in prepared if each.image is not None)


def _load(shared: _Shared) -> Callable[[Shard, list[Prepared]], Any]:
    """Load the model in an actor; gives what embeds and writes a shard."""
    job = shared[0]
    _enter(shared[2])
    stream: EmbeddingStream | SigzooError
    try:
        stream = _stream_of_node(job)
    except SigzooError as error:
        stream = error

    def work(shard: Shard, prepared: list[Prepared]) -> Any:
        # Errors of ours are answers: as exceptions they would come back wrapped, and with other texts.
        if isinstance(stream, SigzooError):
            return stream
        try:
            return _embed(stream, job, shard, prepared), [note for each in prepared for note in each.notes]
        except SigzooError as error:
            return error

    return work


def _stream_of_node(job: EmbedJob) -> EmbeddingStream:
    """The model on this node, which must be that of the job.

    Raises
    ------
    UsageError
        If it is another one; says what differs.
    """
    model = job.settings.load_model()
    found = model.provenance(job.settings.layer)
    differing = [name for name, value in job.folder.provenance.items() if found.get(name) != value]
    if differing:
        raise UsageError(
            f"A node of the cluster has another {' and '.join(each.replace('_', ' ') for each in differing)}"
            " than this machine: install the same sigzoo, plugins and registries there."
        )
    return job.settings.embedding_stream(model)


def _embed(stream: EmbeddingStream, job: EmbedJob, shard: Shard, prepared: list[Prepared]) -> ShardDone:
    """Embed and write a shard, whose images are prepared, as the local engine writes it."""

    def embed(sources: Iterable[ImageSource]) -> Iterator[Embedded]:
        ready = (item for _, item in zip(sources, prepared, strict=True))
        return stream.compute(ready, skip=job.settings.on_error == "skip")

    (done,) = embed_shards(embed, [shard], job.folder)
    return done
