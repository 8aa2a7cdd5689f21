"""The runtimes of graphs: the numbers of torch, what is kept in the cache and what is not believed there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.graphs.store import GraphStore
from sigzoo.interfaces.runtimes import NetworkFacts
from sigzoo.synthesis import Writer
from sigzoo.testing import check_runtime
from sigzoo.zoo import default_zoo

RUNTIMES = ["onnx", "openvino"]
MODULES = {"onnx": "onnxruntime", "openvino": "openvino"}

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")


@pytest.fixture(params=RUNTIMES)
def runtime(request) -> str:
    """A runtime that is installed."""
    pytest.importorskip(MODULES[request.param])
    return request.param


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Three signatures."""
    return [Writer(seed).genuine(0) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A cache that the tests of this module fill together: making a graph takes seconds."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def shared_cache(kept, monkeypatch) -> Path:
    """The same cache for several tests."""
    monkeypatch.setenv("SIGZOO_HOME", str(kept))
    return kept


def alike(found: np.ndarray, wanted: np.ndarray) -> float:
    """Least cosine similarity of rows."""
    found, wanted = (each.reshape(len(each), -1).astype(np.float64) for each in (found, wanted))
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(((found * wanted).sum(1) / lengths).min())


@pytest.mark.slow
def test_they_conform(runtime) -> None:
    check_runtime(default_zoo().component("runtime", runtime))


@pytest.mark.parametrize("name", ["synsig-tiny", "synsig-base"])
def test_features_are_those_of_torch(name, runtime, images, shared_cache) -> None:
    expected = sigzoo.load(name, device="cpu").embed(images)
    model = sigzoo.load(name, device="cpu", runtime=runtime)
    assert model.device == "cpu"
    assert np.abs(model.embed(images) - expected).max() < 1e-4
    assert np.abs(model.embed(images, batch_size=2) - expected).max() < 1e-4


def test_every_layer_can_be_asked_for(runtime, images, shared_cache) -> None:
    torch_model, model = (sigzoo.load(device="cpu", runtime=name) for name in ("torch", runtime))
    layers = torch_model.backbone.layers
    batch = np.stack([model.preprocess(each) for each in images])[:, None]
    batch = batch * np.float32(model.card.input_scale)
    expected, found = (each._runtime.run(batch, layers) for each in (torch_model, model))
    for layer in layers:
        assert found[layer].shape == expected[layer].shape
        assert np.abs(found[layer] - expected[layer]).max() < 1e-4 * max(1, np.abs(expected[layer]).max())
    with pytest.raises(UnknownNameError, match="no layer named 'embeding'. Did you mean embedding"):
        model.embed(images, layer="embeding")


@pytest.mark.parametrize("backbone", ["signet", "signet-spp-300dpi", "signet-spp-600dpi"])
def test_published_networks_of_one_and_of_any_size(backbone, runtime) -> None:
    torch.manual_seed(1)
    network = sigzoo.backbone(backbone).eval()
    ready = default_zoo().component("runtime", runtime)(network, device="cpu")
    layer, least = network.layers[-1], network.minimum_size
    sizes = [network.input_size] if network.input_size else [least, (least[0], 200), (181, 75), (120, 333)]
    for count, size in enumerate(sizes, 1):
        batch = np.random.default_rng(count).random((count, 1, *size), dtype=np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(batch)).numpy()
        assert np.abs(ready.run(batch, [layer])[layer] - expected).max() < 1e-5


def test_what_is_changed_by_hand_is_what_runs(runtime, images, shared_cache) -> None:
    model = sigzoo.load(device="cpu", runtime=runtime)
    before = model.embed(images)
    reference = sigzoo.load(device="cpu")
    for each in (model, reference):
        next(each.backbone.parameters()).data.mul_(0.5)
    expected = reference.embed(images)
    assert np.abs(expected - before).max() > 1e-3
    assert np.abs(model.embed(images) - expected).max() < 1e-4
    # The changed network is not kept under the name of the published one.
    assert np.abs(sigzoo.load(device="cpu", runtime=runtime).embed(images) - before).max() < 1e-6


def test_int8_comes_close(runtime, images, shared_cache) -> None:
    pytest.importorskip("onnxruntime")
    expected = sigzoo.load(device="cpu").embed(images)
    found = sigzoo.load(device="cpu", runtime=runtime, precision="int8").embed(images)
    assert np.abs(found - expected).max() > 1e-4, "nothing was rounded"
    assert alike(found, expected) > 0.999


@pytest.mark.slow
def test_int8_is_the_same_every_time(tmp_path, monkeypatch) -> None:
    pytest.importorskip("onnxruntime")
    found = []
    for name in ("one", "two"):
        monkeypatch.setenv("SIGZOO_HOME", str(tmp_path / name))
        sigzoo.load(device="cpu", runtime="onnx", precision="int8")
        found.append([path.read_bytes() for path in (tmp_path / name / "graphs").glob("*.onnx")])
    assert len(found[0]) == 1
    assert found[0] == found[1]


TORCH_FREE = """\
import sys
import sigzoo

print(sigzoo.load(runtime={runtime!r}, device="cpu").embed({path!r}).shape, "torch" in sys.modules)
"""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_once_there_is_a_graph_torch_is_not_imported(runtime, signatures, shared_cache) -> None:
    sigzoo.load(device="cpu", runtime=runtime)
    code = TORCH_FREE.format(runtime=runtime, path=str(signatures[0]))
    assert run_python(code) == "(1, 584) False"


def test_the_command_does_not_import_torch_either(runtime, signatures, shared_cache, tmp_path) -> None:
    sigzoo.load(device="cpu", runtime=runtime)
    arguments = ["embed", str(signatures[0]), "--runtime", runtime, "-o", str(tmp_path / "f.npz")]
    code = (
        "import sys\nfrom sigzoo.cli import main\n"
        f"sys.argv = ['sigzoo', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('torch' in sys.modules)"
    )
    assert run_python(code).splitlines()[-1] == "False"


def graph_files(home: Path) -> tuple[Path, Path]:
    """The one graph of a cache, and its record."""
    (graph,) = (home / "graphs").glob("*.onnx")
    return graph, graph.with_suffix(".json")


def spoil_content(graph: Path, record: Path) -> None:
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)


