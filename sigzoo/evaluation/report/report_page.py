"""`page`: a report as the text of one HTML file, with nothing outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from math import isfinite

from sigzoo.evaluation.report.charts import embedding_chart, score_chart
from sigzoo.evaluation.report.contents import Comparison, Picture, Rate, Report, System
from sigzoo.evaluation.report.curves import det_chart, ece_chart, legend, roc_chart, tippett_chart
from sigzoo.pages.document import document
from sigzoo.pages.document import picture as embedded
from sigzoo.pages.markup import Markup, join, tag

__all__ = ["page"]

_MOST_WRITERS = 40
"""Writers whose rates are listed."""


def page(report: Report) -> str:
    """Write a report as HTML.

    The page names no resource outside of itself and forbids itself to fetch any; all names are escaped.

    Parameters
    ----------
    report
        What `report_of` made.

    Returns
    -------
    str
        A page in one piece.
    """
    here = files("sigzoo.evaluation.report")
    protocols = list(dict.fromkeys(each.protocol for each in report.systems))
    return document(
        report.title,
        tag("h1", report.title),
        _facts(report.facts),
        *(tag("p", note, class_="note") for note in report.notes),
        *(_protocol(name, [s for s in report.systems if s.protocol == name]) for name in protocols),
        _explanations(),
        style=here.joinpath("style.css").read_text(encoding="utf-8"),
        script=here.joinpath("page.js").read_text(encoding="utf-8"),
    )


def _facts(facts: Mapping[str, str]) -> Markup:
    rows = (join([tag("dt", label), tag("dd", text)]) for label, text in facts.items() if text)
    return tag("dl", *rows)


def _protocol(name: str, systems: Sequence[System]) -> Markup:
    """A protocol: the table, curves of all systems, and a part for each."""
    kinds = list(dict.fromkeys(kind for each in systems for kind in each.eer))
    kinds.sort(key=lambda kind: (kind != "skilled", kind != "random"))
    numbered = list(enumerate(systems))
    parts = []
    for kind in kinds:
        drawn = [(n, s) for n, s in numbered if len(s.genuine) and len(s.impostors.get(kind, ()))]
        if drawn:
            figures = [("DET", det_chart(drawn, kind)), ("ROC", roc_chart(drawn, kind))]
            likely = [(n, s) for n, s in drawn if kind in s.log10_lr]
            if likely:
                figures += [("Tippett", tippett_chart(likely, kind)), ("ECE", ece_chart(likely, kind))]
            titled = (tag("figure", tag("h4", title), each) for title, each in figures)
            charts = tag("div", *titled, class_="charts")
            parts.append(
                tag("section", tag("h3", _title(kind)), charts, legend(drawn, kind), class_="curves")
            )
    return tag(
        "section",
        tag("h2", name),
        _table(systems, kinds),
        *parts,
        *(_system(each, opened=place == 0) for place, each in enumerate(systems)),
    )


def _title(kind: str) -> str:
    words = {
        "same_text": "The same text by others",
        "random": "Random forgeries",
        "skilled": "Skilled forgeries",
    }
    return words.get(kind, kind)


def _table(systems: Sequence[System], kinds: Sequence[str]) -> Markup:
    """Rates of all systems; a click on a head sorts by it."""
    heads = ["model", "layer"]
    likely = any(each.cllr for each in systems)  # it takes ten writers
    for kind in kinds:
        label = kind.replace("_", " ")
        heads += [f"EER {label} %", "95 %", f"per writer {label} %", f"AUC {label}"]
        heads += [f"Cllr {label}"] * likely
    rows = []
    for each in systems:
        cells: list[Markup] = [tag("td", each.model), tag("td", f"{each.layer}{' *' * each.scanner_cues}")]
        if each.problem:
            rows.append(tag("tr", *cells, tag("td", each.problem, colspan=len(heads) - 2)))
            continue
        for kind in kinds:
            cells += [
                _number(each.eer.get(kind), 2),
                tag("td", _interval(each.eer.get(kind)), class_="number"),
                _number(each.eer_user.get(kind), 2),
                _number(each.auc.get(kind), 4),
            ]
            if likely:
                cells.append(_number(Rate(each.cllr[kind]) if kind in each.cllr else None, 3))
        rows.append(tag("tr", *cells, class_="baseline" if each.baseline else None))
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    table = tag("table", head, tag("tbody", *rows), class_="sortable")
    starred = any(each.scanner_cues and not each.baseline for each in systems)
    note = "* holds what a scanner decides (size in pixels, darkness): it may flatter"
    return join([tag("div", table, class_="wide"), tag("p", note, class_="small") if starred else None])


def _number(rate: Rate | None, digits: int) -> Markup:
    known = rate is not None and isfinite(rate.value)
    return tag("td", f"{rate.value:.{digits}f}" if rate is not None and known else "-", class_="number")


def _interval(rate: Rate | None) -> str:
    if rate is None or not (isfinite(rate.low) and isfinite(rate.high)):
        return "-"
    return f"{rate.low:.1f} to {rate.high:.1f}"


def _system(system: System, *, opened: bool) -> Markup | None:
    """What is told of one system, folded unless it is the first."""
    parts: list[Markup] = []
    if len(system.genuine):
        parts.append(tag("figure", tag("h4", "Scores"), score_chart(system)))
    if system.embedding is not None:
        parts.append(tag("figure", tag("h4", "Map of the embeddings"), embedding_chart(system.embedding)))
    charts = tag("div", *parts, class_="charts") if parts else None
    pairs = _hardest(system) if system.hardest else None
    writers = _writers(system.of_writers) if system.of_writers else None
    facts = _facts(system.facts) if system.facts else None
    found = [each for each in (charts, pairs, writers, facts) if each is not None]
    return tag("details", tag("summary", system.name), *found, open=opened) if found else None


def _hardest(system: System) -> Markup:
    """Genuine signatures of lowest score, and impostors of highest."""
    genuine = [each for each in system.hardest if each.kind == "genuine"]
    others = [each for each in system.hardest if each.kind != "genuine"]
    groups = (
        ("Genuine signatures of lowest score", genuine),
        ("Impostors of highest score", others),
    )
    return join(
        join([tag("h4", title), tag("div", *map(_pair, pairs), class_="pairs")])
        for title, pairs in groups
        if pairs
    )


def _pair(pair: Comparison) -> Markup:
    told = f"score {pair.score:.3f}, {pair.kind.replace('_', ' ')}, as writer {pair.claimed}"
    shown = [
        _picture(pair.questioned, "questioned"),
        *(_picture(each, "reference") for each in pair.references),
    ]
    return tag("div", tag("p", told), *shown, class_="pair")


def _picture(picture: Picture, role: str) -> Markup:
    image = tag("span", "no picture")
    if picture.png:
        image = embedded(picture.png, f"{role} signature")
    return tag("figure", image, tag("figcaption", f"{role}: {picture.name}"), class_=role)


def _writers(rates: Mapping[str, float]) -> Markup:
    """Equal error rates of the writers, the hardest first."""
    ordered = sorted(rates.items(), key=lambda item: (-item[1], item[0]))
    most = max(1e-9, ordered[0][1])
    rows = [
        tag(
            "tr",
            tag("td", name),
            tag("td", f"{rate:.1f}", class_="number"),
            tag("td", tag("i", style=f"width:{100 * rate / most:.1f}%"), class_="bar"),
        )
        for name, rate in ordered[:_MOST_WRITERS]
    ]
    left = len(ordered) - _MOST_WRITERS
    rest = f"{left} more writers are at {ordered[_MOST_WRITERS][1]:.1f} % or below." if left > 0 else None
    perfect = sum(rate == 0 for _, rate in ordered)
    told = f"{perfect} of {len(ordered)} writers are told apart without an error at thresholds of their own."
    table = tag("table", tag("tbody", *rows), class_="writers")
    title = tag("h4", "Equal error rate of each writer (%)")
    return join([title, table, None if rest is None else tag("p", rest), tag("p", told)])


def _explanations() -> Markup:
    """Words that the page uses."""
    words = {
        "FRR": "share of genuine signatures rejected (FNMR of ISO/IEC 19795-1, of single comparisons)",
        "FAR": "share of impostors accepted: of random forgeries (FMR of ISO/IEC 19795-1) or of skilled ones"
        " (IAPAR of ISO/IEC 30107-3)",
        "EER": "where both are equal, with one threshold for all writers; the interval is of 95 %, by"
        " bootstrap over writers",
        "per writer": "the same with a threshold for each writer, chosen in hindsight, as in publications",
        "Cllr": "cost in bits of the scores as likelihood ratios, calibrated on other writers, of whom it"
        " takes ten: 0 is perfect, 1 is no evidence",
        "AUC": "area under the ROC curve: 1 is perfect, 0.5 chance",
        "Tippett plot": "which share of the likelihood ratios is at or above each value: genuine signatures"
        " in whole lines, impostors in dashed ones; right of 0 these mislead, and left of 0 those",
        "ECE plot": "empirical cross-entropy: what the likelihood ratios cost at each prior odds, dashed"
        " after the best calibration in hindsight, dotted without evidence; at odds of 1 (0) it is Cllr",
        "DET": "FRR over FAR at every threshold: the lower a curve, the better; those of baselines are thin",
        "ROC": "what is accepted of genuine signatures over FAR: the higher a curve, the better",
        "curves": "all draws of references together; on the axes of DET curves, normal deviates, scores of"
        " two normal distributions give straight lines",
    }
    return tag("section", tag("h2", "Words"), _facts(words))
