"""`sigzoo embed`: images in, features out: a file, or a folder of shards that a killed run goes on with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.manifest_options import ManifestOptions, manifest_options
from sigzoo.cli.output import echo, json_option, print_json, whole_file

if TYPE_CHECKING:
    from sigzoo.jobs.embedding import Engine
    from sigzoo.jobs.manifest import Manifest
    from sigzoo.model import SignatureModel

_LISTED = 20
"""Skipped images that are named; `--json` and FILE.skipped.jsonl name all."""


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo embed signatures -o features.npz",
        "sigzoo embed --manifest cheques.csv -o many/ --on-error skip",
        "find signatures -name '*_g*.png' | sigzoo embed - -o genuine.npz",
    ],
)
@click.argument("images", nargs=-1)
@manifest_options
@embedding_options
@click.option(
    "-o",
    "--output",
    default="features.npz",
    show_default=True,
    metavar="FILE|FOLDER/|URL",
    help="A .npz, .parquet, .mat or .csv; a name that ends in / is a folder of Parquet shards.",
)
@click.option(
    "--shard-size",
    cls=ExpertOption,
    group="Tables and standard input",
    type=click.IntRange(min=1),
    help="Images of a shard, where the output is a folder; 4096 by default.",
)
@click.option(
    "--files",
    cls=ExpertOption,
    group="Tables and standard input",
    type=click.Choice(["parquet", "mat"]),
    default="parquet",
    show_default=True,
    help="What a folder is filled with; mat is a file an image, as process_folder.py of sigver_wiwd writes.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with what is in the folder: every image is embedded once."
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Stop at an image that cannot be used, or leave it out and go on.",
)
@click.option(
    "--engine",
    cls=ExpertOption,
    group="Where a folder of shards is computed",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This process, or a Ray cluster, whose nodes must reach the images and the folder.",
)
@click.option(
    "--address",
    cls=ExpertOption,
    group="Where a folder of shards is computed",
    metavar="HOST:PORT",
    help="The Ray cluster; without it one of this machine's cores is begun, and ended afterwards.",
)
@force_option
@json_option
def embed(
    images: tuple[str, ...],
    manifest: ManifestOptions,
    options: EmbeddingOptions,
    output: str,
    shard_size: int | None,
    files: str,
    resume: bool,
    on_error: str,
    engine: str,
    address: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Compute the features of signature images.

    IMAGES are files, folders (with all below), wildcards, an npz of images, or -: paths are then
    read from standard input, a line each. Images, tables and outputs may be URLs of object stores,
    such as s3://bucket/folder/.

    What is written says what the features depend on: model, layer, digest of the weights, preprocessing,
    precision, version. Images that --on-error skip left out are named in FILE.skipped.jsonl, or in
    FOLDER/_skipped.
    """
    from sigzoo.errors import UsageError

    folder = _folder(output)
    if address is not None and engine != "ray":
        raise UsageError("--address is that of a Ray cluster: --engine ray.")
    if folder is None:
        if engine != "local":
            raise UsageError("--engine ray writes a folder of shards: end the output's name with /.")
        if resume:
            raise UsageError("--resume goes on with a folder of shards: end the output's name with /.")
        if files != "parquet":
            raise UsageError("--files is about a folder: end the output's name with /.")
        with _whole_output(output, force) as path:
            _to_file(images, manifest, options, path, output, on_error, force, as_json)
    else:
        if force:
            raise UsageError("--force replaces a file; a folder of shards is gone on with by --resume.")
        where = _Where(engine, address)
        _to_folder(images, manifest, options, folder, shard_size, files, resume, on_error, where, as_json)


def _folder(output: str) -> str | None:
    """The folder that an output names; `None` for a file."""
    return output if output.endswith("/") or Path(output).is_dir() else None


@contextmanager
def _whole_output(output: str, force: bool) -> Iterator[Path]:
    """Give the path of a file to write; for a URL one of this machine's, which is put there at the end.

    Raises
    ------
    UsageError
        If there is an object of that name, and `force` is not given.
    """
    import tempfile

    from sigzoo.common.remote import is_remote, local_name, put_remote, remote_exists
    from sigzoo.errors import SigzooError, UsageError

    if not is_remote(output):
        yield Path(local_name(output))
        return
    if not force and remote_exists(output, SigzooError):
        raise UsageError(f"{output} is there already; --force replaces it.")
    with tempfile.TemporaryDirectory(prefix="sigzoo-") as folder:
        path = Path(folder) / output.rpartition("/")[2]
        yield path
        # The file itself last: where it is, what goes beside it is there.
        for each in sorted(Path(folder).iterdir(), key=lambda each: each == path):
            put_remote(each, output.removesuffix(path.name) + each.name)


