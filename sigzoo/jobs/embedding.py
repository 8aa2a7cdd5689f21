"""Embedding as a job: its settings, what is done with shards, and the engine of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from sigzoo.imaging import ImageSource
from sigzoo.jobs.folder import JobFolder
from sigzoo.jobs.shard_writer import ShardDone
from sigzoo.jobs.shards import Shard

if TYPE_CHECKING:
    from sigzoo.embedding import Embedded, EmbeddingStream
    from sigzoo.model import SignatureModel

__all__ = ["Embed", "EmbedJob", "EmbedSettings", "Engine", "LocalEngine", "embed_shards", "embedded"]

Embed: TypeAlias = "Callable[[Iterable[ImageSource]], Iterator[Embedded]]"
"""Features of images in a stream, in their order."""


@dataclass(frozen=True)
class EmbedSettings:
    """What makes features of images, as data that can be pickled: see `sigzoo.load`, `embed_stream`."""

    model: str | None = None
    weights: str | None = None
    layer: str | None = None
    batch_size: int | None = None
    device: str = "auto"
    runtime: str = "torch"
    precision: str = "float32"
    workers: int | None = None
    check_images: bool = True
    grey_range: tuple[float, float] | None = None
    preprocessor_options: Mapping[str, Any] = field(default_factory=dict)
    preprocessed: bool = False
    on_error: Literal["raise", "skip"] = "raise"

    def load_model(self) -> SignatureModel:
        """Load the model.

        Raises
        ------
        SigzooError
            As `sigzoo.load`.
        """
        from sigzoo.zoo import default_zoo

        return default_zoo().load(
            self.model,
            device=self.device,
            runtime=self.runtime,
            precision=self.precision,
            weights=self.weights,
            preprocessor_options=self.preprocessor_options,
        )

    def load(self) -> Embed:
        """Load the model, and give what embeds with it."""
        return self.stream(self.load_model())

    def stream(self, model: SignatureModel) -> Embed:
        """What embeds with a model that is loaded.

        Parameters
        ----------
        model
            Loaded with the settings' runtime and precision.

        Returns
        -------
        Embed
            A function from images to what comes of each.
        """

        def embed(sources: Iterable[ImageSource]) -> Iterator[Embedded]:
            return model.embed_stream(
                sources,
                layer=self.layer,
                batch_size=self.batch_size,
                on_error=self.on_error,
                check_images=self.check_images,
                grey_range=self.grey_range,
                preprocessed=self.preprocessed,
                workers=self.workers,
            )

        return embed

    def embedding_stream(self, model: SignatureModel) -> EmbeddingStream:
        """The stream of a model that is loaded, on one core, as Ray counts the cores.

        Parameters
        ----------
        model
            The one that these settings load.

        Returns
        -------
        EmbeddingStream
            Its `preparation` is what is done with an image first; it computes prepared images.
        """
        from sigzoo.imaging import ReadOptions

        look = self.check_images and not self.preprocessed
        return model.embedding_stream(
            layer=self.layer,
            batch_size=self.batch_size,
            options=ReadOptions(self.grey_range, look, self.preprocessed),
            workers=1,
        )

    def identity(self, model: SignatureModel) -> dict[str, Any]:
        """All that decides features beside the image: what a job that is resumed must have in common.

        Parameters
        ----------
        model
            Loaded with the settings' runtime and precision.

        Returns
        -------
        dict
            Plain data.
        """
        return {
            **model.provenance(self.layer),
            "grey_range": self.grey_range,
            "preprocessed": self.preprocessed,
        }


@dataclass(frozen=True)
class EmbedJob:
    """What an engine is given: how to embed, and where shards go. It can be pickled."""

    settings: EmbedSettings
    folder: JobFolder


class Engine(Protocol):
    """Decides where shards are computed."""

    def run(self, job: EmbedJob, shards: Iterable[Shard]) -> Iterator[ShardDone]:
        """Compute and write each of the shards, which are read as they can be taken; in any order.

        Parameters
        ----------
        job
            Settings, and where shards are written.
        shards
            What is to be done, read as it can be taken.

        Yields
        ------
        ShardDone
            A shard that is written.

        Raises
        ------
        SigzooError
            If an image cannot be used (with ``on_error="raise"``), a file cannot be written, or a worker is
            lost for good. What is written by then stays.
        """
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Work in this process: one stream over all shards, on all cores.

    Attributes
    ----------
    model
        A model that is loaded already; by default the job's settings load it.
    """

    model: SignatureModel | None = None

    def run(self, job: EmbedJob, shards: Iterable[Shard]) -> Iterator[ShardDone]:
        """Compute and write the shards in order.

        Parameters
        ----------
        job, shards
            As for `Engine.run`.

        Yields
        ------
        ShardDone
            A shard that is written.
        """
        model = job.settings.load_model() if self.model is None else self.model
        return embed_shards(job.settings.stream(model), shards, job.folder)


def embedded(embed: Embed, shards: Iterable[Shard]) -> Iterator[tuple[Shard, int, Embedded]]:
    """What became of each image of shards: its shard, its place in it, and its features or its error.

    Shards are read as far ahead as the stream reads images.
    """
    begun: deque[Shard] = deque()

    def sources() -> Iterator[ImageSource]:
        for shard in shards:
            begun.append(shard)
            yield from shard.sources

    place = 0
    for item in embed(sources()):
        yield begun[0], place, item
        place += 1
        if place == len(begun[0]):
            begun.popleft()
            place = 0


def embed_shards(embed: Embed, shards: Iterable[Shard], folder: JobFolder) -> Iterator[ShardDone]:
    """Embed the images of shards in one stream, and write each shard.

    Parameters
    ----------
    embed
        Gives what became of each image, in order, as `SignatureModel.embed_stream` does.
    shards
        Read as they are needed.
    folder
        Where they go.

    Yields
    ------
    ShardDone
        A shard that is written.

    Raises
    ------
    SigzooError
        As `embed` does; or if a shard cannot be written. Shards that are written stay.
    """
    stream = embedded(embed, shards)
    while (first := next(stream, None)) is not None:
        shard = first[0]
        with folder.writing(shard) as writer:
            for _, _, item in chain([first], islice(stream, len(shard) - 1)):
                writer.add(item.features, item.error)
        yield writer.done