def spoil_length(graph: Path, record: Path) -> None:
    graph.write_bytes(graph.read_bytes()[:1000])


def spoil_record(graph: Path, record: Path) -> None:
    record.write_text("[" * 10)


def spoil_facts(graph: Path, record: Path) -> None:
    found = json.loads(record.read_text())
    found["facts"]["layers"] = 3
    record.write_text(json.dumps(found))


def spoil_code(graph: Path, record: Path) -> None:
    """The plugin's code is another one now."""
    found = json.loads(record.read_text())
    found["code"] = dict.fromkeys(found["code"], "0" * 64)
    record.write_text(json.dumps(found))


def spoil_owner(graph: Path, record: Path) -> None:
    """Anybody may have written it."""
    graph.chmod(0o666)


SPOILT = [spoil_content, spoil_length, spoil_record, spoil_facts, spoil_code, spoil_owner]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_graph_that_is_not_ours_is_not_found(spoil, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path))
    store = GraphStore({"backbone": "tiny"})
    kind = {"layers": ["out"], "precision": "float32"}
    facts = NetworkFacts(("out",), 3, (8, 12), (8, 12))
    store.keep(kind, b"a graph" * 1000, facts, {"sigzoo.graphs"})
    found = store.find(kind)
    assert found is not None
    assert (found.content, found.facts) == (b"a graph" * 1000, facts)
    assert store.find({**kind, "precision": "int8"}) is None
    assert GraphStore({"backbone": "base"}).find(kind) is None
    spoil(*graph_files(tmp_path))
    assert store.find(kind) is None, "the graph in the cache was believed"


def test_a_spoilt_graph_is_made_again_which_is_told(images, tmp_path, monkeypatch, kept, caplog) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SIGZOO_HOME", str(kept / "one"))
    expected = sigzoo.load(device="cpu", runtime="onnx").embed(images)
    (tmp_path / "graphs").mkdir()
    copies = [Path(shutil.copy(each, tmp_path / "graphs")) for each in graph_files(kept / "one")]
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path))
    assert not sigzoo.load(device="cpu", runtime="onnx")._network.loaded
    spoil_content(*copies)
    caplog.clear()
    model = sigzoo.load(device="cpu", runtime="onnx")
    assert np.array_equal(model.embed(images), expected)
    assert model._network.loaded
    assert [each.getMessage() for each in caplog.records if each.name == "sigzoo.graphs"] == [
        "sigzoo: making the graph of student-tiny (with_ink) in float32; it is kept for the next time"
    ]
    caplog.clear()
    assert not sigzoo.load(device="cpu", runtime="onnx")._network.loaded
    assert not [each for each in caplog.records if each.name == "sigzoo.graphs"]


