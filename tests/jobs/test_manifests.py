"""Tables and standard input that are not what they should be end in a message that says where."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigzoo.errors import DataError, UsageError
from sigzoo.jobs.manifest import lines_manifest, open_manifest
from sigzoo.jobs.shards import Shard, cut


def names(manifest: Any, size: int = 7) -> list[str]:
    """All images of a manifest."""
    return [name for shard in manifest.shards(size) for name in shard.names]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"path\n", "names no image"),
        (b"file,writer\na.png,1\n", "there is no column 'path' .*'file', 'writer'.*--path-column"),
        (b"path,a,a\nx,1,2\n", "two columns have the name 'a'"),
        (b"path,features\nx,1\n", "the output has a column 'features' of its own"),
        (b"path,a\nx,1\ny\n", "line 3 has 1 fields, the header 2"),
        (b"path,a\nx,1\n,2\n", "line 3 has no path"),
        (b'path,a\n"x,1\n', "line 2 is no CSV"),
        (b"path\nx\xff.png\n", "line 2 is no CSV in UTF-8"),
        (b"path\n" + b"x" * 200_000, "is no CSV in UTF-8: field larger than"),
        (b"path\n" + b"x," * 600_000, "a line has over 1048576 bytes"),
    ],
)
def test_a_bad_csv_is_refused_by_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises((DataError, UsageError), match=rf"m\.csv: .*{said}"):
        open_manifest(tmp_path / "m.csv")


def test_a_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes('\ufeffpath,note\r\n"a, b.png","x\r\ny"\r\n\r\nü.png,\r\n'.encode())
    manifest = open_manifest(tmp_path / "m.csv")
    (shard,) = manifest.shards(10)
    assert shard.names == ["a, b.png", "ü.png"]
    assert shard.columns == {"note": ["x\r\ny", ""]}
    assert manifest.count == 2


def test_roots_go_before_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path\na.png\n/b.png\ns3://c/d.png\n")
    assert names(open_manifest(tmp_path / "m.csv", root="s3://bank/")) == [
        *("s3://bank/a.png", "/b.png", "s3://c/d.png"),
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"file": ["a"]}, "there is no column 'path'"),
        ({"path": [1, 2]}, "holds int64, expected text"),
        ({"path": ["a", None]}, "row 1 has no path"),
        ({"path": ["a", ""]}, "row 1 has no path"),
        ({"path": pa.array([], pa.string())}, "names no image"),
        ({"path": ["a"], "features": [1]}, "the output has a column 'features'"),
    ],
)
def test_a_bad_parquet_is_refused_by_row(tmp_path: Path, table: dict[str, Any], said: str) -> None:
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    with pytest.raises((DataError, UsageError), match=rf"m\.parquet: .*{said}"):
        open_manifest(tmp_path / "m.parquet")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"path\n")
    with pytest.raises(DataError, match="is no Parquet file, or damaged"):
        open_manifest(tmp_path / "m.parquet")
    whole = tmp_path / "w.parquet"
    pq.write_table(pa.table({"path": [f"{number}.png" for number in range(5000)]}), whole)
    whole.write_bytes(whole.read_bytes()[:2000] + b"\0" * 3000 + whole.read_bytes()[5000:])
    with pytest.raises(DataError, match=r"w\.parquet"):
        names(open_manifest(whole))
    with pytest.raises(DataError, match="cannot be read: No such file"):
        open_manifest(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        open_manifest(tmp_path / "folder.csv")
    with pytest.raises(UsageError, match=r"a \.csv or a \.parquet"):
        open_manifest(tmp_path / "m.xlsx")


def test_large_strings_and_dictionaries_of_paths_are_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": pa.array(["a", "b"], pa.large_string())}), tmp_path / "l.parquet")
    assert names(open_manifest(tmp_path / "l.parquet")) == ["a", "b"]


def test_lines_of_standard_input() -> None:
    stream = io.BytesIO(b"a.png\r\n\nb\xff.png\n c .png\nlast")
    assert names(lines_manifest(stream)) == ["a.png", "b\udcff.png", " c .png", "last"]
    stream = io.BytesIO(b"a\nb.png\0c.png\0")
    assert names(lines_manifest(stream, end=b"\0")) == ["a\nb.png", "c.png"]
    many = b"".join(b"%d.png\0" % number for number in range(50_000))
    assert len(names(lines_manifest(io.BytesIO(many), end=b"\0"), 999)) == 50_000


@pytest.mark.parametrize(
    ("content", "end", "said"),
    [
        (b"a\n" + b"x" * 70_000 + b"\nb\n", b"\n", "line 2 has over 65536 bytes"),
        (b"a\0" + b"x" * 400_000, b"\0", "line 2 has over 65536 bytes"),
        (b"a\0b\0c\n", b"\n", "line 1 holds a zero byte; .*-0"),
    ],
)
def test_lines_that_are_no_paths_are_refused(content: bytes, end: bytes, said: str) -> None:
    with pytest.raises(DataError, match=f"standard input: {said}"):
        names(lines_manifest(io.BytesIO(content), end=end))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_blocks_of_any_length_are_cut_alike(size: int) -> None:
    rows = [(f"{number}.png", number) for number in range(20)]
    for lengths in ([20], [1] * 20, [0, 3, 8, 9], [19, 0, 1]):
        at, parts = 0, []
        for length in lengths:
            some = rows[at : at + length]
            values = {"list": [n for _, n in some], "arrow": pa.array([n for _, n in some], pa.int64())}
            parts.append(([name for name, _ in some], values))
            at += length
        shards = list(cut(parts, size))
        assert [name for shard in shards for name in shard.names] == [name for name, _ in rows]
        assert [len(shard) for shard in shards[:-1]] == [size] * (len(shards) - 1)
        for shard in shards:
            expected = list(range(shard.start, shard.start + len(shard)))
            assert shard.columns["list"] == shard.columns["arrow"].to_pylist() == expected
            assert shard.number == shard.start // size


def test_the_name_of_a_shard_tells_it_from_any_other() -> None:
    shard = Shard(3, 30, ["a.png", "b.png"])
    assert shard.key("job").startswith("part-00000003-")
    others = [Shard(3, 30, ["a.png"]), Shard(3, 30, ["a.png", "c.png"]), Shard(3, 30, ["b.png", "a.png"])]
    keys = {shard.key("job"), shard.key("other"), *(each.key("job") for each in others)}
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "No images given"),
        (["a.png", "--manifest", "m.csv"], "not both"),
        (["-", "a.png"], "name nothing beside it"),
        (["a.png", "--root", "x"], "--manifest"),
        (["a.png", "--path-column", "x"], "--manifest"),
        (["a.png", "-0"], "standard input"),
        (["a.png", "-o", "f.npz", "--resume"], "end the output's name with /"),
        (["a.png", "-o", "f.npz", "--files", "mat"], "end the output's name with /"),
        (["a.png", "-o", "f/", "--force"], "--resume"),
        (["a.png", "-o", "features"], "end the name with / for a folder of shards"),
        (["a.png", "-o", "f/", "--shard-size", "0"], "--shard-size"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("embed", *arguments)
    assert done.status == 2
    assert said in done.err
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_an_error_says_what_to_install(
    run: Any, tmp_path: Path, scans: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    for output in ("f.parquet", "f/"):
        done = run("embed", *scans[:2], "-o", f"{tmp_path}/{output}")
        assert done.status == 2
        assert "pip install 'sigzoo[parquet]'" in done.err
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    done = run("embed", *scans[:2], "-o", tmp_path / "f.mat")
    assert done.status == 2
    assert "pip install 'sigzoo[eval]'" in done.err
