"""The programs of the folder `training`: what they measure, choose by and write, and what they refuse."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sigzoo_students.backbones import StudentBase
from sigzoo_students.families import FamiliesSpec
from sigzoo_students.synsig_presets import SEED, SYNSIG_BASE

import sigzoo
from sigzoo.verification.local_matching import LocalMatching
from sigzoo.verification.similarity_scores import ReferenceNormalised
from sigzoo.weights import read_weights

TRAINING = Path(__file__).resolve().parents[1] / "training"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"synsig_{name}", TRAINING / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_similarities_of_forged_writers_are_those_of_loops(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    realism = load("realism")
    features = np.random.default_rng(0).normal(size=(9, 5))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    identity = ["a", "b", "a", "a", "a", "b", "b", "c", "c"]
    forged = [False, False, False, True, True, True, False, False, False]
    groups = realism.forged_writers(realism.Signatures(identity, identity, forged))
    assert [[own.tolist(), forgeries.tolist()] for own, forgeries in groups] == [
        [[0, 2], [3, 4]],
        [[1, 6], [5]],
    ]
    genuine, forgeries = realism.similarities(features, groups)
    cosine = [[float(np.dot(a, b)) for b in features] for a in features]
    np.testing.assert_allclose(genuine, [cosine[0][2], cosine[1][6]])
    by_hand = [
        np.mean([cosine[3][0], cosine[3][2], cosine[4][0], cosine[4][2]]),
        np.mean([cosine[5][1], cosine[5][6]]),
    ]
    np.testing.assert_allclose(forgeries, by_hand)


def test_sets_to_measure_on_know_whose_signatures_they_are(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    images, known = load("sets").synthetic(FamiliesSpec(3, genuine=3, seed=5), 1)
    assert images.shape == (len(known.identity), 99, 192)
    assert len(set(known.text)) == 3
    assert any(known.forged)


def test_weights_get_local_descriptors_and_keep_all_else(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    program = load("add_local_descriptors")
    made = tmp_path / "made.safetensors"
    monkeypatch.setattr(sys, "argv", ["add", "synsig-base", "-o", str(made), "--families", "1"])
    program.main()
    before, after = (read_weights(path, "safetensors") for path in (sigzoo.fetch("synsig-base")[0], made))
    assert set(after.tensors) == set(before.tensors)
    for name, each in before.tensors.items():
        same = torch.equal(after.tensors[name], each)
        assert same != name.startswith("local."), name
    for part, each in before.heads["writer"].items():
        assert torch.equal(after.heads["writer"][part], each)
    assert after.metadata == before.metadata
    # Those of the two families that were drawn, less the rounding to half precision.
    images = [
        load("sets").synthetic(FamiliesSpec(1, first, 6, sittings, SEED), 1)[0]
        for first, sittings in ((0, False), (1, True))
    ]
    local = StudentBase(**SYNSIG_BASE["backbone_options"]).local
    pictures = torch.from_numpy(np.concatenate(images))[:, None, :96].float() / 255.0
    assert len(images[0]) < 256
    assert len(images[1]) < 256
    cells = torch.cat([local.inked(each) for each in pictures.split([len(part) for part in images])])
    torch.testing.assert_close(after.tensors["local.mean"].float(), cells.mean(dim=0), rtol=1e-3, atol=1e-6)


def test_local_descriptors_are_chosen_by_what_scores_make_of_them(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    choose_local = load("choose_local")
    rng = np.random.default_rng(8)
    features = rng.normal(size=(9, 4 + 3 * 2 * 5)) + 0.5
    matching = LocalMatching(first=4, size=(3, 2, 5), reach=(1, 2), weight=1.5)
    units = features[:, :4] / np.linalg.norm(features[:, :4], axis=1, keepdims=True)
    _, local = matching.split(features)
    compared = choose_local._Compared(
        {"genuine": 2, "skilled": 4}, {"m": units[:3] @ units.T}, local[:3].similarity(local)
    )
    score = ReferenceNormalised(sharpness=4.0)
    for found, wanted in (
        (compared.scores(score, "m", 1.5), ReferenceNormalised(sharpness=4.0, local=matching)),
        (compared.without(score, "m"), None),
    ):
        rows = features if wanted else features[:, :4]
        expected = (wanted or score)(rows[:3], rows[3:])
        assert found["genuine"] == pytest.approx(expected[:2])
        assert found["skilled"] == pytest.approx(expected[2:])


def test_a_kernel_is_chosen_by_the_first_families_of_synthetic_writers(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    choose_kernel, development = load("choose_kernel"), load("development")
    names = [f"f{family}w{writer}" for family in range(3) for writer in range(2) for _ in range(10)]
    texts, forged = [name[:2] for name in names], [place % 10 > 7 for place in range(len(names))]
    known = development.Signatures(names, names, forged, text=texts)
    rng = np.random.default_rng(3)
    sizes = {"embedding": 6, "with_directions": 7, "with_ink": 8}
    centres = {layer: rng.normal(size=(6, size)).repeat(10, axis=0) for layer, size in sizes.items()}
    rows = {(model, layer): each + rng.normal(size=each.shape) for layer, each in centres.items()
            for model in development.MODELS}  # fmt: skip
    rows |= {(model, "with_local"): rng.normal(size=(60, 6 + 5)) + 1.0 for model in development.MODELS}
    whole = development.FeatureSet("one sitting", rows, known, {})
    monkeypatch.setattr(choose_kernel, "FAMILIES", 2)
    monkeypatch.setattr(choose_kernel, "GAMMAS", (0.5, 2.0))
    some = choose_kernel._some(whole)
    assert some.known.identity == names[:40]
    assert some.known.text == texts[:40]
    assert all((each == rows[key][:40]).all() for key, each in some.features.items())
    monkeypatch.setattr(choose_kernel, "read_features", lambda *_: whole)
    found = choose_kernel._measure(Path("none"), Path("none"), "one sitting")
    assert set(found) == {(gamma, layer) for gamma in (0.5, 2.0) for layer in (*sizes, "with_local")}
    assert np.isfinite(list(found.values())).all()


def test_ratios_of_a_kernel_weigh_as_the_kinds_of_impostor_do(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    ratio = load("choose_kernel")._log_ratio
    one, each = "one threshold", "thresholds of the writers"
    least = {("skilled", one): 4.0, ("skilled", each): 2.0, ("random", one): 1.0}
    rates = {("skilled", one): 8.0, ("skilled", each): 8.0, ("random", one): 0.1}  # below the floor
    wanted = (2 * (np.log(2) + np.log(4)) / 2 + np.log(0.5)) / 3
    assert ratio(rates, least) == pytest.approx(wanted)
    least = {("same text", one): 4.0, ("random", one): 1.0}
    rates = {("same text", one): 8.0, ("random", one): 1.0}
    assert ratio(rates, least) == pytest.approx(2 * np.log(2) / 3)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["measure.py", "{here}/none"], "measure.py: {here}/none/sigcomp2009: there is no such folder."),
        (
            ["choose_ink.py", "{here}", "--weights", "{here}/w"],
            "choose_ink.py: {here}/w: there is no such file.",
        ),
        (
            ["choose_local.py", "{here}/none", "--work", "{here}/none/work"],
            "choose_local.py: {here}/none/sigcomp2009 does not exist.",
        ),
        (
            ["choose_kernel.py", "{here}/none", "--work", "{here}/none/work"],
            "choose_kernel.py: {here}/none/sigcomp2009 does not exist.",
        ),
        (
            ["bundled_tables.py", "{here}/none", "--work", "{here}/none/work"],
            "bundled_tables.py: {here}/none/sigcomp2009 does not exist.",
        ),
        (
            ["add_local_descriptors.py", "none", "-o", "{here}/w.safetensors"],
            "add_local_descriptors.py: There is no model named 'none'.",
        ),
        (["realism.py", "{here}/none"], "realism.py: {here}/none: there is no such folder."),
    ],
)
def test_what_a_user_can_mend_is_told_without_a_traceback(tmp_path, command, told):
    done = subprocess.run(
        [sys.executable, *(part.format(here=tmp_path) for part in command)],
        cwd=TRAINING,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert told.format(here=tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
