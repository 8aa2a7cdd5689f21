"""`sigzoo cache`: what lies in the cache, whether it is whole, and carrying it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.help_pages import HelpfulGroup
from sigzoo.cli.output import echo, echo_path, json_option, print_json, print_table
from sigzoo.common.messages import counted

if TYPE_CHECKING:
    from sigzoo.artifacts import ZooCache


@click.group(
    cls=HelpfulGroup,
    examples=[
        "sigzoo cache list",
        "sigzoo cache verify",
    ],
)
def cache() -> None:
    """Look after the files that were fetched, built or made."""


@cache.command("list", examples=["sigzoo cache list"])
@json_option
def list_command(as_json: bool) -> None:
    """List the files that are in the cache, whole or partial."""
    from sigzoo.common.terminal import safe_text

    found = _zoo_cache()
    entries = found.entries()
    if as_json:
        files = [
            {
                "artifact": entry.name,
                "path": str(entry.path),
                "size": entry.size,
                "state": entry.state,
                "sha256": entry.sha256,
                "source": entry.source,
            }
            for entry in entries
        ]
        print_json({"home": str(found.home), "files": files})
    elif entries:
        rows = [[entry.name, safe_text(entry.path.name), f"{entry.size:,}", entry.state] for entry in entries]
        print_table(["artifact", "file", "bytes", "state"], rows, right=["bytes"])
    else:
        echo(f"Nothing is in the cache, {safe_text(found.home)}.")


@cache.command(examples=["sigzoo cache path", "sigzoo cache path signet"])
@click.argument("name", required=False)
@json_option
def path(name: str | None, as_json: bool) -> None:
    """Print where the cache is, or where a file is or would be."""
    found = _zoo_cache()
    if name is None:
        home = str(found.home)
        if as_json:
            print_json({"home": home})
        else:
            echo_path(found.home)
        return
    places = found.paths([name])
    if as_json:
        print_json(
            [{"artifact": each.name, "path": str(each.path), "present": each.present} for each in places]
        )
        return
    for each in places:
        echo_path(each.path)


@cache.command(examples=["sigzoo cache verify", "sigzoo cache verify synsig-tiny"])
@click.argument("names", nargs=-1)
@json_option
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Read files again and compare them with their digests.

    Without NAMES all are read. What was built from a recipe is compared with what was written down then.
    """
    from sigzoo.common.terminal import safe_text
    from sigzoo.errors import VerificationError

    verdicts = _zoo_cache().verify(names or None)
    if as_json:
        print_json(
            [
                {
                    "artifact": verdict.name,
                    "path": str(verdict.path),
                    "ok": verdict.problem is None,
                    "problem": verdict.problem,
                    "against": verdict.against,
                }
                for verdict in verdicts
            ]
        )
    else:
        rows = [
            [each.name, safe_text(each.path.name), each.against, safe_text(each.problem or "ok")]
            for each in verdicts
        ]
        print_table(["artifact", "file", "compared with", "result"], rows)
    wrong = [str(verdict.path) for verdict in verdicts if verdict.problem is not None]
    if wrong:
        raise VerificationError(
            f"{len(wrong)} of {len(verdicts)} files are not what they should be: {', '.join(wrong)}. "
            "The next fetch replaces what was fetched, `sigzoo build` what was built; a bundled file comes"
            " back with its package; a graph is made again when a runtime needs it."
        )


@cache.command(examples=["sigzoo cache clear signet", "sigzoo cache clear --all --partial"])
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All artifacts.")
@click.option("--partial", is_flag=True, help="Only partial downloads and interrupted builds.")
@click.option("--forget", is_flag=True, help="Also forget the first-seen digests of unpinned artifacts.")
@json_option
def clear(names: tuple[str, ...], everything: bool, partial: bool, forget: bool, as_json: bool) -> None:
    """Remove files from the cache."""
    from sigzoo.errors import UsageError

    if bool(names) == everything:
        raise UsageError("Name what is to be cleared, or say --all (not both).")
    found = _zoo_cache()
    chosen = found.names(names) if names else None
    freed = found.clear(chosen, partial_only=partial, forget_pins=forget)
    if as_json:
        print_json({"freed": freed, "artifacts": chosen})
    else:
        echo(f"{freed:,} bytes freed.")


@cache.command("export", examples=["sigzoo cache export synsig-tiny -o models.tar"])
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that is in the cache.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The tar to write.",
)
@json_option
def export_command(names: tuple[str, ...], everything: bool, output: Path, as_json: bool) -> None:
    """Write files into one tar, for a machine without a network."""
    from sigzoo.errors import UsageError

    if bool(names) == everything:
        raise UsageError("Name what is to be exported, or say --all (not both).")
    written = _zoo_cache().export(output, names or None)
    if as_json:
        print_json({"output": str(output), "files": [str(file) for file in written]})
    else:
        files = counted(len(written), "file")
        echo(f"{files} in {output}. On the other machine: sigzoo cache import {output.name}")


@cache.command("import", examples=["sigzoo cache import models.tar"])
@click.argument("archives", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--require-hash", is_flag=True, help="Refuse files of which nobody published a digest.")
@json_option
def import_command(archives: tuple[Path, ...], require_hash: bool, as_json: bool) -> None:
    """Take the files of such a tar into the cache, each verified."""
    found = _zoo_cache()
    imported = [
        each for archive in archives for each in found.import_from(archive, require_hash=require_hash)
    ]
    if as_json:
        print_json(
            [
                {"artifact": each.name, "path": str(each.path), "size": each.size, "new": each.new}
                for each in imported
            ]
        )
        return
    rows = [
        [each.name, f"{each.size:,}", "new" if each.new else "was here", str(each.path)] for each in imported
    ]
    print_table(["artifact", "bytes", "state", "path"], rows, right=["bytes"])


def _zoo_cache() -> ZooCache:
    from sigzoo.artifacts import ZooCache
    from sigzoo.zoo import default_zoo

    return ZooCache(default_zoo())
