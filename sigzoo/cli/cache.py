"""`sigzoo cache`: what lies in the cache, whether it is whole, and carrying it elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from sigzoo.artifacts import ArtifactSpec


@click.group()
def cache() -> None:
    """Look at, verify, clear, export or import fetched files; look at, verify, clear built models."""


@cache.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the files that are in the cache, whole or partial."""
    from sigzoo.artifacts.cache import entries
    from sigzoo.artifacts.home import cache_home

    found = entries()
    if as_json:
        print_json(
            {
                "home": str(cache_home()),
                "files": [
                    {
                        "artifact": entry.name,
                        "path": str(entry.path),
                        "size": entry.size,
                        "state": entry.state,
                        "sha256": entry.sha256,
                        "source": entry.source,
                    }
                    for entry in found
                ],
            }
        )
        return
    rows = [[entry.name, entry.path.name, f"{entry.size:,}", entry.state] for entry in found]
    if rows:
        print_table(["artifact", "file", "bytes", "state"], rows, right=["bytes"])
    else:
        click.echo(f"Nothing is in the cache, {cache_home()}.")


@cache.command()
@click.argument("name", required=False)
@json_option
def path(name: str | None, as_json: bool) -> None:
    """Print where the cache is, or where NAME's files are (or would be)."""
    from sigzoo.artifacts import cache_home, locate
    from sigzoo.artifacts.built import WEIGHTS, built_folder
    from sigzoo.artifacts.home import target_path

    if name is None:
        if as_json:
            print_json({"home": str(cache_home())})
        else:
            click.echo(str(cache_home()))
        return
    found = [(spec.name, locate(spec), target_path(spec)) for spec in _specs([name])]
    for model in _recipe_models([name]):
        weights = built_folder(model) / WEIGHTS
        found.append((model, weights if weights.is_file() else None, weights))
    if as_json:
        print_json(
            [
                {"artifact": each, "path": str(here or target), "present": here is not None}
                for each, here, target in found
            ]
        )
        return
    for _, here, target in found:
        click.echo(str(here or target))


@cache.command()
@click.argument("names", nargs=-1)
@json_option
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Read the files of NAMES, or all of them, again and compare them with the registry.

    What was built from a recipe is compared with what was written down then.
    """
    from sigzoo.artifacts.cache import verify_again
    from sigzoo.errors import ArtifactError, VerificationError

    chosen = _cached_names(names) if names else None
    bundled = [spec for spec in _specs(names) if _is_bundled(spec)] if names else _all_bundled()
    verdicts = verify_again(_lookup, chosen, bundled)
    if names and not verdicts:
        raise ArtifactError(
            f"not in the cache: {', '.join(names)}. Run `sigzoo fetch` first, or `sigzoo build` for what"
            " is made by a recipe."
        )
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
        rows = [[each.name, each.path.name, each.against, each.problem or "ok"] for each in verdicts]
        print_table(["artifact", "file", "compared with", "result"], rows)
    wrong = [str(verdict.path) for verdict in verdicts if verdict.problem is not None]
    if wrong:
        raise VerificationError(
            f"{len(wrong)} of {len(verdicts)} files are not what they should be: {', '.join(wrong)}. "
            "The next fetch replaces what was fetched, `sigzoo build` what was built; a bundled file comes"
            " back with its package."
        )


@cache.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All artifacts.")
@click.option("--partial", is_flag=True, help="Only what cut downloads and interrupted builds have left.")
@click.option("--forget", is_flag=True, help="Also forget the first-seen digests of unpinned artifacts.")
@json_option
def clear(names: tuple[str, ...], everything: bool, partial: bool, forget: bool, as_json: bool) -> None:
    """Remove the files of NAMES from the cache."""
    from sigzoo.artifacts.cache import clear as clear_cache
    from sigzoo.errors import UsageError

    if bool(names) == everything:
        raise UsageError("Name what is to be cleared, or say --all (not both).")
    chosen = None if everything else _cached_names(names)
    freed = clear_cache(chosen, partial_only=partial, forget_pins=forget)
    if as_json:
        print_json({"freed": freed, "artifacts": chosen})
    else:
        click.echo(f"{freed:,} bytes freed.")


@cache.command("export")
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
    """Write NAMES' files, verified, into one tar for a machine without a network."""
    from sigzoo.artifacts.built import WEIGHTS, built_folder
    from sigzoo.artifacts.bundle import export_cache
    from sigzoo.artifacts.home import cache_home
    from sigzoo.errors import ArtifactError, UsageError

    if bool(names) == everything:
        raise UsageError("Name what is to be exported, or say --all (not both).")
    for model in _recipe_models(names):
        weights = built_folder(model) / WEIGHTS
        raise UsageError(
            f"{model} is built, not fetched: nobody published what it could be verified against elsewhere."
            f" Copy {weights} and load it there with --weights, or build it there."
        )
    specs = _cached_specs() if everything else _specs(names)
    if not specs:
        state = "holds no whole file of the registry" if _is_used() else "is empty"
        raise ArtifactError(
            f"the cache, {cache_home()}, {state}: there is nothing to export. Run `sigzoo fetch NAME` first."
        )
    written = export_cache(specs, output)
    if as_json:
        print_json({"output": str(output), "files": [str(file) for file in written]})
    else:
        click.echo(
            f"{len(written)} files in {output}. On the other machine: sigzoo cache import {output.name}"
        )


