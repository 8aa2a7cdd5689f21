"""`sigzoo build`: from a recipe to a model that loads by name, however it was interrupted."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo.artifacts.built import PROVENANCE, WEIGHTS
from sigzoo.data import SignatureData
from sigzoo.errors import (
    ArtifactError,
    OfflineError,
    UnknownNameError,
    UsageError,
    VerificationError,
    WeightsError,
)
from sigzoo.learning import BuildError, EpochResult, build
from sigzoo.synthesis import Writer


def built(home: Path) -> Path:
    """The folder of the model."""
    return home / "built" / "toy-student"


def logits(name: str, x: np.ndarray) -> np.ndarray:
    """What a model's writer head says of preprocessed images."""
    model = sigzoo.load(name)
    with torch.inference_mode():
        return model.heads["writer"](model.backbone(torch.from_numpy(x))).numpy()


def test_from_nothing_to_a_model_that_loads_by_name(publish, home, images):
    publish()
    result = build("toy-student")
    assert result.new
    model = sigzoo.load("toy-student")
    assert model.embed(Writer(1).genuine(0)).shape == (1, 8)
    agreed = (logits("toy-student", images[0]).argmax(1) == logits("toy-teacher", images[0]).argmax(1)).mean()
    assert agreed > 0.5
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == [
        "artifacts", "building", "built", "locks"
    ]  # fmt: skip
    assert list((home / "building").iterdir()) == []


def test_the_provenance_tells_all_that_went_in(publish, home, site):
    publish()
    build("toy-student", changed={"epochs": 3})
    told = json.loads((built(home) / PROVENANCE).read_text())
    content = (built(home) / WEIGHTS).read_bytes()
    assert (told["sha256"], told["size"]) == (hashlib.sha256(content).hexdigest(), len(content))
    for name, file in (("toy-teacher-weights", "teacher.safetensors"), ("toy-images", "images.npz")):
        digest = hashlib.sha256((site.folder / file).read_bytes()).hexdigest()
        assert told["files"][name]["sha256"] == digest
    assert told["recipe"]["teacher"]["model"] == "toy-teacher"
    assert told["overrides"] == {"epochs": 3}
    assert told["settings"]["epochs"] == 3
    assert [row["epoch"] for row in told["epochs"]] == [1, 2, 3]
    assert told["licence"] == {"code": "MIT", "weights": "for research only", "commercial_use": False}
    assert {"sigzoo", "torch", "numpy", "python", "sigzoo-students"} <= set(told["versions"])
    assert str(home) not in json.dumps(told)


def test_the_agreement_is_that_of_the_stored_model_on_images_it_never_saw(publish, home, images):
    """Recomputed from the weights alone: a tenth of each writer's images, at least one."""
    publish({"validation": 0.25})
    told = build("toy-student").provenance["agreement"]
    assert told["images"] == 6 * 3
    same = logits("toy-student", images[0]).argmax(1) == logits("toy-teacher", images[0]).argmax(1)
    hits = round(told["percent"] / 100 * told["images"])
    assert told["percent"] == pytest.approx(100 * hits / told["images"], abs=0.01)
    assert same.sum() - (len(same) - told["images"]) <= hits <= same.sum()
    assert told["constant"] >= 100 / 6 - 0.01
    assert told["percent"] >= told["required"] > told["constant"]


def test_a_student_that_learnt_nothing_is_not_stored_and_its_run_is_kept(publish, home):
    publish({"learning_rate": 0.0001, "epochs": 1})
    for _ in range(2):
        with pytest.raises(
            BuildError, match=r"toy-student: .* % of the 6 images held out; at least .* is requ"
        ):
            build("toy-student")
        assert not built(home).exists()
        assert (home / "building" / "toy-student" / "checkpoint.pt").exists()
    with pytest.raises(WeightsError, match="sigzoo build toy-student"):
        sigzoo.load("toy-student")


