"""Images prepared in processes: the same answers, nothing of the caller in them, and every way to end."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

import sigzoo
import sigzoo.imaging.decode_limits
from sigzoo.embedding.pool import PreparationPool
from sigzoo.errors import ImageError, SigzooError, SigzooWarning, UsageError
from sigzoo.interfaces import Preprocessor
from tests.embedding.process_lists import children, gone

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def _all(model, images, workers, **options):
    """Features, errors and warnings of a stream."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = list(model.embed_stream(images, workers=workers, on_error="skip", batch_size=8, **options))
    features = [None if each.features is None else each.features.tobytes() for each in found]
    errors = [(type(each.error), str(each.error)) for each in found]
    messages = sorted((each.category.__name__, str(each.message)) for each in heard)
    return features, errors, messages, [(each.index, each.source) for each in found]


def test_features_errors_and_warnings_are_those_of_one_core(model, files, at_once):
    """To the last bit; among them what is no image, a blank page, and ones that are odd."""
    page = files[0].with_name("page.png")
    Image.fromarray(np.kron(np.eye(20, dtype=np.uint8) * 255, np.ones((20, 20), np.uint8))).save(page)
    images = [*files, page, files[0].parent / "missing.png", "", os.fsencode(files[1]).decode() + "#7"]
    expected = _all(model, images, 1)
    assert not at_once
    assert _all(model, images, 2) == expected
    assert len(at_once) == 1
    assert at_once[0].ready
    assert sum(each is None for each in expected[0]) == 5
    assert any("one signature on paper" in text for _, text in expected[2])


def test_an_error_is_raised_in_its_place_and_ends_the_processes(model, files, at_once):
    stream = model.embed_stream(files, workers=2, batch_size=4)
    assert [next(stream).index for _ in range(8)] == list(range(8))
    with pytest.raises(ImageError, match=r"08\.png"):
        next(stream)
    assert all(worker._process.poll() is not None for worker in at_once[0]._workers)


def test_workers_import_no_torch_and_nothing_of_the_caller(telling, files, at_once, tmp_path):
    model = telling()
    model.embed(files[:8], workers=2)
    told = dict(path.name.split() for path in (tmp_path / "told").iterdir())
    assert str(os.getpid()) not in told
    assert set(told.values()) == {"none"}


def test_the_bundled_preprocessings_import_no_torch():
    code = "import sys, sigzoo.embedding, {0}.preprocessing; print('torch' in sys.modules)"
    for plugin in ("sigzoo_signet", "sigzoo_spp", "sigzoo_students"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(plugin)], capture_output=True, text=True, check=True
        )
        assert done.stdout == "False\n", plugin


def test_whatever_can_be_an_image_comes_in_its_place(model, files, at_once):
    """Some are read here, some in processes."""
    good = [path for number, path in enumerate(files) if number not in (8, 20)]
    expected = model.embed(good, workers=1)
    kinds = [
        lambda path: path,
        str,
        lambda path: path.read_bytes(),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: Image.open(path),
        lambda path: np.asarray(Image.open(path)),
    ]
    mixed = [kinds[number % len(kinds)](path) for number, path in enumerate(good)]
    assert np.array_equal(model.embed(mixed, workers=2), expected)


def test_a_preprocessor_that_cannot_be_sent_works_here(model, files, at_once):
    class Local(Preprocessor):
        output_size = (99, 192)

        def stages(self, image):
            return {"all": np.resize(image, self.output_size)}

    other = sigzoo.load(device="cpu")
    other.preprocessor = Local()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(other.preprocessor)
    assert other.embed(files[:8], workers=2).shape == (8, model.feature_dim)
    assert not at_once


def test_a_preprocessor_that_a_process_cannot_import_works_here(telling, files, at_once, tmp_path):
    model = telling()
    expected = model.embed(files[:8], workers=1)
    (tmp_path / "telling_plugin.py").unlink()
    assert np.array_equal(model.embed(files[:8], workers=2), expected)
    assert len(at_once) == 1
    assert not at_once[0].ready