@cache.command("import")
@click.argument("archives", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@json_option
def import_command(archives: tuple[Path, ...], as_json: bool) -> None:
    """Take the files of exported ARCHIVES into the cache, each verified."""
    from sigzoo.artifacts.bundle import import_cache

    brought = [imported for archive in archives for imported in import_cache(archive, _lookup)]
    if as_json:
        print_json(
            [
                {"artifact": each.name, "path": str(each.path), "size": each.size, "new": each.new}
                for each in brought
            ]
        )
        return
    rows = [
        [each.name, f"{each.size:,}", "new" if each.new else "was here", str(each.path)] for each in brought
    ]
    print_table(["artifact", "bytes", "state", "path"], rows, right=["bytes"])


def _specs(names: tuple[str, ...] | list[str]) -> list[ArtifactSpec]:
    """What stands behind names of models and artifacts, each file once."""
    from sigzoo.zoo import default_zoo

    return list(dict.fromkeys(spec for name in names for spec in default_zoo().artifact_specs(name)))


def _lookup(name: str, filename: str) -> ArtifactSpec | None:
    """What the registry knows of a file of the cache."""
    from sigzoo.errors import UnknownNameError
    from sigzoo.zoo import default_zoo

    try:
        known = default_zoo().artifact_specs(name)
    except UnknownNameError:
        return None
    return next((spec for spec in known if (spec.name, spec.stored_name) == (name, filename)), None)


def _cached_names(names: tuple[str, ...]) -> list[str]:
    """Names of artifacts and built models; what is in the cache needs no place in the registry."""
    from sigzoo.artifacts.built import built_names, run_names
    from sigzoo.artifacts.cache import artifact_names_in_cache

    here = {*artifact_names_in_cache(), *built_names(), *run_names()}
    chosen = [[name] if name in here else _known_names(name, here) for name in names]
    return list(dict.fromkeys(name for each in chosen for name in each))


def _known_names(name: str, here: set[str]) -> list[str]:
    """What the registry has behind a name or a pattern: artifacts, and models that are made by a recipe."""
    artifacts = [spec.name for spec in _specs([name])]
    return [*artifacts, *(model for model in _recipe_models([name]) if model in here)]


def _recipe_models(names: Iterable[str]) -> list[str]:
    """The models that names or patterns stand for and that are made by a recipe."""
    from sigzoo.errors import UnknownNameError
    from sigzoo.zoo import default_zoo

    found = []
    for name in names:
        with suppress(UnknownNameError):
            found += [model for model in default_zoo().list_models(name) if default_zoo().info(model).recipe]
    return found


def _cached_specs() -> list[ArtifactSpec]:
    from sigzoo.artifacts.cache import entries

    known = (_lookup(entry.name, entry.path.name) for entry in entries() if entry.state != "partial")
    return [spec for spec in known if spec is not None]


def _is_used() -> bool:
    from sigzoo.artifacts.cache import entries

    return bool(entries())


def _is_bundled(spec: ArtifactSpec) -> bool:
    return any(url.startswith("package:") for url in spec.urls)


def _all_bundled() -> list[ArtifactSpec]:
    from sigzoo.zoo import default_zoo

    return [spec for spec in _specs(default_zoo().artifact_names()) if _is_bundled(spec)]
