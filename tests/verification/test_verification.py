"""`SignatureModel.verify`: the answer is what its parts say, and what cannot be answered is told."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

import sigzoo
from sigzoo.errors import DataError, ImageError, UsageError
from sigzoo.verification import Calibration, make_score, read_calibration, write_calibration
from sigzoo.verification.decision import NO_SUPPORT, choose_threshold, verbal

Written = Callable[[int, int], Path]


@pytest.fixture(scope="session")
def calibration(model: sigzoo.SignatureModel) -> Calibration:
    """The bundled calibration of the default model."""
    assert model.calibration_file is not None
    return read_calibration(model.calibration_file)


def references(written: Written, count: int = 3) -> list[Path]:
    return [written(1, number) for number in range(count)]


def test_an_answer_is_what_its_parts_say(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written
) -> None:
    known, asked = references(written), [written(1, 9), written(2, 0)]
    answers = model.verify(known, asked)
    score = make_score(calibration.score, **calibration.score_options)
    expected = score(model.embed(known, layer=calibration.layer), model.embed(asked, layer=calibration.layer))
    np.testing.assert_allclose([each.score for each in answers], expected, atol=1e-6)
    count = calibration.layers[calibration.layer][3]
    for answer, value in zip(answers, expected, strict=True):
        for kind, ratio in answer.likelihood_ratios.items():
            likelihood = count.likelihood[kind]
            linear = likelihood.slope * value + likelihood.intercept
            assert ratio.log10 == pytest.approx(min(max(linear, likelihood.low), likelihood.high), abs=1e-5)
            assert ratio.bounded == (not likelihood.low < linear < likelihood.high)
            assert ratio.verbal == verbal(ratio.log10, kind)
        assert answer.threshold is not None
        assert answer.threshold.value == pytest.approx(count.likelihood["skilled"].even)
        log10 = answer.likelihood_ratios["skilled"].log10
        if abs(log10) < NO_SUPPORT:
            assert answer.decision == "inconclusive"
        else:
            assert answer.decision == ("genuine" if log10 > 0 else "not genuine")
        assert answer.reference_help == {
            n: dict(c.eer) for n, c in calibration.layers[calibration.layer].items()
        }
        assert answer.origin is not None
        assert answer.origin.basis == tuple(calibration.basis)
    assert answers[1].decision == "not genuine"
    assert [each.questioned for each in answers] == [str(each) for each in asked]


def test_a_line_a_set_tells_what_thresholds_did_elsewhere(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written
) -> None:
    text = str(model.verify(references(written), written(1, 9)))
    rates = [each for each in calibration.layers[calibration.layer][3].rates if "skilled" in each.frr]
    assert len(rates) > 2
    for each in rates:
        (line,) = [line for line in text.splitlines() if line.endswith(f" on {each.dataset}")]
        shown = [float(part) for part in line.replace(",", "").split("on")[0].split("%")[:2]]
        assert shown == pytest.approx([100 * each.frr["skilled"], 100 * each.far["skilled"]], abs=0.51)


def test_one_questioned_signature_gets_one_answer_that_is_plain_data(
    model: sigzoo.SignatureModel, written: Written
) -> None:
    answer = model.verify(references(written), written(2, 0))
    data = json.loads(json.dumps(answer.to_dict()))
    assert data["decision"] == "not genuine"
    assert data["score"] == answer.score
    assert data["likelihood_ratios"]["random"]["log10"] == answer.likelihood_ratios["random"].log10
    assert data["reference_help"]["3"] == answer.reference_help[3]
    assert pickle.loads(pickle.dumps(answer)) == copy.deepcopy(answer) == answer
    with pytest.raises(FrozenInstanceError):
        answer.score = 1.0  # type: ignore[misc]
    assert "not genuine" in str(answer)
    assert "cannot say" in str(answer)


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_any_number_of_references_has_the_calibration_for_it_or_for_fewer(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written, count: int
) -> None:
    answer = model.verify(references(written, count), written(2, 0))
    assert answer.origin is not None
    assert answer.origin.references == max(n for n in calibration.layers[calibration.layer] if n <= count)
    assert any("one reference" in each for each in answer.limits) == (count == 1)


def test_a_rate_chooses_the_threshold_and_decides_always(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written
) -> None:
    count = calibration.layers[calibration.layer][3]
    for kind, far in (("skilled", 0.05), ("random", 0.2)):
        answer = model.verify(references(written), written(1, 9), far=far, against=kind)  # type: ignore[call-overload]
        assert answer.threshold.value == pytest.approx(count.threshold(far, kind))  # type: ignore[arg-type]
        assert answer.threshold.far[kind] == pytest.approx(far, abs=1e-6)
        assert answer.decision == ("genuine" if answer.score >= answer.threshold.value else "not genuine")
    few = model.verify(references(written), written(1, 9), far=0.001)
    assert few.threshold is not None
    assert "uncertain" in few.threshold.note


def test_a_threshold_of_the_callers_own_has_the_rates_of_the_calibration(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written
) -> None:
    answer = model.verify(references(written), written(1, 9), threshold=0.0)
    assert answer.threshold is not None
    assert answer.threshold.chosen == "given by the caller"
    assert answer.threshold.frr == pytest.approx(calibration.layers[calibration.layer][3].frr(0.0))
    assert answer.decision == "genuine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"far": 0.0}, "above 0 and below 1"),
        ({"far": 1.5}, "above 0 and below 1"),
        ({"far": float("nan")}, "above 0 and below 1"),
        ({"threshold": float("nan")}, "a finite score"),
        ({"threshold": 0.1, "far": 0.1}, "stands alone"),
        ({"threshold": 0.1, "against": "random"}, "stands alone"),
        ({"against": "aliens"}, "no impostors of the kind"),
        ({"score": make_score("max")}, "The calibration is for the score"),
    ],
)
def test_options_that_do_not_fit_are_told_before_any_work(
    model: sigzoo.SignatureModel, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        model.verify([tmp_path / "not there.png"], tmp_path / "not there either.png", **options)


def test_without_calibration_there_is_the_score_and_that_is_said(
    model: sigzoo.SignatureModel, written: Written
) -> None:
    bare = copy.copy(model)
    bare.calibration_file = None
    answer = bare.verify(references(written), written(1, 9))
    assert answer.decision is None
    assert answer.threshold is None
    assert answer.likelihood_ratios == {}
    assert any("no calibration" in each for each in answer.warnings)
    assert answer.layer == "with_ink"  # the card's own
    same = model.verify(references(written), written(1, 9), layer="with_ink")
    assert answer.score == pytest.approx(same.score)
    assert bare.verify(references(written), written(1, 9), threshold=-9.0).decision == "genuine"
    with pytest.raises(UsageError, match="no calibration"):
        bare.verify(references(written), written(1, 9), far=0.1)


def test_a_calibration_of_another_model_or_preprocessing_does_not_count(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written
) -> None:
    for change, word in (
        ({"weights_sha256": "1" * 64}, "weights"),
        ({"model": "other"}, "model"),
        ({"preprocessor_options": {}}, "options of the preprocessor"),
        ({"input_scale": 1.0}, "input scale"),
    ):
        other = msgspec.structs.replace(calibration, **change)
        answer = model.verify(references(written), written(1, 9), calibration=other)
        assert answer.likelihood_ratios == {}
        assert any(f"of other {word}" in each for each in answer.warnings)


def test_layers_have_calibrations_of_their_own(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written
) -> None:
    for layer in calibration.layers:
        answer = model.verify(references(written), written(1, 9), layer=layer)
        assert answer.layer == layer
        assert answer.threshold is not None
        assert answer.threshold.value == pytest.approx(
            calibration.layers[layer][3].likelihood["skilled"].even
        )
    assert model.verify(references(written), written(1, 9)).layer == calibration.layer
    kept = {name: each for name, each in calibration.layers.items() if name != "with_ink"}
    fewer = msgspec.structs.replace(calibration, layers=kept)
    answer = model.verify(references(written), written(1, 9), layer="with_ink", calibration=fewer)
    assert answer.decision is None
    assert any("layer with_ink" in each for each in answer.warnings)


def test_a_calibration_of_ones_own(
    model: sigzoo.SignatureModel, calibration: Calibration, written: Written, tmp_path: Path
) -> None:
    count = calibration.layers[calibration.layer][3]
    path = tmp_path / "mine.json"
    mine = msgspec.structs.replace(
        calibration, score="max", score_options={}, layers={calibration.layer: {2: count}}, made="2020-01-02"
    )
    write_calibration(path, mine)
    answer = model.verify(references(written), written(1, 9), calibration=path)
    assert answer.score_name == "max"
    assert answer.origin is not None
    assert answer.origin.made == "2020-01-02"
    alone = model.verify(references(written, 1), written(1, 9), calibration=path)
    assert alone.decision is None  # it is for 2 references and more
    path.write_text("{}")
    with pytest.raises(DataError, match="no calibration of format"):
        model.verify(references(written), written(1, 9), calibration=path)


def test_the_same_image_is_refused_by_any_name(
    model: sigzoo.SignatureModel, written: Written, tmp_path: Path
) -> None:
    again = tmp_path / "copy.bmp"
    Image.open(written(1, 0)).save(again)
    with pytest.raises(UsageError, match=r"copy\.bmp is the same image, pixel by pixel, as the reference"):
        model.verify(references(written), again)
    with pytest.raises(UsageError, match="are the same image"):
        model.verify([*references(written), again], written(1, 9))
    grey = np.asarray(Image.open(written(1, 0)).convert("L"))
    with pytest.raises(UsageError, match="questioned 0 is the same image"):
        model.verify(references(written), grey)


def test_a_reference_of_another_writer_is_noticed(model: sigzoo.SignatureModel, written: Written) -> None:
    known = [*references(written), written(5, 0)]
    answer = model.verify(known, written(1, 9))
    (warning,) = [each for each in answer.warnings if "not like the other references" in each]
    assert str(known[-1]) in warning
    assert str(known[0]) not in warning
    two = model.verify([written(1, 0), written(5, 0)], written(1, 9))
    assert any("do not resemble each other" in each for each in two.warnings)
    assert not model.verify(references(written), written(1, 9)).warnings


def test_what_is_no_signature_is_told_in_its_own_answer(
    model: sigzoo.SignatureModel, written: Written, tmp_path: Path
) -> None:
    dark = tmp_path / "inverted.png"
    Image.fromarray(255 - np.asarray(Image.open(written(1, 9)).convert("L"))).save(dark)
    odd, fine = model.verify(references(written), [dark, written(2, 0)])
    assert any("does not look like one signature" in each and "inverted.png" in each for each in odd.warnings)
    assert not any("inverted.png" in each for each in fine.warnings)
    (unasked,) = model.verify(references(written), [dark], check_images=False)
    assert not any("does not look" in each for each in unasked.warnings)


def test_pages_are_told_and_can_be_named(
    model: sigzoo.SignatureModel, written: Written, tmp_path: Path
) -> None:
    pages = tmp_path / "pages.tif"
    first, *others = [Image.open(written(2, number)).convert("L") for number in range(3)]
    first.save(pages, save_all=True, append_images=others)
    answer = model.verify(references(written), pages)
    assert any("3 pages" in each for each in answer.warnings)
    second = model.verify(references(written), f"{pages}#2")
    assert not any("pages" in each for each in second.warnings)
    assert second.score == pytest.approx(model.verify(references(written), written(2, 1)).score, abs=1e-6)


@pytest.mark.parametrize("which", ["reference", "questioned"])
@pytest.mark.parametrize("fault", ["empty file", "blank page", "no image", "missing"])
def test_an_image_that_cannot_be_used_is_named(
    model: sigzoo.SignatureModel, written: Written, tmp_path: Path, which: str, fault: str
) -> None:
    bad = tmp_path / "bad.png"
    if fault == "empty file":
        bad.write_bytes(b"")
    elif fault == "no image":
        bad.write_text("hello")
    elif fault == "blank page":
        Image.new("L", (300, 120), 255).save(bad)
    known, asked = references(written), [written(1, 9)]
    (known if which == "reference" else asked).append(bad)
    with pytest.raises(ImageError, match=r"bad\.png"):
        model.verify(known, asked)


@pytest.mark.parametrize(("known", "asked"), [([], "q"), ("r", [])])
def test_nobody_to_compare_is_told(
    model: sigzoo.SignatureModel, written: Written, known: Any, asked: Any
) -> None:
    known = references(written) if known == "r" else known
    asked = written(1, 9) if asked == "q" else asked
    with pytest.raises(UsageError, match="at least one reference|no questioned"):
        model.verify(known, asked)


def test_generators_and_arrays_do(model: sigzoo.SignatureModel, written: Written) -> None:
    arrays = [np.asarray(Image.open(each).convert("L")) for each in references(written)]
    answer = model.verify((each for each in arrays), np.asarray(Image.open(written(1, 9)).convert("L")))
    assert answer.references == ("reference 0", "reference 1", "reference 2")
    assert answer.score == pytest.approx(model.verify(references(written), written(1, 9)).score, abs=1e-6)


@pytest.mark.parametrize(
    ("log10", "words"),
    [
        (0.0, "supports neither"),
        (0.3, "supports neither"),
        (0.31, "weak support for the writer"),
        (-0.9, "weak support for a skilled forger"),
        (1.0, "moderate support"),
        (2.0, "moderately strong"),
        (3.5, "strong support"),
        (4.0, "very strong"),
        (6.0, "extremely strong"),
        (-7.0, "extremely strong support for a skilled forger"),
    ],
)
def test_the_verbal_scale_is_that_of_the_guideline(log10: float, words: str) -> None:
    assert verbal(log10, "skilled").startswith(words)


def test_without_calibration_no_threshold_is_made_up() -> None:
    assert choose_threshold(None) is None
