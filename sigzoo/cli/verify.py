"""`sigzoo verify`: whether a questioned signature is by the writer of the references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_fields, print_json, whole_file

if TYPE_CHECKING:
    from sigzoo.verification import Verification


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo verify -r signatures/w001_g01.png -r signatures/w001_g02.png \\\n    signatures/w001_g03.png",
    ],
)
@click.argument("questioned", nargs=-1, required=True)
@click.option(
    "-r",
    "--reference",
    "references",
    multiple=True,
    required=True,
    metavar="IMAGE",
    help="A genuine signature of the writer: a file, folder or wildcard. May be repeated; more are better.",
)
@embedding_options
@click.option(
    "--far",
    type=float,
    metavar="SHARE",
    help="Accept this share of impostors, such as 0.01; by default the threshold is where the likelihood"
    " ratio is 1.",
)
@click.option(
    "--against",
    cls=ExpertOption,
    group="The decision",
    type=click.Choice(["skilled", "random"]),
    help="Impostors that are meant: forgers who imitate (skilled; the default, where the calibration knows"
    " them), or other writers' own signatures (random).",
)
@click.option(
    "--threshold",
    cls=ExpertOption,
    group="The decision",
    type=float,
    metavar="SCORE",
    help="Accept from this score on.",
)
@click.option(
    "--calibration",
    cls=ExpertOption,
    group="The decision",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A calibration file of your own, in place of the model's.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw signatures, and the score among those of the calibration, into this file"
    " (.png, .pdf, .svg, .jpg).",
)
@force_option
@json_option
def verify(
    questioned: tuple[str, ...],
    references: tuple[str, ...],
    options: EmbeddingOptions,
    far: float | None,
    against: Any,
    threshold: float | None,
    calibration: Path | None,
    plot: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Say whether a signature is by the writer of the references.

    \b
    Exit status, for scripts:
      0  all are genuine, as far as the threshold says
      1  failure: an image that cannot be read, ...
      2  wrong usage
      3  at least one is not genuine
      4  none of these is not genuine, but at least one is inconclusive,
         or there is no threshold, as the model has no calibration
    """
    from sigzoo.errors import UsageError
    from sigzoo.imaging.figures import check_plot
    from sigzoo.imaging.npz_images import find_inputs
    from sigzoo.verification.verification import overall_status
    from sigzoo.verification.verification_figure import MAX_QUESTIONED

    known, asked = find_inputs(references), find_inputs(questioned)
    if known.preprocessed_by != asked.preprocessed_by:
        raise UsageError("References and questioned signatures must both be preprocessed, or neither.")
    if known.preprocessor_options != asked.preprocessor_options:
        raise UsageError("References and questioned signatures were preprocessed with other options.")
    if plot is not None:
        check_plot(plot, len(asked.sources), MAX_QUESTIONED)
        check_free(plot, force)
    loaded = options.load(asked)
    answers = loaded.verify(
        known.sources,
        asked.sources,
        threshold=threshold,
        far=far,
        against=against,
        calibration=calibration,
        progress=True,
        **options.embedding(asked, loaded),
    )
    if plot is not None:
        file = calibration or loaded.calibration_file
        with whole_file(plot) as beside:
            _draw(beside, known.sources, asked.sources, answers, file)
    status = overall_status(answers)
    if as_json:
        print_json({"status": status, "answers": [each.to_dict() for each in answers]})
    else:
        _print(answers)
    return status


def _print(answers: Sequence[Verification]) -> None:
    from sigzoo.common.messages import counted
    from sigzoo.verification.wording import answer_fields, common_fields

    first = answers[0]
    shared = {each for each in first.warnings if all(each in answer.warnings for answer in answers)}
    alone = len(answers) == 1
    for answer in answers:
        fields = answer_fields(answer)
        if not alone:  # what all share is told once, below
            fields = [field for field in fields if field[0] != "warning" or field[1] not in shared]
        print_fields(answer.questioned, fields)
    echo()
    warnings = [] if alone else [("warning", each) for each in first.warnings if each in shared]
    title = f"{first.model}, layer {first.layer}, {counted(len(first.references), 'reference')}"
    print_fields(title, [*warnings, *common_fields(first)])


def _draw(
    path: Path,
    references: Sequence[Any],
    questioned: Sequence[Any],
    answers: Sequence[Verification],
    file: Path | None,
) -> None:
    from sigzoo.verification.calibration import read_calibration
    from sigzoo.verification.verification_figure import draw_verification

    first = answers[0]
    count = None
    if file is not None and first.origin is not None:
        count = read_calibration(file).layers[first.layer][first.origin.references]
    draw_verification(path, references, questioned, answers, count)
