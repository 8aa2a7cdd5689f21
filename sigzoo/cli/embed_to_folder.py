"""What `sigzoo embed` does where its output is a folder of shards: a job of the engine that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sigzoo.cli.embedding_options import EmbeddingOptions
from sigzoo.cli.manifest_options import ManifestOptions
from sigzoo.cli.output import echo, print_json

if TYPE_CHECKING:
    from sigzoo.jobs.embedding import Engine
    from sigzoo.model import SignatureModel

__all__ = ["EngineChoice", "embed_to_folder"]


@dataclass(frozen=True)
class EngineChoice:
    """Where shards are computed, as the options say it."""

    name: str
    address: str | None

    def make(self, model: SignatureModel) -> Engine:
        """The engine, which has the model that is loaded already."""
        import os

        if self.name == "local":
            from sigzoo.jobs.embedding import LocalEngine

            return LocalEngine(model)
        from sigzoo.jobs.ray_engine import RayEngine

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
        return RayEngine(self.address, model)

    @property
    def shard_size(self) -> int | None:
        """Images of a shard by default; `None` for the job's."""
        if self.name == "local":
            return None
        from sigzoo.jobs.ray_engine import RAY_SHARD_SIZE

        return RAY_SHARD_SIZE


def embed_to_folder(
    images: tuple[str, ...],
    manifest: ManifestOptions,
    options: EmbeddingOptions,
    output: str,
    shard_size: int | None,
    files: str,
    resume: bool,
    on_error: str,
    engine: EngineChoice,
    as_json: bool,
) -> None:
    """Write a folder of shards, or go on with one."""
    from sigzoo.common.progress import bar
    from sigzoo.errors import UsageError
    from sigzoo.jobs.run import run_job

    listed, inputs = manifest.open(images)
    settings, loaded = options.settings(inputs, on_error)
    with bar(True, listed.count, "embedding") as step:
        done = run_job(
            listed,
            settings,
            loaded,
            output,
            engine.make(loaded),
            shard_size=engine.shard_size if shard_size is None and not resume else shard_size,
            files=files,  # type: ignore[arg-type]
            resume=resume,
            progress=step,
        )
    if not done.images:
        raise UsageError(f"{listed.name} names no image.")
    provenance = loaded.provenance(options.layer)
    if as_json:
        print_json({**provenance, "output": output, **done.to_json()})
        return
    before = f" ({done.there} of them there before)" if done.there else ""
    missed = f", {done.skipped} skipped ({done.place}/_skipped says why)" if done.skipped else ""
    count = f"{done.embedded} image{'s' * (done.embedded != 1)}{missed}"
    shards = f"{done.shards} shard{'s' * (done.shards != 1)}{before} in {done.place}"
    echo(f"{count} -> {shards} ({loaded.name}, layer {provenance['layer']})")