def test_a_cache_that_cannot_be_written_costs_time_alone(images, tmp_path, monkeypatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path))
    (tmp_path / "graphs").write_text("in the way")
    model = sigzoo.load(device="cpu", runtime="onnx")
    assert np.abs(model.embed(images) - sigzoo.load(device="cpu").embed(images)).max() < 1e-4


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("onnx", {"device": "cuda:7"}, "device 'cuda:7' cannot be used by ONNX Runtime"),
        ("onnx", {"device": "cpu", "precision": "tf32"}, "tf32 is computed on a GPU alone"),
        ("onnx", {"device": "cpu", "precision": "bfloat16"}, "OnnxRuntime does not compute in bfloat16"),
        ("openvino", {"device": "cuda"}, "'openvino' runs on the CPU, not on 'cuda'"),
        ("openvino", {"device": "cpu", "precision": "tf32"}, "OpenVinoRuntime does not compute in tf32"),
    ],
)
def test_what_cannot_be_run_is_told(name, options, message) -> None:
    pytest.importorskip(MODULES[name])
    with pytest.raises(UsageError, match=message):
        sigzoo.load(runtime=name, **options)


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_package_that_is_missing_is_named(name, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(UsageError, match=rf"needs the package {MODULES[name]}.*sigzoo\[{name}\]"):
        sigzoo.load(runtime=name, device="cpu")


def test_a_graph_cannot_be_written_without_onnx(monkeypatch, runtime) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UsageError, match=r"Writing ONNX needs the packages.*sigzoo\[onnx\]"):
        sigzoo.load(runtime=runtime, device="cpu")


def test_bfloat16_that_rounds_too_much_is_refused(shared_cache) -> None:
    """OpenVINO rounds the ink's statistics, too, which the network computes in float32."""
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16")
    with pytest.raises(
        UsageError, match=r"with_ink in bfloat16 has a cosine similarity of 0\.99\d+ with float32"
    ):
        sigzoo.load(device="cpu", runtime="openvino", precision="bfloat16")


def test_several_threads_at_a_time(runtime, images, shared_cache) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = sigzoo.load(device="cpu", runtime=runtime)
    batch = np.stack([model.preprocess(each) for each in images])[:, None] * np.float32(
        model.card.input_scale
    )
    layer = model.card.features.layer
    expected = model._runtime.run(batch, [layer])[layer]

    def compute(_: int) -> np.ndarray:
        with model._runtime.on_one_core():
            return model._runtime.run(batch, [layer])[layer]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(compute, range(12)):
            assert np.abs(found - expected).max() < 1e-5


def test_on_a_gpu_a_batch_is_computed_beside_the_caller(images, shared_cache) -> None:
    """With a runtime that is told that it is on one: nothing here needs it to be there."""
    pytest.importorskip("onnxruntime")
    runtime = sigzoo.load(device="cpu", runtime="onnx")._runtime
    layer = runtime._source.layer
    batch = np.zeros((2, 1, *runtime.facts.input_size), np.uint8)
    expected = runtime.submit(batch, [layer], scale=0.5)()[layer]
    began, may_end = threading.Event(), threading.Event()
    session = runtime._sessions[(layer,), False]

    def slow(given: np.ndarray) -> list[np.ndarray]:
        began.set()
        assert may_end.wait(60)
        return session(given)

    runtime._sessions[(layer,), False] = slow
    runtime.parallel_calls = False
    fetch = runtime.submit(batch, [layer], scale=0.5)
    assert began.wait(60), "nothing has begun"
    may_end.set()
    assert np.array_equal(fetch()[layer], expected)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no owners")
def test_the_record_says_what_a_graph_was_made_of(tmp_path, monkeypatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path))
    model = sigzoo.load(device="cpu", runtime="onnx")
    record = json.loads(graph_files(tmp_path)[1].read_text())
    assert record["network"]["weights_sha256"] == model.provenance()["weights_sha256"]
    assert record["kind"]["layers"] == ["with_ink"]
    assert record["kind"]["made_by"]["torch"] == torch.__version__
    assert set(record["code"]) == {"sigzoo_students", "sigzoo.graphs"}
