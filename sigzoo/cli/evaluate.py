"""`sigzoo evaluate`: how good models are on a data set, by one protocol or several."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.embedding_options import device_option, runtime_options
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_json, print_table, whole_file
from sigzoo.cli.values import whole_numbers
from sigzoo.common.messages import counted

if TYPE_CHECKING:
    from sigzoo.evaluation.run import Evaluation, Row


@click.command(
    "evaluate",
    cls=HelpfulCommand,
    examples=[
        "sigzoo synth --writers 6 --genuine 6 --forgeries 4 -o people",
        "sigzoo evaluate --data people",
        "sigzoo evaluate synsig-tiny --data people --report people.html",
    ],
)
@click.argument("models", nargs=-1)
@click.option(
    "--data",
    required=True,
    metavar="PLACE",
    help="Signatures: a folder, an .npz, or NAME:... of a data source.",
)
@click.option(
    "-p",
    "--protocol",
    "protocols",
    multiple=True,
    default=("training-free",),
    show_default=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help="training-free, writer-dependent, writer-independent, or a plugin's. May be repeated.",
)
@click.option(
    "--references",
    callback=whole_numbers,
    metavar="N,N,...",
    help="Reference signatures, for each protocol that does not say it; several give a table each.",
)
@click.option(
    "--layers",
    cls=ExpertOption,
    group="Protocols and features",
    default="default",
    show_default=True,
    metavar="NAME,...|all",
    help="Layers of the networks. By default each card's own; where that holds what a scanner decides, also"
    " those that do not.",
)
@click.option(
    "--development",
    cls=ExpertOption,
    group="Protocols and features",
    metavar="PLACE",
    help="Signatures of other writers, which protocols that learn may learn from.",
)
@click.option(
    "--baselines/--no-baselines",
    cls=ExpertOption,
    group="Protocols and features",
    default=True,
    show_default=True,
    help="Measure trivial baselines beside.",
)
@click.option(
    "--cache/--no-cache",
    cls=ExpertOption,
    group="Protocols and features",
    default=True,
    show_default=True,
    help="Keep features in SIGZOO_HOME, so that the next run embeds nothing.",
)
@device_option("Protocols and features")
@runtime_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the results, as --json prints them, into this file.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw DET curves into this file (.png, .pdf, .svg, .jpg).",
)
@click.option(
    "--plot-lr",
    cls=ExpertOption,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw Tippett and ECE plots of the likelihood ratios into this file (.png, .pdf, .svg, .jpg).",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page (.html) of curves, also Tippett and ECE plots, histograms, hardest pairs as pictures,"
    " writers and embeddings.",
)
@force_option
@json_option
def evaluate_command(
    models: tuple[str, ...],
    data: str,
    protocols: tuple[str, ...],
    references: tuple[int, ...],
    layers: str,
    development: str | None,
    baselines: bool,
    cache: bool,
    device: str,
    runtime: str,
    precision: str,
    output: Path | None,
    plot: Path | None,
    plot_lr: Path | None,
    report: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure how well models verify the signatures of a data set.

    Without MODELS it measures the default one. Equal error rates (EER) in percent: against other
    writers' signatures (random) and skilled forgeries, with one threshold for all, with its 95 %
    interval over writers, and with a threshold for each writer; and what the scores cost as likelihood
    ratios (Cllr, in bits). Results are kept for `sigzoo leaderboard`.
    """
    from sigzoo.cli.protocol_options import protocol_choices
    from sigzoo.errors import UsageError
    from sigzoo.evaluation.results import as_json as to_json
    from sigzoo.evaluation.results import keep
    from sigzoo.evaluation.run import evaluate
    from sigzoo.zoo import default_zoo

    files = tuple(filter(None, (output, plot, plot_lr, report)))
    for path in files:
        check_free(path, force)
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report writes a page; {report} does not end in .html.")
    for path in filter(None, (plot, plot_lr)):
        from sigzoo.imaging.figures import check_plot

        check_plot(path)
    named = layers if layers in ("all", "default") else [each.strip() for each in layers.split(",")]
    found = evaluate(
        [default_zoo().resolve(name) for name in models or (None,)],
        data,
        protocols=protocol_choices(protocols, references),
        layers=named,
        development=development,
        baselines=baselines,
        cache=cache,
        keep_features=report is not None,
        device=device,
        runtime=runtime,
        precision=precision,
        progress=True,
    )
    content = to_json(found)
    kept = keep(content)
    if plot is not None:
        from sigzoo.evaluation.plots import draw_det

        with whole_file(plot) as beside:
            draw_det(beside, found.rows)
    if plot_lr is not None:
        from sigzoo.evaluation.plots import draw_likelihood_ratios

        with whole_file(plot_lr) as beside:
            draw_likelihood_ratios(beside, found)
    if report is not None:
        from sigzoo.evaluation.report import page, report_of

        with whole_file(report) as beside:
            beside.write_text(page(report_of(found)), encoding="utf-8")
    if output is not None:
        with whole_file(output) as beside:
            beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json({**content, "kept": str(kept)})
    else:
        _print(found)
        for path in files:
            echo(f"-> {path}")


