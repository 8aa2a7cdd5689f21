"""The leaderboard: figures measured here, out of results files, and figures that cards report, kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sigzoo.evaluation.results import read_results
from sigzoo.evaluation.run import BASELINE, ProtocolChoice
from sigzoo.zoo import Zoo

__all__ = ["Entry", "card_entries", "measured_entries"]


@dataclass(frozen=True)
class Entry:
    """One figure."""

    model: str
    layer: str
    """Empty where the source does not say."""
    dataset: str
    protocol: str
    metric: str
    """``EER random``, ``EER skilled``, or a card's word."""
    value: float
    low: float | None
    high: float | None
    unit: str
    origin: str
    """``measured here``: in a results file; ``card, measured``: by us, as the model's card has it; ``card,
    reported``: by its authors."""
    source: str
    """The results file; for a card's figure where it stands, or the command that gives it."""
    scanner_cues: bool = False


def measured_entries(files: Sequence[Path]) -> list[Entry]:
    """The equal error rates of results files; of the same measurement the newest counts.

    Parameters
    ----------
    files
        What `sigzoo evaluate -o` wrote.

    Returns
    -------
    list of Entry
        One a figure.

    Raises
    ------
    DataError
        If one of them cannot be read, or is no file of results.
    """
    found: dict[tuple[str, ...], tuple[str, Entry]] = {}
    for file in files:
        results = read_results(file)
        dataset = Path(results.data.place).name or results.data.place
        for row in results.results:
            if row.model == BASELINE:
                continue
            protocol = str(ProtocolChoice(row.protocol.name, row.protocol.options))
            for kind, each in row.impostors.items():
                if each.eer.value is None:
                    continue
                entry = Entry(
                    row.model,
                    row.layer,
                    f"{dataset} ({results.data.writers} writers)",
                    protocol,
                    f"EER {kind.replace('_', '-')}",
                    each.eer.value,
                    each.eer.low,
                    each.eer.high,
                    "%",
                    "measured here",
                    str(file),
                    row.scanner_cues,
                )
                key = (row.model, row.layer, results.data.place, protocol, kind)
                if key not in found or found[key][0] <= results.created:
                    found[key] = (results.created, entry)
    return [entry for _, entry in found.values()]


def card_entries(zoo: Zoo) -> list[Entry]:
    """The figures of all cards, with what each card says of their source.

    Parameters
    ----------
    zoo
        Whose models.

    Returns
    -------
    list of Entry
        One a figure.
    """
    found = []
    for name in zoo.list_models():
        card = zoo.info(name)
        for each in card.results:
            low, high = each.interval or (None, None)
            origin = f"card, {each.source}"
            found.append(
                Entry(
                    *(
                        name,
                        each.layer or "",
                        each.dataset,
                        each.protocol,
                        each.metric,
                        each.value,
                        low,
                        high,
                        each.unit,
                    ),
                    *(origin, each.how),
                )
            )
    return found