def test_a_recipe_decides_what_is_enough(publish, home):
    publish({"learning_rate": 0.0001, "epochs": 1}, min_agreement=100.0)
    with pytest.raises(BuildError, match="at least 100.0 % is required") as caught:
        build("toy-student")
    reached = float(re.search(r"([0-9.]+) % of the 6 images", str(caught.value)).group(1))
    assert 0 < reached < 100
    publish({"learning_rate": 0.0001, "epochs": 1}, min_agreement=reached - 0.1)
    assert build("toy-student").provenance["agreement"]["percent"] == pytest.approx(reached, abs=0.06)


def test_a_second_build_finds_the_first_and_asks_nobody(publish, site, monkeypatch):
    publish()
    first = build("toy-student")
    asked = len(site.asked)
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    again = build("toy-pupil")
    assert (again.new, again.weights, again.provenance) == (False, first.weights, first.provenance)
    assert len(site.asked) == asked


def test_other_settings_than_what_was_built_are_told_and_force_builds_again(publish, home):
    publish()
    build("toy-student", changed={"epochs": 2})
    with pytest.raises(UsageError, match=r"built already, with other settings: epochs.*--force"):
        build("toy-student")
    assert build("toy-student", changed={"epochs": 2}).new is False
    assert build("toy-student", changed={"epochs": 3}, force=True).new
    assert json.loads((built(home) / PROVENANCE).read_text())["overrides"] == {"epochs": 3}


def test_what_is_said_as_the_recipe_says_it_is_no_change(publish):
    publish()
    assert build("toy-student", changed={"epochs": 4}).provenance["overrides"] == {}
    assert build("toy-student").new is False


@pytest.mark.parametrize("fault", ["tampered", "no provenance", "no weights"])
def test_what_is_damaged_is_refused_and_built_again(publish, home, fault):
    publish()
    whole = (build("toy-student").weights).read_bytes()
    if fault == "tampered":
        (built(home) / WEIGHTS).write_bytes(whole[:-1] + b"\1")
    else:
        (built(home) / (PROVENANCE if fault == "no provenance" else WEIGHTS)).unlink()
    kind = VerificationError if fault == "tampered" else ArtifactError
    with pytest.raises(kind, match="sigzoo build toy-student"):
        sigzoo.load("toy-student")
    assert build("toy-student").new
    assert (built(home) / WEIGHTS).read_bytes() == whole


@pytest.mark.parametrize(
    "damage", [{"overrides": [1]}, {"agreement": None}, {"agreement": {}}, {"licence": "free"}, {"built": 3}]
)
def test_a_provenance_that_does_not_tell_all_is_no_reason_to_skip_the_build(publish, home, run, damage):
    publish({"epochs": 2, "learning_rate": 0.05})
    build("toy-student")
    path = built(home) / PROVENANCE
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    status, out, err = run("build", "toy-student")
    assert (status, "was built before" in out) == (0, False), err
    assert "was built before" in run("build", "toy-student")[1]