def test_a_fault_of_a_preprocessor_is_raised_as_it_is(telling, order, at_once):
    images = [order(0, "good.png")] * 6 + [order(2, "bad.png")]
    with pytest.raises(ValueError, match="a fault of the plugin") as caught:
        telling().embed(images, workers=2)
    assert "telling_plugin.py" in str(caught.traceback[-1].path)


def test_warnings_of_any_kind_come_through_the_callers_filters(telling, order, at_once):
    images = [order(0, "good.png"), *[order(4, f"odd{number}.png") for number in range(3)]]
    model = telling()
    assert _all(model, images, 2) == _all(model, images, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SigzooWarning)
        with pytest.raises(SigzooWarning, match=r"odd0\.png: looks odd"):
            model.embed(images, workers=2, check_images=False)


def test_what_pillow_was_told_here_counts_there(model, files, at_once, tmp_path, monkeypatch):
    cut = tmp_path / "cut.png"
    cut.write_bytes(files[0].read_bytes()[:-3000])
    images = [files[0], *[cut] * 6]
    refused = _all(model, images, 2)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    taken = _all(model, images, 2)
    assert refused[0][1] is None
    assert taken[0][1] is not None
    assert taken == _all(model, images, 1)


def test_a_relative_path_is_found_where_the_caller_stands_now(model, files, at_once, monkeypatch):
    def images() -> Iterator[str]:
        monkeypatch.chdir(files[0].parent)
        yield from ["00.png"] * 12
        monkeypatch.chdir(files[0].parent.parent)
        yield from [f"{files[0].parent.name}/00.png"] * 12

    found = [each.error for each in model.embed_stream(images(), workers=2, on_error="skip", batch_size=1)]
    assert len(found) == 24
    assert [each for each in found[:2] + found[-2:] if each is not None] == []


def test_an_image_too_large_for_a_worker_is_read_here(telling, files, at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(sigzoo.embedding.pool, "_LEAST_BYTES", 3 << 20)
    monkeypatch.setattr(sigzoo.embedding.pool, "MAX_BYTES", 3 << 20)
    large = tmp_path / "large.png"
    Image.new("L", (2000, 1500), 200).save(large)
    model = telling()
    model.embed([large] * 6, workers=2)
    assert {path.name.split()[0] for path in (tmp_path / "told").iterdir()} == {str(os.getpid())}


def test_the_source_is_read_a_bounded_way_ahead(model, files, at_once):
    taken = []

    def endless() -> Iterator[Path]:
        while True:
            taken.append(1)
            yield files[len(taken) % 7]

    stream = model.embed_stream(endless(), workers=2, batch_size=4)
    for _ in range(60):
        next(stream)
    waiting = 4 + 2 * 4 + 3 * 4 + 4  # results ahead, jobs of the second worker, windows, and the one taken
    assert len(taken) <= 60 + waiting
    stream.close()


@linux
def test_a_closed_iterator_ends_the_processes(model, files, at_once):
    before = children()
    stream = model.embed_stream(files[:8] * 20, workers=2, batch_size=4)
    next(stream)
    assert len(children() - before) == 2
    stream.close()
    assert children() - before == set()


@linux
def test_a_process_that_dies_is_an_error_that_says_where(telling, order, at_once):
    before = children()
    images = [order(0, "good.png")] * 9 + [order(1, "deadly.png")] + [order(0, "later.png")] * 40
    with pytest.raises(SigzooError, match=r"died at .*deadly\.png \(exit status 3\).*workers=1"):
        list(telling().embed_stream(images, workers=2, on_error="skip", batch_size=2))
    assert children() - before == set()


@linux
def test_a_process_that_is_killed_is_an_error(model, files, at_once):
    def images() -> Iterator[Path]:
        yield from files[:8]
        for worker in at_once[0]._workers:
            os.kill(worker._process.pid, signal.SIGKILL)
        yield from files[:8] * 20

    with pytest.raises(SigzooError, match=r"died.*signal 9"):
        list(model.embed_stream(images(), workers=2, batch_size=2))


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "2"])
def test_a_number_of_workers_that_is_none_is_refused(model, files, wrong):
    with pytest.raises(UsageError, match="workers"):
        model.embed(files[:1], workers=wrong)


