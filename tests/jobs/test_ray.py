"""The engine Ray on a real cluster of two nodes on this machine: one is killed, and memory is bounded."""

from __future__ import annotations

import json
import re
import shlex
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sigzoo
from sigzoo.cli import run as run_command
from sigzoo.errors import ImageError
from sigzoo.jobs import EmbedSettings, LocalEngine, RayEngine, run_job
from sigzoo.jobs.manifest import inputs_manifest
from sigzoo.jobs.ray_pipeline import Stages, run_stages

pytestmark = pytest.mark.slow
STORE = 80 << 20  # Ray takes no less


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of a CPU and 80 MiB each; nothing of it stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray = pytest.importorskip("ray")
        from ray.cluster_utils import Cluster

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"num_cpus": 1, "object_store_memory": STORE}
            made = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
            made.second = made.add_node(**options)
            ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
            yield made
            ray.shutdown()
            made.shutdown()


def _made(shared: int, item: int) -> tuple[Any, int]:
    made = np.full(shared, item, np.uint8)
    return made, made.nbytes


def _loaded(shared: int) -> Any:
    return lambda item, made: (item, int(made[0]), len(made))


class _Spilled:
    """Looks all the time for what the nodes put on the disk for want of memory."""

    def __init__(self) -> None:
        import ray

        folder = Path(ray._private.worker._global_node.get_session_dir_path())
        self.seen: set[Path] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(folder,))

    def _look(self, folder: Path) -> None:
        while not self._ended.wait(0.02):
            self.seen |= {each for each in folder.glob("ray_spilled_objects*/*") if each.is_file()}

    def __enter__(self) -> _Spilled:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def test_ten_times_the_memory_flows_through(cluster: Any) -> None:
    """1.6 GB of results in stores of 160 MiB: each item comes out once, and nothing goes to the disk."""
    import ray

    size, count = 24 << 20, 67
    with _Spilled() as spilled:
        results = list(run_stages(ray, Stages(_made, _loaded, size), iter(range(count))))
    assert sorted(results) == [(item, item % 256, size) for item in range(count)]
    assert size * count >= 10 * 2 * STORE
    assert not spilled.seen
    with _Spilled() as spilled:  # and it would have been seen
        held = [ray.put(np.zeros(size, np.uint8)) for _ in range(6)]
        time.sleep(1)
    assert spilled.seen
    del held


def _images(folder: Path, draw: Any, count: int) -> list[str]:
    """Drawn signatures, and one file that is none."""
    folder.mkdir()
    paths = [folder / f"{number:03d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(draw(number)).save(path)
    paths[7].write_bytes(b"no image")
    return [str(path) for path in paths]


def _rows(folder: Path) -> list[tuple[str, np.ndarray]]:
    """Path and features of all shards, by the names of the files."""
    import pyarrow.parquet as pq

    rows: list[tuple[str, np.ndarray]] = []
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path).to_pydict()
        rows += zip(table["path"], map(np.array, table["features"]), strict=True)
    return rows


class _Idle:
    """An actor that does nothing."""

    def there(self) -> bool:
        return True


