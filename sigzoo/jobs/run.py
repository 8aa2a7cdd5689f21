"""`run_job`: a manifest into a folder of shards, begun or gone on with, by an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sigzoo.jobs.embedding import EmbedJob, EmbedSettings, Engine
from sigzoo.jobs.folder import Files, JobFolder, begin_job, stored_identity
from sigzoo.jobs.manifest import Manifest
from sigzoo.jobs.places import open_place
from sigzoo.jobs.shards import Shard

if TYPE_CHECKING:
    from sigzoo.model import SignatureModel

__all__ = ["SHARD_SIZE", "JobDone", "run_job"]


SHARD_SIZE = 4096
"""Images of a shard by default: with 2,048 features each a file of 34 MB."""


@dataclass(frozen=True)
class JobDone:
    """What a job came to, all runs together."""

    place: str
    """The folder."""
    shards: int
    """How many there are."""
    there: int
    """How many of them an earlier run had done."""
    images: int
    """How many the manifest names."""
    embedded: int
    """How many have features."""
    skipped: int
    """How many could not be used."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def run_job(
    manifest: Manifest,
    settings: EmbedSettings,
    model: SignatureModel,
    output: str,
    engine: Engine,
    *,
    shard_size: int | None,
    resume: bool,
    files: Files = "parquet",
    progress: Callable[[int], object] = lambda done: None,
) -> JobDone:
    """Embed the images of a manifest into a folder of shards.

    Parameters
    ----------
    manifest
        Which images.
    settings, model
        How they are embedded, and the model that the settings load.
    output
        The folder, or a URL.
    engine
        Where shards are computed.
    shard_size
        Images of a shard; `None` for `SHARD_SIZE`, or what the job that is gone on with has.
    resume
        Go on with what is there.
    files
        ``parquet``, or ``mat`` for a file an image.
    progress
        Told how many more images are done, those of an earlier run included.

    Returns
    -------
    JobDone
        How many images and shards, and what was skipped.

    Raises
    ------
    UsageError
        If the folder holds something else, or a job that is not this one.
    SigzooError
        As the engine.
    """
    place = open_place(output)
    if shard_size is None:
        stored = (stored_identity(place) or {}).get("shard_size") if resume else None
        shard_size = stored if isinstance(stored, int) and stored > 0 else SHARD_SIZE
    identity = {
        "kind": "embed",
        **settings.identity(model),
        "manifest_sha256": manifest.digest,
        "columns": {name: "text" if kind is None else str(kind) for name, kind in manifest.columns.items()},
        "shard_size": shard_size,
    }
    with place.held():
        folder = begin_job(
            place,
            identity,
            provenance=model.provenance(settings.layer),
            columns=manifest.columns,
            files=files,
            resume=resume,
        )
        counts = _Counts()
        shards = counts.counted(folder, manifest.shards(shard_size), progress)
        for done in engine.run(EmbedJob(settings, folder), shards):
            counts.new_skipped += done.skipped
            progress(done.images)
        skipped = counts.new_skipped + sum(folder.skipped(key) for key in counts.there)
        result = JobDone(
            str(place),
            counts.shards,
            len(counts.there),
            counts.images,
            counts.images - skipped,
            skipped,
        )
        if counts.images:
            folder.finish(result.to_json())
    return result


class _Counts:
    """What goes by on the way to the engine."""

    def __init__(self) -> None:
        self.shards = self.images = self.new_skipped = 0
        self.there: list[str] = []

    def counted(
        self, folder: JobFolder, shards: Iterator[Shard], progress: Callable[[int], object]
    ) -> Iterator[Shard]:
        """The shards that are still to be done; all are counted."""

        def each() -> Iterator[Shard]:
            for shard in shards:
                self.shards += 1
                self.images += len(shard)
                yield shard

        def there(shard: Shard) -> None:
            self.there.append(shard.key(folder.key))
            progress(len(shard))

        return folder.pending(each(), there)
