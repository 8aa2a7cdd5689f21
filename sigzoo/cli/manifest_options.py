"""Options that say which images a command is about: arguments, a table, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sigzoo.cli.help_pages import ExpertOption
from sigzoo.errors import UsageError

if TYPE_CHECKING:
    from sigzoo.imaging.npz_images import ImageInputs
    from sigzoo.jobs.manifest import Manifest

__all__ = ["ManifestOptions", "manifest_options"]

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ManifestOptions:
    """What the options say, each by its name on the command line."""

    manifest: str | None
    path_column: str | None
    root: str | None
    null: bool

    def open(self, images: tuple[str, ...]) -> tuple[Manifest, ImageInputs]:
        """The images, and how they are to be taken: those of a table or of standard input are raw.

        Raises
        ------
        UsageError
            If images are named in no way or in two, or an option belongs to another way.
        DataError
            If a table cannot be read.
        """
        from sigzoo.imaging.npz_images import ImageInputs, find_inputs
        from sigzoo.jobs.manifest import inputs_manifest, lines_manifest, open_manifest

        self._check(images)
        if self.manifest is not None:
            opened = open_manifest(self.manifest, column=self.path_column or "path", root=self.root)
            return opened, ImageInputs(())
        if images == ("-",):
            if sys.stdin is None:
                raise UsageError("There is no standard input to read paths from.")
            return lines_manifest(sys.stdin.buffer, end=b"\0" if self.null else b"\n"), ImageInputs(())
        inputs = find_inputs(images)
        return inputs_manifest(inputs.sources), inputs

    def _check(self, images: tuple[str, ...]) -> None:
        if self.manifest is not None and images:
            raise UsageError("Images are named by --manifest or as arguments, not both.")
        if self.manifest is None and not images:
            raise UsageError("No images given: name files, folders or wildcards, or - for standard input.")
        if "-" in images and len(images) > 1:
            raise UsageError("- reads all paths from standard input; name nothing beside it.")
        if self.manifest is None and (self.path_column or self.root):
            raise UsageError("--path-column and --root are about a table: --manifest FILE.")
        if self.null and images != ("-",):
            raise UsageError("-0 is about standard input: `sigzoo embed - -0`.")


def manifest_options(command: _F) -> _F:
    """Add the options; the command gets them as `manifest`, a `ManifestOptions`."""
    names = [each.name for each in fields(ManifestOptions)]

    @wraps(command)
    def call(**given: Any) -> Any:
        gathered = ManifestOptions(**{name: given.pop(name) for name in names})
        return command(manifest=gathered, **given)

    expert = partial(click.option, cls=ExpertOption, group="Tables and standard input")
    options = (
        click.option(
            "--manifest",
            metavar="FILE|URL",
            help="A .csv or .parquet with a column of paths; its other columns go along into the output.",
        ),
        expert("--path-column", metavar="NAME", help="That column; `path` by default."),
        expert("--root", metavar="FOLDER", help="What the table's paths that are not absolute lie in."),
        expert("-0", "--null", is_flag=True, help="Paths on standard input end with a zero byte."),
    )
    for option in reversed(options):
        call = option(call)
    return call  # type: ignore[return-value]  # click calls it by names