@pytest.mark.parametrize("damage", [{"settings": [1]}, {"recipe": 3}])
def test_a_run_that_does_not_tell_its_settings_does_not_go_on(publish, home, damage):
    publish()

    def stop(epoch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build("toy-student", on_epoch=stop)
    path = home / "building" / "toy-student" / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(UsageError, match=r"has other settings: .*--force"):
        build("toy-student")


def test_a_model_of_an_earlier_recipe_is_refused_and_built_anew(publish, home):
    publish()
    old = build("toy-student").weights.read_bytes()
    publish({"learning_rate": 0.02})
    with pytest.raises(WeightsError, match=r"another recipe than its card has now \(the settings differ\)"):
        sigzoo.load("toy-student")
    assert sigzoo.load("toy-student", weights=built(home) / WEIGHTS).name == "toy-student"
    assert build("toy-student").new
    assert (built(home) / WEIGHTS).read_bytes() != old
    sigzoo.load("toy-student")


def test_another_least_agreement_address_or_summary_changes_no_model(publish):
    publish()
    build("toy-student")
    registry = publish(min_agreement=20.0)
    content = json.loads(registry.read_text())
    del content["artifacts"]["toy-images"]["size"]
    content["artifacts"]["toy-images"]["urls"].append("https://example.org/images.npz")
    content["models"]["toy-student"]["summary"] = "said otherwise"
    registry.write_text(json.dumps(content))
    sigzoo.load("toy-student")


def test_another_file_of_the_same_name_makes_another_model(publish, images):
    publish()
    build("toy-student")
    publish(x=images[0] * np.float32(0.5))
    with pytest.raises(WeightsError, match=r"the files differ"):
        sigzoo.load("toy-student")


@pytest.mark.slow
def test_a_killed_build_goes_on_and_ends_as_if_it_had_never_been(publish, home, child, tmp_path, monkeypatch):
    publish()
    uninterrupted = build("toy-student").weights.read_bytes()
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "other"))
    code = "import os, signal; from sigzoo.learning import build\n"
    code += "stop = lambda epoch: epoch.epoch == 2 and os.kill(os.getpid(), signal.SIGKILL)\n"
    process = child(f"{code}build('toy-student', on_epoch=stop)")
    assert process.wait(120) == -9, process.stderr.read()
    assert not (tmp_path / "other" / "built" / "toy-student").exists()
    seen = []
    resumed = build("toy-student", on_epoch=lambda epoch: seen.append(epoch.epoch))
    assert seen == [3, 4]
    assert resumed.weights.read_bytes() == uninterrupted


