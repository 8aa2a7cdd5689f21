"""What `sigzoo embed` does where its output is one file: written whole, beside it what was skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sigzoo.cli.embedding_options import EmbeddingOptions
from sigzoo.cli.image_options import check_free
from sigzoo.cli.manifest_options import ManifestOptions
from sigzoo.cli.output import echo, print_json, whole_file

__all__ = ["embed_to_file", "whole_output"]

_LISTED = 20
"""Skipped images that are named; `--json` and FILE.skipped.jsonl name all."""


@contextmanager
def whole_output(output: str, force: bool) -> Iterator[Path]:
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


def embed_to_file(
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
    from sigzoo.errors import ImageError, UsageError
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
            if not skipped.count:
                raise UsageError(f"{listed.name} names no image.")
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


def _write_skipped(output: Path, lines: IO[bytes] | None) -> None:
    """Name what was skipped beside the output; of a former run nothing stays."""
    import shutil

    path = output.with_name(f"{output.name}.skipped.jsonl")
    if lines is None:
        path.unlink(missing_ok=True)
        return
    lines.seek(0)
    with whole_file(path) as beside, beside.open("wb") as file:
        shutil.copyfileobj(lines, file)
