"""`synth`, `dataset pack` and `evaluate` go on after a kill, and leave what an undisturbed run leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.jobs.killing import finish, kill_often

SYNTH = ("synth", "--writers", "3", "--genuine", "4", "--seed", "9")


def contents(folder: Path) -> dict[str, bytes]:
    """Name and content of every image."""
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


@pytest.mark.slow
def test_synthetic_signatures_are_whole_after_kills(tmp_path: Path) -> None:
    finish([*SYNTH, "-o", str(tmp_path / "expected")])
    expected = contents(tmp_path / "expected")

    def look(folder: Path) -> None:
        assert contents(folder).items() <= expected.items()

    def command(folder: Path) -> list[str]:
        return [*SYNTH, "-o", str(folder), "--resume", "--workers", "1"]

    places = kill_often(
        command, tmp_path, lambda folder: folder / ".synth.json", moments=8, seed=3, after=look
    )
    for folder in places:
        finish(command(folder))
        assert contents(folder) == expected
        assert {path.name for path in folder.iterdir()} == {*expected, ".synth.json"}


def test_images_that_are_there_are_not_drawn_again(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (*SYNTH, "-o", tmp_path / "s", "--resume")
    assert run(*arguments).status == 0
    whole = contents(tmp_path / "s")
    (tmp_path / "s" / "w002_g03.png").unlink()
    (tmp_path / "s" / "w003_g01.png").write_bytes(whole["w003_g01.png"][:500])  # as after a loss of power
    drawn = []
    from sigzoo.synthesis import export

    generate = export.generate

    def counted(spec: Any, *others: Any, samples: Any, **more: Any) -> Any:
        samples = list(samples)
        drawn.extend(export.file_name(sample) for sample in samples)
        return generate(spec, *others, samples=samples, **more)

    monkeypatch.setattr(export, "generate", counted)
    assert run(*arguments).status == 0
    assert drawn == ["w002_g03.png", "w003_g01.png"]
    assert contents(tmp_path / "s") == whole


@pytest.mark.parametrize(
    ("change", "said"), [(["--seed", "8"], "seed was 9 and is 8"), (["--pen", "pencil"], "pen")]
)
def test_another_set_of_synthetic_signatures_is_refused(
    run: Any, tmp_path: Path, change: list[str], said: str
) -> None:
    arguments = (*SYNTH, "-o", tmp_path / "s", "--resume")
    assert run(*arguments).status == 0
    done = run(*arguments, *change)
    assert done.status == 2
    assert said in done.err
    assert run(*arguments, "--writers", "4").status == 0  # a larger set contains the smaller
    (tmp_path / "s" / ".synth.json").unlink()
    done = run(*arguments)
    assert done.status == 2
    assert "says of which job" in done.err
    done = run(*SYNTH, "-o", tmp_path / "s.npz", "--resume")
    assert done.status == 2


@pytest.fixture
def drawn(run: Any, tmp_path: Path) -> Path:
    """A folder of synthetic signatures."""
    arguments = ("synth", "--writers", "4", "--genuine", "6", "--forgeries", "2", "--seed", "2")
    assert run(*arguments, "-o", tmp_path / "drawn").status == 0
    return tmp_path / "drawn"


def arrays(path: Path) -> dict[str, Any]:
    """What an npz holds, as lists."""
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name].tolist() for name in data.files}


@pytest.mark.slow
def test_a_packed_set_is_the_same_after_kills(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigzoo.datasets.packed_parts._PART", 5)  # forked processes have it too
    work = ["dataset", "pack", str(drawn), "--preprocessor", "sigver"]
    (tmp_path / "once").mkdir()
    finish([*work, "-o", str(tmp_path / "once" / "set.npz")])
    expected = arrays(tmp_path / "once" / "set.npz")
    assert len(expected["y"]) == 32

    def command(place: Path) -> list[str]:
        place.mkdir(exist_ok=True)
        return [*work, "-o", str(place / "set.npz"), "--resume", "--force"]

    def look(place: Path) -> None:
        if (place / "set.npz").exists():
            assert arrays(place / "set.npz") == expected

    places = kill_often(
        command, tmp_path, lambda place: place / "set.npz.partial", moments=8, seed=4, after=look
    )
    for place in places:
        finish(command(place))
        assert arrays(place / "set.npz") == expected
        left = {path.name for path in place.iterdir() if not path.name.endswith(".part")}
        assert left == {"set.npz"}


def test_packing_goes_on_after_what_is_there(
    run: Any, tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigzoo.datasets.packed_parts._PART", 5)
    arguments = ("dataset", "pack", drawn, "-o", tmp_path / "set.npz", "--preprocessor", "sigver", "--resume")
    broken = sorted(drawn.glob("*.png"))[20]
    content, times = broken.read_bytes(), broken.stat()
    broken.write_bytes(b"x" * len(content))
    import os

    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = run(*arguments)
    assert done.status == 1
    assert broken.name in done.err
    parts = sorted(path.name for path in (tmp_path / "set.npz.partial").iterdir())
    assert len(parts) > 2
    assert parts[0] == "_job.json"
    refused = run(*arguments, "--preprocessor-option", "size=none")
    assert refused.status == 2
    assert "preprocessor options was" in refused.err
    broken.write_bytes(content)
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    asked = []
    from sigzoo.interfaces.data_sources import SignatureSet

    prepared = SignatureSet.prepared

    def counted(self: Any, *others: Any, **more: Any) -> Any:
        asked.append(len(self))
        return prepared(self, *others, **more)

    monkeypatch.setattr(SignatureSet, "prepared", counted)
    done = run(*arguments)
    assert done.status == 0, done.err
    assert asked == [32 - 5 * (len(parts) - 1)]
    assert not (tmp_path / "set.npz.partial").exists()
    assert run(*arguments[:4], tmp_path / "once.npz", *arguments[5:7]).status == 0
    assert arrays(tmp_path / "set.npz") == arrays(tmp_path / "once.npz")


@pytest.mark.slow
def test_an_evaluation_is_the_same_after_kills(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigzoo.evaluation.features._KEPT_TOGETHER", 4)
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "home"))
    work = ["evaluate", "--data", str(drawn), "--references", "3", "--force"]

    def command(place: Path) -> list[str]:
        return [*work, "-o", f"{place}.json"]

    def figures(place: Path) -> Any:
        return json.loads(Path(f"{place}.json").read_text())["results"]

    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "other"))
    finish([*work, "--no-cache", "-o", str(tmp_path / "expected.json")])
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / "home"))
    places = kill_often(command, tmp_path, lambda _: tmp_path / "home" / "features", moments=3, seed=5)
    for place in places:
        finish(command(place))
        assert figures(place) == figures(tmp_path / "expected")