def _held_cpu(ray: Any, node: str) -> Any:
    """An actor that holds the CPU of a node until it is killed."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    held = ray.remote(num_cpus=1, scheduling_strategy=strategy)(_Idle).remote()
    assert ray.get(held.there.remote())
    return held


def test_a_node_is_killed_and_every_image_is_there_once(cluster: Any, tmp_path: Path, draw: Any) -> None:
    import ray

    paths = _images(tmp_path / "images", draw, 120)
    settings, model = EmbedSettings(on_error="skip", check_images=False), sigzoo.load()
    held, killed_at = _held_cpu(ray, cluster.head_node.node_id), []  # so all is prepared on the second node
    seen = 0

    def progress(images: int) -> None:
        nonlocal seen
        seen += images
        if not killed_at and seen >= 12:
            killed_at.append(seen)
            ray.kill(held)
            cluster.remove_node(cluster.second, allow_graceful=False)

    def embedded(name: str, engine: Any, **options: Any) -> Any:
        manifest = inputs_manifest(paths)
        return run_job(
            manifest, settings, model, str(tmp_path / name), engine, shard_size=4, resume=False, **options
        )

    local = embedded("local", LocalEngine(model))
    done = embedded("ray", RayEngine(model=model), progress=progress)
    assert killed_at
    assert killed_at[0] < len(paths)
    assert (done.images, done.embedded, done.skipped, done.shards) == (120, 119, 1, 30)
    assert (local.embedded, local.skipped) == (119, 1)
    names = {path.name for path in (tmp_path / "local").glob("*.parquet")}
    assert {path.name for path in (tmp_path / "ray").glob("*.parquet")} == names
    mine, wanted = _rows(tmp_path / "ray"), _rows(tmp_path / "local")
    assert [path for path, _ in mine] == [path for path, _ in wanted] == paths[:7] + paths[8:]
    for (_, found), (_, features) in zip(mine, wanted, strict=True):
        np.testing.assert_allclose(found, features, rtol=0, atol=1e-6)
    (list_mine,) = (tmp_path / "ray" / "_skipped").iterdir()
    assert json.loads(list_mine.read_text())["path"] == paths[7]

    # Gone on with by the other engine: nothing is left to do, and nothing is done.
    again = run_job(
        inputs_manifest(paths),
        settings,
        model,
        str(tmp_path / "ray"),
        LocalEngine(model),
        shard_size=4,
        resume=True,
    )
    assert (again.there, again.shards) == (30, 30)


def test_an_image_that_cannot_be_used_ends_the_job_with_its_own_message(
    cluster: Any, tmp_path: Path, draw: Any
) -> None:
    paths = _images(tmp_path / "images", draw, 9)
    with pytest.raises(ImageError, match="007.png: not an image"):
        run_job(
            inputs_manifest(paths),
            EmbedSettings(check_images=False),
            sigzoo.load(),
            str(tmp_path / "out"),
            RayEngine(),
            shard_size=3,
            resume=False,
        )


def test_the_command_takes_the_engine(cluster: Any, tmp_path: Path, draw: Any, monkeypatch: Any) -> None:
    """Paths that are relative mean the same on the cluster."""
    _images(tmp_path / "images", draw, 10)
    monkeypatch.chdir(tmp_path)
    options = ["--engine", "ray", "--shard-size", "5", "--on-error", "skip"]
    assert run_command(["embed", "images", "-o", "out/", *options]) == 0
    assert len(_rows(tmp_path / "out")) == 9
    assert run_command(["embed", "images", "-o", "out.npz", "--engine", "ray"]) == 2
    assert run_command(["embed", "images", "-o", "other/", "--address", "localhost:1"]) == 2


def test_the_commands_of_the_page_on_many_machines_work(
    cluster: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "at-scale.md").read_text()
    (block,) = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    assert run_command(["synth", "-o", "signatures"]) == 0
    for line in block.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "sigzoo"
        assert run_command(arguments) == 0, capsys.readouterr().err
    assert "3 shards (3 of them there before)" in capsys.readouterr().out
    assert len(_rows(tmp_path / "shards")) == 9


@pytest.fixture
def roomy_node(cluster: Any) -> Iterator[None]:
    """A node more: an actor keeps a CPU, and what reads and writes needs another."""
    node = cluster.add_node(num_cpus=2, object_store_memory=STORE)
    cluster.wait_for_nodes()
    yield
    cluster.remove_node(node)


@pytest.mark.usefixtures("roomy_node")
def test_the_pages_pipeline_of_ray_data_gives_the_models_features(tmp_path: Path, draw: Any) -> None:
    import ray.data

    page = (Path(__file__).parents[2] / "docs" / "at-scale.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    paths = _images(tmp_path / "signatures", draw, 16)
    for folder in ("signatures", "features"):  # the nodes of this cluster were started in another folder
        assert f'("{folder}"' in block
        block = block.replace(f'("{folder}"', f'("{tmp_path / folder}"')
    exec(block, {})
    rows = sorted(ray.data.read_parquet(str(tmp_path / "features")).take_all(), key=lambda row: row["path"])
    assert [Path(row["path"]).name for row in rows] == [Path(path).name for path in paths]
    bad = rows.pop(7)
    assert "007.png: not an image" in bad["error"]
    assert np.isnan(bad["features"]).all()
    assert {row["error"] for row in rows} == {""}
    assert set(rows[0]) == {"path", "error", "warnings", "features"}
    wanted = sigzoo.load().embed(paths[:7] + paths[8:])
    np.testing.assert_allclose([row["features"] for row in rows], wanted, rtol=0, atol=1e-6)
