"""`sigzoo fetch`: download the files of models into the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json, print_table

if TYPE_CHECKING:
    from sigzoo.artifacts import ArtifactSpec


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo fetch synsig-tiny",
        "sigzoo fetch 'signet-spp*' --dry-run",
    ],
)
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that the registry knows.")
@click.option(
    "--require-hash", is_flag=True, help="Refuse files of which nobody published a digest (unpinned)."
)
@click.option("--dry-run", is_flag=True, help="Show what would be fetched, and how large it is.")
@json_option
def fetch(names: tuple[str, ...], everything: bool, require_hash: bool, dry_run: bool, as_json: bool) -> None:
    """Fetch the files of models into the cache, verified.

    NAMES are models, artifacts, or patterns of them. What is there already is not fetched again.
    """
    from sigzoo.errors import ArtifactError, UsageError
    from sigzoo.zoo import default_zoo

    if bool(names) == everything:
        raise UsageError("Name what is to be fetched, or say --all (not both).")
    wanted = default_zoo().artifact_names() if everything else names
    specs = list(dict.fromkeys(spec for name in wanted for spec in default_zoo().artifact_specs(name)))
    if not specs:
        recipes = " and ".join(
            f"`sigzoo build {name}`"
            for each in names
            for name in default_zoo().list_models(each)
            if default_zoo().info(name).recipe
        )
        raise ArtifactError(
            f"{', '.join(names)}: no file of it is published, so there is nothing to fetch."
            + (f" It is made by a recipe: {recipes}." if recipes else "")
        )
    if dry_run:
        _show_plan(specs, as_json)
        return
    rows, failures = [], []
    for spec in specs:
        try:
            rows.append(_fetched(spec, require_hash))
        except ArtifactError as error:
            failures.append(error)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            ["artifact", "bytes", "path"],
            [[str(row["artifact"]), f"{row['size']:,}", str(row["path"])] for row in rows],
            right=["bytes"],
        )
    if len(failures) == 1:
        raise failures[0]
    if failures:
        reasons = "\n".join(map(str, failures))
        raise ArtifactError(f"{len(failures)} of {len(specs)} files could not be fetched:\n{reasons}")


def _fetched(spec: ArtifactSpec, require_hash: bool) -> dict[str, str | int]:
    from sigzoo.artifacts import fetch_with_bar

    path = fetch_with_bar(spec, require_hash=require_hash)
    return {"artifact": spec.name, "path": str(path), "size": path.stat().st_size}


def _show_plan(specs: list[ArtifactSpec], as_json: bool) -> None:
    """Show what is here and what is to be fetched, with the sizes that are published."""
    from sigzoo.artifacts import locate
    from sigzoo.zoo import default_zoo

    with default_zoo().store():
        states = [(spec, "here" if locate(spec) else "to be fetched") for spec in specs]
    if as_json:
        print_json(
            [
                {"artifact": spec.name, "file": spec.stored_name, "size": spec.size, "state": state}
                for spec, state in states
            ]
        )
        return
    rows = [
        [spec.name, spec.stored_name, f"{spec.size:,}" if spec.size else "not published", state]
        for spec, state in states
    ]
    print_table(["artifact", "file", "bytes", "state"], rows, right=["bytes"])
    missing = [spec for spec, state in states if state != "here"]
    unknown = sum(spec.size is None for spec in missing)
    echo(
        f"To be fetched: {len(missing)} files, {sum(spec.size or 0 for spec in missing):,} bytes"
        + (f" and {unknown} files of unpublished size." if unknown else ".")
    )