def test_an_interrupted_build_does_not_go_on_with_other_settings(publish, home):
    publish()

    def stop(epoch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build("toy-student", on_epoch=stop)
    with pytest.raises(UsageError, match=r"interrupted build .* other settings: learning_rate\..*--force"):
        build("toy-student", changed={"learning_rate": 0.01})
    publish({"epochs": 5})
    with pytest.raises(UsageError, match="other settings: epochs, settings"):
        build("toy-student")
    seen = []
    assert build("toy-student", force=True, on_epoch=lambda epoch: seen.append(epoch.epoch)).new
    assert seen == [1, 2, 3, 4, 5]


def test_a_forced_build_that_was_stopped_goes_on_without_force(publish, home):
    publish()
    before = build("toy-student").weights.read_bytes()

    def stop(epoch: EpochResult) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build("toy-student", changed={"epochs": 5}, force=True, on_epoch=stop)
    assert (built(home) / WEIGHTS).read_bytes() == before
    with pytest.raises(UsageError, match="built already, with other settings: epochs"):
        build("toy-student", changed={"epochs": 6})
    seen = []
    resumed = build("toy-student", changed={"epochs": 5}, on_epoch=lambda epoch: seen.append(epoch.epoch))
    assert (resumed.new, seen) == (True, [3, 4, 5])
    assert resumed.provenance["overrides"] == {"epochs": 5}


def test_what_was_built_stays_until_the_next_is_whole(publish, home):
    publish()
    before = build("toy-student").weights.read_bytes()
    with pytest.raises(BuildError):
        build("toy-student", changed={"learning_rate": 0.0001, "epochs": 1}, force=True)
    assert (built(home) / WEIGHTS).read_bytes() == before
    sigzoo.load("toy-student")


def test_offline_all_that_is_missing_is_named_at_once(publish, home, site, monkeypatch):
    publish()
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    with pytest.raises(OfflineError) as caught:
        build("toy-student")
    said = str(caught.value)
    assert "toy-student cannot be built without 2 files" in said
    for part in (
        "toy-teacher-weights: teacher.safetensors is not in the cache",
        "toy-images: images.npz is not",
    ):
        assert part in said
    assert site.asked == []
    assert not (home / "building").exists()


def test_offline_with_the_files_in_the_cache_it_builds(publish, monkeypatch):
    publish()
    sigzoo.fetch("toy-teacher")
    sigzoo.fetch("toy-images")
    monkeypatch.setenv("SIGZOO_OFFLINE", "1")
    assert build("toy-student").new


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_next_try_goes_on(publish, home, child):
    publish()
    for name in ("toy-teacher", "toy-images"):
        sigzoo.fetch(name)
    code = "import resource; from sigzoo.learning import build\nfrom sigzoo.errors import SigzooError\n"
    code += "fill = lambda epoch: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    code += "try:\n    build('toy-student', on_epoch=fill)\nexcept SigzooError as error:\n    print(error)\n"
    out, err = child(code).communicate(timeout=120)
    assert "cannot be written" in out, err
    assert "`sigzoo build toy-student` goes on" in out
    assert not built(home).exists()
    seen = []
    assert build("toy-student", on_epoch=lambda epoch: seen.append(epoch.epoch)).new
    assert seen == [2, 3, 4]


@pytest.mark.slow
def test_two_processes_build_once(publish, home, child):
    publish()
    sigzoo.fetch("toy-teacher")
    code = "from sigzoo.learning import build\nprint(build('toy-student').new)"
    processes = [child(code), child(code)]
    said = [process.communicate(timeout=120) for process in processes]
    assert sorted(out.strip() for out, _ in said) == ["False", "True"], said
    assert "waiting for another process, which is building toy-student" in "".join(err for _, err in said)


def test_a_model_with_published_weights_is_not_built():
    with pytest.raises(UsageError, match=r"signet has no recipe.*`sigzoo fetch signet`"):
        build("signet")


def test_an_unknown_name_gets_the_nearest(publish):
    publish()
    with pytest.raises(UnknownNameError, match="Did you mean toy-student"):
        build("toy-studnet")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"epoch": 3}, "no setting epoch"),
        ({"loss": "x"}, "no set"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_told_before_anything_is_fetched(publish, home, site, changed, said):
    publish()
    with pytest.raises(UsageError, match=said):
        build("toy-student", changed=changed)
    assert site.asked == []
    assert not home.exists()


def test_labels_that_do_not_fit_the_head_are_told(publish, images):
    publish(y=images[1] - 1)
    with pytest.raises(sigzoo.errors.DataError, match=r"labels run from 349 to 354.*6 outputs"):
        build("toy-student")


def test_images_of_another_size_are_told(publish, images):
    publish(x=images[0][:, :, 1:])
    with pytest.raises(sigzoo.errors.DataError, match=r"\(23, 32\)"):
        build("toy-student")


def test_a_build_in_several_processes_is_refused(publish, monkeypatch):
    publish()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun"):
        build("toy-student")


def test_the_images_reach_the_networks_unrounded(publish, home, images):
    """Values between two of the 255 grey levels, as inverted images have them."""
    publish()
    sigzoo.fetch("toy-images")
    with SignatureData(home / "artifacts" / "toy-images" / "images.npz") as data:
        (batch,) = data.batches(len(data))
    assert np.abs(batch.x * 255 - np.rint(batch.x * 255)).max() > 0.4


def test_a_file_named_as_the_artifact_is_not_taken_for_it(publish, tmp_path, monkeypatch):
    publish()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy-images").mkdir()
    with pytest.raises(UsageError, match="current folder holds something named toy-images"):
        build("toy-student")


def test_a_teacher_that_is_itself_built_from_a_recipe_comes_first(publish, tmp_path):
    registry = publish()
    content = json.loads(registry.read_text())
    grandchild = json.loads(json.dumps(content["models"]["toy-student"])) | {"aliases": []}
    grandchild["recipe"]["teacher"] = "toy-student"
    content["models"]["toy-grandchild"] = grandchild
    registry.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="`sigzoo build toy-student`"):
        build("toy-grandchild")
    teacher = build("toy-student").provenance["sha256"]
    result = build("toy-grandchild")
    assert result.provenance["files"]["toy-student"]["sha256"] == teacher
    assert sigzoo.load("toy-grandchild").name == "toy-grandchild"