def _print(found: Evaluation) -> None:
    """Print a table for each protocol, and what was left out."""
    data = found.data
    echo(
        f"{data.place} ({data.source}): {counted(data.writers, 'writer')},"
        f" {counted(data.genuine, 'genuine signature')},"
        f" {counted(data.forged, 'skilled forgery', 'skilled forgeries')}"
    )
    if found.development is not None:
        echo(f"learnt from {found.development.place}: {found.development.writers} writers")
    for choice in dict.fromkeys(id(row.protocol) for row in found.rows):
        rows = [row for row in found.rows if id(row.protocol) == choice]
        echo()
        echo(str(rows[0].protocol), bold=True)
        columns = ["model", "layer", "random", "skilled", "95 %", "per writer", "Cllr"]
        print_table(columns, _cells(rows), right=columns[2:])
        for row in rows:
            if row.problem:
                echo(f"{row.model} {row.layer}: {row.problem}")
    echo()
    for line in _legend(found):
        echo(line)
    if any(row.scanner_cues and row.model != "baseline" for row in found.rows):
        echo("* holds what a scanner decides (size in pixels, darkness): it may flatter")
    for note in found.notes:
        echo(note)


def _legend(found: Evaluation) -> Iterator[str]:
    """What the heads of the tables mean."""
    yield "Equal error rates (EER) in percent: random, against other writers' signatures;"
    yield "skilled, against forgeries; 95 %, the interval of these over writers;"
    yield "per writer, with a threshold for each."
    measured = [row.summary.impostors.values() for row in found.rows if row.summary is not None]
    if any(each.likelihood for impostors in measured for each in impostors):
        yield "Cllr: what the scores cost as likelihood ratios: 0 is perfect, 1 worth nothing."
    else:
        yield "Cllr: not measured; it takes ten writers: each is calibrated on the others."


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    """Rows of a table; interval and what follows are against skilled forgeries where there are any."""
    found = []
    for row in rows:
        cues = " *" if row.scanner_cues and row.model != "baseline" else ""
        random, skilled = row.measured.get("random"), row.measured.get("skilled")
        hardest = skilled or random
        details = row.summary and row.summary.impostors.get("skilled" if skilled else "random")
        likelihood = details.likelihood if details else None
        found.append(
            [
                row.model,
                row.layer + cues,
                f"{random.eer:.2f}" if random else "-",
                f"{skilled.eer:.2f}" if skilled else "-",
                f"{hardest.low:.1f}-{hardest.high:.1f}" if hardest else "-",
                f"{details.eer_user.value:.2f}" if details else "-",
                f"{likelihood.cllr:.2f}" if likelihood else "-",
            ]
        )
    return found