def test_none_is_started_for_few_images_or_one_worker(model, files, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a process")

    monkeypatch.setattr(sigzoo.embedding.pool.WorkerPool, "__init__", refuse)
    model.embed(files[0])
    model.embed(files[:8], workers=8)
    monkeypatch.setattr(sigzoo.embedding.pool, "_START_SECONDS", 0.0)
    for workers in (0, 1):
        model.embed(files[:8], workers=workers)


@pytest.mark.parametrize(
    ("expected", "done", "spent", "starts"),
    [
        (1000, 0, 0.0, False),  # how long one takes is not known yet
        (102, 10, 0.1, True),  # a second and more is left, the start of two takes half a second
        (90, 10, 0.1, False),
        (0, 10, 0.1, False),  # a stream
        (0, 50, 0.5, True),
    ],
)
def test_processes_start_when_they_pay(model, files, monkeypatch, expected, done, spent, starts):
    made = []

    class Recorder:
        ready = False

        def __init__(self, *arguments, **options):
            made.append(self)

        def close(self):
            pass

    monkeypatch.setattr(sigzoo.embedding.pool, "WorkerPool", Recorder)
    pool = PreparationPool(model.embedding_stream().preparation, 2, expected=expected)
    pool._clock.images, pool._clock.spent = done, spent
    pool.submit((0, files[0])).result()
    pool.close()
    assert bool(made) == starts


SCRIPT = """\
import sys, pathlib
import sigzoo
import sigzoo.embedding.pool as pool

print("begun")
pool._START_SECONDS = 0.0
started = []
class Waiting(pool.WorkerPool):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        started.append(self)
        while not self.ready: pass
pool.WorkerPool = Waiting
model = sigzoo.load(device="cpu")
images = [{path!r}] * {count}
{work}
"""


@pytest.mark.parametrize("how", ["file", "stdin", "argument"])
def test_a_program_without_a_guard_starts_once(files, tmp_path, how):
    """What `multiprocessing` would start again from its beginning."""
    work = "print(model.embed(images, workers=2).shape, len(started))"
    code = SCRIPT.format(path=str(files[0]), count=20, work=work)
    script = tmp_path / "script.py"
    script.write_text(code)
    command = {"file": [str(script)], "stdin": ["-"], "argument": ["-c", code]}[how]
    done = subprocess.run(
        [sys.executable, *command], input=code if how == "stdin" else "", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["begun", "(20, 200) 1"] or "begun" in done.stdout
    assert done.stdout.count("begun") == 1
    assert done.stdout.rstrip().endswith(" 1")
    assert done.stderr == ""


PIDS = """\
stream = model.embed_stream(({path!r} for _ in range(10**9)), workers=2)
next(stream)
print(*[each._process.pid for each in started[0]._workers], flush=True)
for each in stream: pass
"""


@linux
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL", "SIGTERM"])
def test_the_end_of_the_program_is_the_end_of_its_processes(files, name):
    how = signal.Signals[name]
    work = PIDS.format(path=str(files[0]))
    code = SCRIPT.format(path=str(files[0]), count=1, work=work)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests in the background of a script are started with SIGINT ignored, and programs inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    pids = {int(each) for each in process.stdout.readline().split()}
    assert len(pids) == 2
    time.sleep(0.3)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does: the workers hear it too
    else:
        process.send_signal(how)
    error = process.communicate(timeout=60)[1]
    assert gone(pids)
    assert process.returncode == -how
    if how == signal.SIGINT:
        assert error.count("Traceback") == 1
        assert error.rstrip().endswith("KeyboardInterrupt")
    else:
        assert error == ""
