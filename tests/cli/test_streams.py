"""Whatever stdout and stderr are, the work is done, the status is true, and nothing steers a terminal."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigzoo.cli.output import print_json
from tests.cli.terminal import PROGRAM, shown

Run = Callable[..., Any]

ODD_NAMES = {
    "accents": "dédé – 签名.png",
    "no UTF-8": os.fsdecode(b"s\xe9\xff.png"),
    "escape sequence": "s\x1b[31m\x1b]0;title\x07.png",
    "two lines": "s\nsigzoo: all is well.png",
    "right to left": "s\u202egnp.png",
    "C1": "s\x9b31m.png",
}


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of a shell in which `$S` is the program."""
    program = shlex.join(PROGRAM)
    return subprocess.run(
        ["bash", "-c", line.replace("$S", program)], capture_output=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing(closing: str) -> None:
    for command in ("list", "info signet --json", "plugins", "--help"):
        done = shell(f"$S {command} {closing}")
        assert done.returncode == 0, done.stderr
        assert b"sigzoo:" not in done.stderr


@pytest.mark.parametrize("closing", ["<&- >&- 2>&-", "2>/dev/full"])
def test_features_are_whole_where_streams_are_closed(
    tmp_path: Path, signatures: list[Path], closing: str
) -> None:
    output = tmp_path / "features.npz"
    done = shell(f"$S embed {signatures[0].parent} -o {output} {closing}")
    assert done.returncode == 0, done.stderr
    with np.load(output) as data:
        assert data["files"].tolist() == [str(path) for path in signatures]


def test_streams_that_python_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    from sigzoo.cli import run

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert run(["list"]) == 0
    assert run(["list", "--json"]) == 0
    assert run(["info", "nonsense", "--json"]) == 2
    assert run(["plugins"]) == 0


@pytest.mark.parametrize("command", ["list", "list --json", "train --help"])
def test_a_pipe_that_ends_is_no_failure(command: str) -> None:
    done = shell(f"set -o pipefail; $S {command} | head -c 1")
    assert done.returncode == 0
    assert done.stderr == b""


def test_a_reader_that_goes_does_not_end_the_work(tmp_path: Path, signatures: list[Path]) -> None:
    output = tmp_path / "features.npz"
    done = shell(f"set -o pipefail; $S embed {signatures[0].parent} -o {output} | true")
    assert done.returncode == 0, done.stderr
    assert output.is_file()


def test_output_that_cannot_be_written_is_a_failure() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    for command in ("list", "list --json", "--help"):
        done = shell(f"$S {command} > /dev/full")
        assert done.returncode == 1
        assert done.stderr.count(b"\n") <= 1
        assert b"Traceback" not in done.stderr


class _Stream(io.TextIOWrapper):
    """A stream of some encoding that keeps what is written."""

    def __init__(self, encoding: str) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, encoding=encoding, write_through=True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_no_name_and_no_encoding_loses_a_run(
    tmp_path: Path, signatures: list[Path], monkeypatch: pytest.MonkeyPatch, name: str, encoding: str
) -> None:
    from sigzoo.cli import run

    image = tmp_path / name
    image.write_bytes(signatures[0].read_bytes())
    for suffix in ("npz", "csv"):
        for more in ([], ["--json"]):
            out, err = _Stream(encoding), _Stream(encoding)
            monkeypatch.setattr(sys, "stdout", out)
            monkeypatch.setattr(sys, "stderr", err)
            output = tmp_path / f"{name}{len(more)}.{suffix}"
            assert (
                run(
                    [
                        "embed",
                        str(image),
                        str(tmp_path / "gone"),
                        "-o",
                        str(output),
                        "--on-error",
                        "skip",
                        *more,
                    ]
                )
                == 0
            )
            printed = out.raw_bytes.getvalue().decode(encoding)
            if more:
                assert json.loads(printed)["output"] == str(output)
            assert all(letter.isprintable() or letter == "\n" for letter in printed)
            assert "skipped" in err.raw_bytes.getvalue().decode(encoding)
            if suffix == "npz":
                with np.load(output) as data:
                    assert [os.fsencode(each) for each in data["files"].tolist()] == [os.fsencode(image)]
            else:
                assert os.fsencode(image) in output.read_bytes()


def test_an_encoding_that_lacks_letters_in_the_program(tmp_path: Path, signatures: list[Path]) -> None:
    image = tmp_path / ODD_NAMES["accents"]
    image.write_bytes(signatures[0].read_bytes())
    done = shell(
        f"$S embed {shlex.quote(str(tmp_path))} -o {tmp_path}/f.npz", PYTHONIOENCODING="ascii:strict"
    )
    assert done.returncode == 0, done.stderr
    done = shell(f"$S info {shlex.quote(str(image))}", PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 2
    assert done.stderr.isascii()


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_names_do_not_steer_the_terminal(run: Run, tmp_path: Path, name: str) -> None:
    missing = tmp_path / name
    for done in (
        run("embed", missing, "-o", tmp_path / "f.npz"),
        run("embed", missing, "-o", tmp_path / name),
        run("embed", missing, "-o", tmp_path / "f.npz", "--json"),
        run("info", name),
        run("convert", missing, "-m", "signet", "-o", tmp_path / "o.safetensors"),
        run("--registry", missing, "list"),
    ):
        assert done.status in (1, 2)
        assert all(letter.isprintable() or letter == "\n" for letter in done.err + done.out)
        own = [line for line in done.err.splitlines() if line.startswith("sigzoo: ")]
        assert len(own) == 1
        assert "all is well" not in own[0][:20]


def test_texts_of_a_registry_do_not_steer_the_terminal(tmp_path: Path) -> None:
    steering = "\\e]0;title\\a\\e[2J\\nweights licence none\\r\\u202e"
    registry = tmp_path / "mine.yaml"
    registry.write_text(
        f"""\
models:
  mine:
    summary: "text {steering}"
    distribution: sigzoo-students
    backbone: student-tiny
    preprocessor: synsig
    input_scale: 0.00392156862745098
    weights: {{artifact: mine-weights, format: safetensors}}
    features: {{layer: features, size: 64}}
    licence: {{code: "MIT {steering}", weights: "MIT {steering}", commercial_use: true}}
    trained_on: "nothing {steering}"
artifacts:
  mine-weights:
    summary: "weights {steering}"
    urls: ["https://example.org/a.safetensors"]
    unpinned: true
    provenance: "none {steering}"
"""
    )
    for arguments in (["list"], ["info", "mine"], ["list", "--json"], ["info", "mine", "--json"]):
        for columns in (80, 200):
            status, text = shown(["--registry", registry, *arguments], columns)
            assert status == 0, text
            bare = text.replace("\x1b[1m", "").replace("\x1b[0m", "")  # our own heads are bold
            assert all(letter.isprintable() or letter == "\n" for letter in bare)
            assert not any(line.startswith("weights licence none") for line in bare.splitlines())


class TestJson:
    """What `print_json` prints is JSON to everybody."""

    def printed(self, capsys: pytest.CaptureFixture[str], value: object) -> Any:
        print_json(value)
        text = capsys.readouterr().out
        return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
    def test_numbers_are_as_short_as_they_are_exact(
        self, capsys: pytest.CaptureFixture[str], kind: type[np.floating[Any]]
    ) -> None:
        drawn = np.random.default_rng(3).normal(size=(50, 20)) * 10.0 ** np.arange(-3, 17)[:20] % 60000
        values = drawn.astype(kind)
        print_json(values)
        text = capsys.readouterr().out
        found = np.array(json.loads(text), dtype=kind)
        np.testing.assert_array_equal(found, values)
        longest = {np.float16: 10, np.float32: 15, np.float64: 24}[kind]
        assert max(len(each.strip(" ,")) for each in text.splitlines()) <= longest

    def test_what_is_no_number_is_null(self, capsys: pytest.CaptureFixture[str]) -> None:
        odd = [float("nan"), float("inf"), np.float32("-inf"), np.array([1.5, np.nan], np.float32)]
        assert self.printed(capsys, {"odd": odd}) == {"odd": [None, None, None, [1.5, None]]}

    def test_every_scalar_of_numpy(self, capsys: pytest.CaptureFixture[str]) -> None:
        values = [np.bool_(True), np.int64(-3), np.uint8(7), np.str_("text"), Path("a/b")]
        assert self.printed(capsys, values) == [True, -3, 7, "text", "a/b"]

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
    def test_texts_survive_every_encoding(self, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
        texts = [*ODD_NAMES.values(), "\ud800 alone"]
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        print_json(texts)
        sys.stdout.flush()
        assert json.loads(raw.getvalue().decode(encoding)) == texts
        assert b"\x1b" not in raw.getvalue()


@pytest.mark.parametrize(
    ("arguments", "status", "kind"),
    [
        (["info", "nonsense", "--json"], 2, "UnknownNameError"),
        (["embed", "absent.png", "-o", "f.npz", "--json"], 1, "ImageError"),
        (["embed", "--json"], 2, "UsageError"),
        (["embed", "a.png", "--batch-size", "x", "--json"], 2, "UsageError"),
        (["nonsense", "--json"], 2, "UnknownNameError"),
        (["list", "--nonsense", "--json"], 2, "UsageError"),
        (["list", "", "--json"], 2, "UsageError"),
        (["fetch", "--json"], 2, "UsageError"),
        (["--registry", "absent.yaml", "list", "--json"], 1, "RegistryError"),
    ],
)
def test_errors_are_json_too(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.status == status
    error = json.loads(done.out)["error"]
    assert (error["kind"], error["status"]) == (kind, status)
    assert error["message"] in done.err.replace("\n  ", "\n")
    without = run(*[each for each in arguments if each != "--json"])
    assert (without.status, without.out, without.err) == (status, "", done.err)


def test_json_as_an_operand_asks_for_nothing(run: Run) -> None:
    done = run("info", "--", "--json")
    assert done.status == 2
    assert done.out == ""


@pytest.mark.parametrize("group", [[], ["cache"]])
def test_without_arguments_the_help_is_printed(run: Run, group: list[str]) -> None:
    done = run(*group)
    assert done.status in (0, 2)  # click's own, which has changed
    assert done.err == ""
    assert done.out == run(*group, "--help").out
    assert "\n\nCommands:\n" in done.out


def test_long_messages_are_cut(run: Run, tmp_path: Path) -> None:
    many = [tmp_path / f"{number}.png" for number in range(300)]
    done = run("embed", *many, "-o", tmp_path / "f.npz", "--on-error", "skip")
    assert done.status == 1
    assert len(done.err) < 5000
    done = run("info", "x" * 100_000)
    assert done.status == 2
    assert len(done.err) < 5000