@dataclass(frozen=True)
class _Where:
    """Where shards are computed, as the options say it."""

    name: str
    address: str | None

    def engine(self, model: SignatureModel) -> Engine:
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


@dataclass
class _Skipped:
    """Images that could not be used: counted, the first few kept (or `all`), written as JSON Lines."""

    all: bool
    count: int = 0
    kept: list[dict[str, str]] = field(default_factory=list)

    def add(self, lines: IO[bytes], index: int, path: str, error: Exception) -> None:
        """Add one."""
        self.count += 1
        if self.all or self.count <= _LISTED:
            self.kept.append({"file": path, "error": str(error)})
        line = {"index": index, "path": path, "kind": type(error).__name__, "error": str(error)}
        lines.write(json.dumps(line).encode() + b"\n")


def _to_file(
    images: tuple[str, ...],
    manifest: ManifestOptions,
    options: EmbeddingOptions,
    output: Path,
    named: str,
    on_error: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write one file, which the user has `named`."""
    import tempfile

    from sigzoo.common.progress import bar
    from sigzoo.common.terminal import safe_text
    from sigzoo.data.feature_files import open_writer, sidecar
    from sigzoo.errors import ImageError
    from sigzoo.jobs.embedding import embedded

    beside_csv = sidecar(output)
    listed, inputs = manifest.open(images)
    options.check_model()
    for path in filter(None, (output, beside_csv)):
        check_free(path, force)
    settings, loaded = options.settings(inputs, on_error)
    layer = loaded.card.features.layer if options.layer is None else options.layer
    provenance = loaded.provenance(layer)
    skipped, done, shape = _Skipped(as_json), 0, ""
    with whole_file(output) as beside, tempfile.TemporaryFile(dir=output.parent) as lines:
        with (
            open_writer(beside, provenance, listed.columns) as writer,
            bar(True, listed.count, "embedding") as step,
        ):
            for shard, place, item in embedded(settings.stream(loaded), listed.shards(1024)):
                step(1)
                if item.features is None:
                    skipped.add(lines, item.index, item.source, item.error)  # type: ignore[arg-type]
                else:
                    columns = {name: each[place] for name, each in shard.columns.items()}
                    writer.add(item.source, item.features, columns)
                    done, shape = done + 1, " x ".join(map(str, item.features.shape))
        if not done:
            _check_any(listed, skipped.count)
            raise ImageError(
                f"None of the {skipped.count} images can be used; the first: {skipped.kept[0]['error']}"
            )
        if beside_csv is not None:
            with whole_file(beside_csv) as text:
                text.write_text(json.dumps(provenance, indent=2) + "\n")
        _write_skipped(output, lines if skipped.count else None)
    for each in skipped.kept[:_LISTED]:
        echo(f"sigzoo: skipped {each['error']}", err=True)
    if skipped.count > _LISTED:
        more = f"{skipped.count - _LISTED:,} more; {named}.skipped.jsonl names all"
        echo(f"sigzoo: skipped {more}", err=True)
    if as_json:
        print_json({**provenance, "images": done, "output": named, "skipped": skipped.kept})
    else:
        missed = f", {skipped.count} skipped" if skipped.count else ""
        what = f"features {done} x {shape}, {loaded.name}, layer {layer}"
        echo(f"{done} image{'s' * (done != 1)}{missed} -> {safe_text(named)} ({what})")


def _check_any(listed: Manifest, count: int) -> None:
    from sigzoo.errors import UsageError

    if not count:
        raise UsageError(f"{listed.name} names no image.")


def _skipped_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.skipped.jsonl")


def _write_skipped(output: Path, lines: IO[bytes] | None) -> None:
    """Name what was skipped beside the output; of a former run nothing stays."""
    import shutil

    path = _skipped_file(output)
    if lines is None:
        path.unlink(missing_ok=True)
        return
    lines.seek(0)
    with whole_file(path) as beside, beside.open("wb") as file:
        shutil.copyfileobj(lines, file)


def _to_folder(
    images: tuple[str, ...],
    manifest: ManifestOptions,
    options: EmbeddingOptions,
    output: str,
    shard_size: int | None,
    files: str,
    resume: bool,
    on_error: str,
    where: _Where,
    as_json: bool,
) -> None:
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
            where.engine(loaded),
            shard_size=where.shard_size if shard_size is None and not resume else shard_size,
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
