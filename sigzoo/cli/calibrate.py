"""`sigzoo calibrate`: a calibration of `sigzoo verify` from signatures of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.embedding_options import device_option
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_fields, print_json, print_table
from sigzoo.cli.values import whole_numbers

if TYPE_CHECKING:
    from sigzoo.verification import Calibration
    from sigzoo.verification.calibration import CalibrationSet, Impostor, Rates

FEW = 20
"""Writers below which error rates are hardly known."""


@click.command(cls=HelpfulCommand, examples=["sigzoo calibrate synsig-tiny --data signatures -o own.json"])
@click.argument("model", required=False)
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="PLACE",
    help="Signatures that it is made on: a folder, an .npz, or NAME:... of a data source. May be"
    " repeated; each set weighs the same.",
)
@click.option(
    "--try",
    "tried",
    multiple=True,
    metavar="PLACE",
    help="Signatures that it is only tried on, to see how far it travels. May be repeated.",
)
@click.option(
    "--references",
    cls=ExpertOption,
    callback=whole_numbers,
    default="1,2,3,5,10",
    show_default=True,
    metavar="N,N,...",
    help="Numbers of references that it is made for, as far as writers have signed so often.",
)
@click.option(
    "--layers",
    cls=ExpertOption,
    default="default",
    show_default=True,
    metavar="NAME,...|all",
    help="Layers that it is made for, as for `sigzoo evaluate`.",
)
@click.option(
    "--cache/--no-cache",
    default=True,
    show_default=True,
    help="Keep features in SIGZOO_HOME for the next run.",
)
@device_option()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="Where to write it, such as calibration.json.",
)
@force_option
@json_option
def calibrate(
    model: str | None,
    data: tuple[str, ...],
    tried: tuple[str, ...],
    references: tuple[int, ...],
    layers: str,
    cache: bool,
    device: str,
    output: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Make thresholds and likelihood ratios from your signatures.

    The file is for `sigzoo verify --calibration FILE` and the same MODEL (the default one if left out).
    Calibrations travel badly: one that was made on signatures like yours, written and scanned as yours are,
    is worth more than the one that comes with a model. It takes several writers, genuine signatures of each,
    and skilled forgeries where there are any.
    """
    from sigzoo.evaluation.feature_cache import FeatureCache
    from sigzoo.evaluation.features import chosen_layers
    from sigzoo.evaluation.making_calibration import calibration_features, make_calibration
    from sigzoo.verification import write_calibration
    from sigzoo.zoo import default_zoo

    check_free(output, force)
    zoo = default_zoo()
    loaded = zoo.load(zoo.resolve(model), device=device)
    kept = FeatureCache() if cache else None
    named = layers if layers in ("all", "default") else [each.strip() for each in layers.split(",")]
    wanted = chosen_layers(loaded, named)
    basis, others = (
        [calibration_features(loaded, each, wanted, cache=kept, progress=True) for each in places]
        for places in (data, tried)
    )
    made = make_calibration(loaded, basis, others, references=references)
    write_calibration(output, made)
    if as_json:
        from sigzoo.common.json_values import to_json_values

        print_json(to_json_values({"file": str(output), **_summary(made)}))
    else:
        _print(made, output)


def _summary(made: Calibration) -> dict[str, object]:
    import msgspec

    return {
        "model": made.model,
        "score": made.score,
        "layer": made.layer,
        "basis": msgspec.to_builtins(made.basis),
        "checked_on": msgspec.to_builtins(made.checked_on),
        "references": sorted(made.layers[made.layer]),
        "rates": {
            layer: {str(number): msgspec.to_builtins(count.rates) for number, count in counts.items()}
            for layer, counts in made.layers.items()
        },
    }


def _print(made: Calibration, output: Path) -> None:
    counts = made.layers[made.layer]
    number = max((each for each in counts if each <= 3), default=min(counts))
    fields = [("made on", _told(each)) for each in made.basis]
    fields += [("tried on", _told(each)) for each in made.checked_on]
    numbers = ", ".join(map(str, sorted(counts)))
    layers = made.layer
    if len(made.layers) > 1:
        layers += f", the best of {', '.join(made.layers)} by Cllr"
    fields += [("score", made.score), ("layer", layers), ("references", numbers)]
    print_fields(made.model, fields)
    echo()
    several = "s" * (number != 1)
    echo(f"With {number} reference{several} the threshold at a likelihood ratio of 1 does this:")
    rows = [
        [each.dataset, kind, *_percent(each, kind), f"{each.cllr[kind]:.2f}"]
        for each in counts[number].rates
        for kind in each.far
    ]
    heads = ("set", "against", "FRR %", "FAR %", "EER %", "Cllr")
    print_table(heads, rows, right=heads[2:])
    echo()
    echo("FRR: genuine signatures rejected; FAR: forgeries accepted; EER: both, equal;")
    echo("Cllr: what the likelihood ratios cost, 0 is perfect, 1 worth nothing.")
    for note in _notes(made):
        echo(note)
    echo(f"-> {output}")


def _percent(each: Rates, kind: Impostor) -> list[str]:
    return [f"{100 * rates[kind]:.1f}" for rates in (each.frr, each.far, each.eer)]


def _told(each: CalibrationSet) -> str:
    return f"{each.name}: {each.writers} writers, {each.genuine} genuine signatures, {each.forged} forged"


def _notes(made: Calibration) -> list[str]:
    notes = []
    if len(made.basis) == 1:
        notes.append("Its rates on the set that it was made on flatter: the threshold is from there.")
    writers = sum(each.writers for each in made.basis)
    if writers < FEW:
        notes.append(f"{writers} writers are few: the rates of others may be far from these.")
    if not any(each.forged for each in made.basis):
        notes.append("There are no forgeries: `verify` can answer against random impostors alone.")
    return notes
