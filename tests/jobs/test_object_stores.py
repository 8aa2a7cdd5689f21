"""Images, tables and outputs in an object store, a server that the tests start; no secret is shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

import sigzoo
from sigzoo.common.remote import is_remote, local_name, read_remote
from sigzoo.errors import DataError, ImageError, SigzooError, UsageError
from sigzoo.imaging import read_image

SECRET = "a-secret-key-of-the-store"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of S3."""
    running = ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, scans: list[Path]) -> Iterator[Any]:
    """A bucket ``bank`` with the scans below ``scans/``, and the environment that says where it is."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE0000",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    found = boto3.resource("s3", endpoint_url=server).Bucket("bank")
    found.create()
    for path in scans:
        found.upload_file(str(path), f"scans/{path.name}")
    found.put_object(Key="scans/notes.txt", Body=b"no image")
    yield found
    found.objects.all().delete()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def keys(bucket: Any, prefix: str) -> list[str]:
    """Names of objects."""
    return sorted(each.key for each in bucket.objects.filter(Prefix=prefix))


def test_images_of_a_prefix_become_shards_in_the_store(run: Any, bucket: Any, scans: list[Path]) -> None:
    arguments = ("embed", "s3://bank/scans/", "-o", "s3://bank/out/", "--shard-size", 10)
    done = run(*arguments, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["shards"] == 3
    names = keys(bucket, "out/")
    assert sum(name.endswith(".parquet") for name in names) == 3
    assert {"out/_job.json", "out/_done.json"} <= set(names)
    table = pq.read_table("bank/out", filesystem=fsspec.filesystem("s3"))
    assert table["path"].to_pylist() == [f"s3://bank/scans/{path.name}" for path in scans]
    assert np.allclose(np.stack(table["features"].to_numpy()), sigzoo.load().embed(scans), atol=1e-5)


def test_a_job_in_the_store_goes_on(run: Any, bucket: Any, scans: list[Path]) -> None:
    arguments = ("embed", "s3://bank/scans/*.png", "-o", "s3://bank/out/", "--shard-size", 5)
    assert run(*arguments).status == 0
    assert run(*arguments).status == 2
    lost = [name for name in keys(bucket, "out/") if name.endswith(".parquet")][2]
    bucket.Object(lost).delete()
    done = run(*arguments, "--resume", "--json")
    assert done.status == 0, done.err
    assert (json.loads(done.out)["there"], json.loads(done.out)["images"]) == (4, 23)
    assert lost in keys(bucket, "out/")
    refused = run(*arguments, "--resume", "-m", "synsig-base")
    assert refused.status == 2
    assert "s3://bank/out: the job here is another one: model was synsig-tiny" in refused.err


def test_a_table_and_single_files_in_the_store(
    run: Any, bucket: Any, tmp_path: Path, scans: list[Path]
) -> None:
    lines = ["path,writer", *(f"scans/{path.name},w{number}" for number, path in enumerate(scans))]
    bucket.put_object(Key="m.csv", Body="\n".join([*lines, "scans/missing.png,w99"]).encode())
    table = ("embed", "--manifest", "s3://bank/m.csv", "--root", "s3://bank", "--on-error", "skip")
    for suffix in ("parquet", "csv"):
        done = run(*table, "-o", f"s3://bank/f.{suffix}")
        assert done.status == 0, done.err
        assert f"23 images, 1 skipped -> s3://bank/f.{suffix}" in done.out
        refused = run(*table, "-o", f"s3://bank/f.{suffix}")
        assert refused.status == 2
        assert "--force replaces it" in refused.err
    assert keys(bucket, "f.") == [
        *("f.csv", "f.csv.json", "f.csv.skipped.jsonl", "f.parquet", "f.parquet.skipped.jsonl"),
    ]
    bucket.download_file("f.parquet", str(tmp_path / "f.parquet"))
    assert pq.read_table(tmp_path / "f.parquet")["writer"].to_pylist() == [f"w{n}" for n in range(23)]
    # The output is a manifest in its turn: of Parquet, in the store.
    features = pq.read_table(tmp_path / "f.parquet").drop_columns("features")
    pq.write_table(features, tmp_path / "m.parquet")
    bucket.upload_file(str(tmp_path / "m.parquet"), "m.parquet")
    done = run("embed", "--manifest", "s3://bank/m.parquet", "-o", tmp_path / "g.parquet")
    assert done.status == 0, done.err
    assert pq.read_table(tmp_path / "g.parquet").num_rows == 23


def test_an_empty_object_is_an_error_of_its_image(bucket: Any) -> None:
    bucket.put_object(Key="empty.png", Body=b"")
    with pytest.raises(ImageError, match=r"s3://bank/empty\.png: the file is empty"):
        read_image("s3://bank/empty.png")


def test_an_image_by_its_url(bucket: Any, scans: list[Path]) -> None:
    url = f"s3://bank/scans/{scans[3].name}"
    assert np.array_equal(read_image(url), read_image(scans[3]))
    model = sigzoo.load()
    assert np.allclose(model.embed(url), model.embed(scans[3]), atol=1e-6)
    mixed = [scans[0], url, scans[1], f"s3://bank/scans/{scans[4].name}"]
    expected = model.embed([scans[0], scans[3], scans[1], scans[4]])
    assert np.allclose(model.embed(mixed), expected, atol=1e-5)


def test_a_questioned_image_in_the_store(run: Any, bucket: Any, tmp_path: Path, scans: list[Path]) -> None:
    assert run("embed", *scans[:6], "-o", tmp_path / "f.npz").status == 0
    assert run("index", tmp_path / "f.npz", "-o", tmp_path / "index").status == 0
    url = f"s3://bank/scans/{scans[4].name}"
    done = run("find", url, "--index", tmp_path / "index", "-k", 1, "--json")
    assert done.status == 0, done.err
    (found,) = json.loads(done.out)["found"]
    assert found["questioned"] == url
    assert [match["path"] for match in found["matches"]] == [str(scans[4])]


def test_an_interrupted_write_leaves_no_object(bucket: Any) -> None:
    from sigzoo.jobs.places import open_place

    place = open_place("s3://bank/out/")
    with pytest.raises(RuntimeError), place.whole("part.parquet") as target:  # noqa: PT012
        target.file.write(b"half")
        raise RuntimeError
    assert keys(bucket, "out/") == []


def test_errors_are_ours_and_show_no_secret(run: Any, bucket: Any, tmp_path: Path) -> None:
    for arguments, said in (
        (("s3://bank/none/",), "there is no image below it"),
        (("s3://nowhere/x.png",), "there is no such object, bucket or folder"),
        (("s3://bank/scans/none.png",), "there is no such object, bucket or folder"),
        (("--manifest", "s3://bank/none.csv"), "there is no such object"),
    ):
        done = run("embed", *arguments, "-o", tmp_path / "f.npz")
        assert done.status in (1, 2)
        assert said in done.err
        assert SECRET not in done.err
        assert "Traceback" not in done.err
    done = run("embed", "s3://bank/scans/s00.png", "-o", "s3://nowhere/out/")
    assert done.status == 1
    assert "s3://nowhere" in done.err
    assert SECRET not in done.err


def test_a_store_that_refuses_says_so_without_secrets(
    run: Any, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fsspec.filesystem("s3", use_listings_cache=False)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(f"SignatureDoesNotMatch: {SECRET}")

    for name in ("size", "cat_file"):
        monkeypatch.setattr(store, name, refuse)
    with pytest.raises(ImageError, match="the store refuses it") as caught:
        read_image("s3://bank/scans/s00.png")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None or SECRET not in str(caught.value.__cause__)


def test_an_object_that_is_too_large_is_not_read(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put_object(Key="large.png", Body=b"x" * 5000)
    with pytest.raises(DataError, match="has more than the 4,999 bytes"):
        read_remote("s3://bank/large.png", 4999, DataError)
    monkeypatch.setattr("sigzoo.imaging.remote_images.MAX_REMOTE_IMAGE", 1000)
    with pytest.raises(ImageError, match=r"s3://bank/large\.png: has more than the 1,000 bytes"):
        read_image("s3://bank/large.png")


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    for url in ("s3://user:hunter22@bucket/x.png", "sftp://me:hunter22@host/x.png"):
        with pytest.raises(SigzooError, match="a URL with a password is not taken") as caught:
            read_remote(url, 10, ImageError)
        assert "hunter22" not in str(caught.value)
        with pytest.raises(ImageError) as caught_image:
            read_image(url)
        assert "hunter22" not in str(caught_image.value)


def test_which_names_are_urls_of_stores() -> None:
    for name in ("s3://b/k", "gs://b/k", "S3://b/k", "az://c/k", "memory://k", "sftp://h/k"):
        assert is_remote(name)
    for name in (
        "s3:/b",
        "http://h/k",
        "https://h/k",
        "file:///x",
        "C://x",
        "/s3://b",
        "simplecache::s3://b/k",
    ):
        assert not is_remote(name)
    assert local_name("file:///tmp/a%20b.csv") == "/tmp/a b.csv"
    assert local_name("/tmp/x") == "/tmp/x"


def test_file_urls_are_paths(run: Any, tmp_path: Path, scans: list[Path]) -> None:
    done = run("embed", f"file://{scans[0].parent}", "-o", f"file://{tmp_path}/f.npz")
    assert done.status == 0, done.err
    with np.load(tmp_path / "f.npz") as data:
        assert len(data["files"]) == 23
    done = run("embed", f"file://{scans[0].parent}", "-o", f"file://{tmp_path}/out/")
    assert done.status == 0, done.err
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 1


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = __import__("sys").modules
    monkeypatch.setitem(modules, "gcsfs", None)
    with pytest.raises(UsageError) as missing:
        read_remote("gs://bucket/x", 10, DataError)
    assert str(missing.value) == (
        "gs://bucket/x: what reads gs:// is not installed (Please install gcsfs to access Google Storage):"
        " run `pip install gcsfs`."
    )
    monkeypatch.setitem(modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"pip install 'sigzoo\[remote\]'"):
        read_remote("s3://bucket/x", 10, DataError)


def test_images_are_fetched_ahead_in_order_and_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from sigzoo.embedding.fetching import fetched_ahead
    from sigzoo.imaging.sources import FetchedImage

    taken, held = [], threading.Lock()

    def fetch(source: str) -> FetchedImage:
        with held:
            taken.append(source)
        return FetchedImage(source, source.encode())

    monkeypatch.setattr("sigzoo.embedding.fetching.fetch_image", fetch)
    names = ["here.png", *(f"memory://{number}.png" for number in range(500)), "there.png"]
    stream = fetched_ahead(iter(names))
    assert next(stream) == "here.png"
    assert not taken
    assert next(stream).name == "memory://0.png"
    assert len(taken) < 60
    rest = list(stream)
    assert [each.name for each in rest[:-1]] == names[2:-1]
    assert rest[-1] == "there.png"
