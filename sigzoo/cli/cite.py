"""`sigzoo cite`: what to cite for a model, as BibTeX."""

from __future__ import annotations

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo cite signet synsig-tiny > models.bib",
    ],
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@json_option
def cite(names: tuple[str, ...], as_json: bool) -> None:
    """Print what to cite for models, as BibTeX.

    These are the papers that the models' cards name.
    """
    from sigzoo.common.terminal import safe_text
    from sigzoo.registry.bibtex import bibtex
    from sigzoo.zoo import default_zoo

    zoo = default_zoo()
    cited = {name: zoo.info(name).cite for name in map(zoo.catalogue.resolve, names)}
    keys = list(dict.fromkeys(key for of_model in cited.values() for key in of_model))
    entries = {key: bibtex(key, zoo.catalogue.citations[key]) for key in keys}
    if as_json:
        texts = {key: zoo.catalogue.citations[key].text for key in keys}
        print_json({"models": cited, "citations": texts, "bibtex": entries})
        return
    for entry in entries.values():
        for line in entry.splitlines():
            echo(safe_text(line))
