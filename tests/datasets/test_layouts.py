"""Published layouts: what names say, what is missing or surplus, and what is left out, file by file."""

import os
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from sigzoo.datasets import find_source, known_signatures, open_data, without_simple_forgeries
from sigzoo.datasets.image_folders import ImageFolder
from sigzoo.datasets.layout import Slot
from sigzoo.datasets.published.bhsig260 import BHSig260
from sigzoo.datasets.published.brazilian import Brazilian
from sigzoo.datasets.published.cedar import Cedar
from sigzoo.datasets.published.crossmedia import CrossMedia
from sigzoo.datasets.published.gpds import Gpds, GpdsSynthetic
from sigzoo.datasets.published.mcyt import Mcyt
from sigzoo.datasets.published.sigcomp import SigComp2009, SigComp2011
from sigzoo.errors import DataError, SigzooWarning, UsageError
from sigzoo.testing import check_data_source

SHARED = Path(os.environ.get("SIGZOO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))

# As the data sets' own read-me files and papers name their files: three writers, two of each kind.
LAYOUTS = {
    "cedar": [
        *(f"full_org/original_{w}_{n}.png" for w in (1, 2, 55) for n in (1, 24)),
        *(f"full_forg/forgeries_{w}_{n}.png" for w in (1, 2, 55) for n in (1, 24)),
    ],
    "mcyt": [
        *(f"{w:04d}/{w:04d}v{n:02d}.bmp" for w in (2, 200, 434) for n in (0, 14)),
        *(f"{w:04d}/{w + 1:04d}_{w:04d}f{n:02d}.bmp" for w in (2, 200, 434) for n in (0, 14)),
    ],
    "bhsig260": [
        f"{script}/{w:03d}/{script[0]}-S-{w}-{kind}-{n:02d}.tif"
        for script, w in (("Hindi", 1), ("Bengali", 1), ("Bengali", 100))
        for kind in "GF"
        for n in (1, 24)
    ],
    "gpds": [
        f"{w:03d}/{kind}-{w:03d}-{n:02d}.jpg" for w in (1, 2, 160) for kind in ("c", "cf") for n in (1, 24)
    ],
    "gpds-synthetic": [
        f"{w:03d}/{kind}-{w:03d}-{n:02d}.jpg" for w in (1, 2, 4000) for kind in ("c", "cf") for n in (1, 24)
    ],
    "brazilian": [f"a{w:03d}_{n:02d}.jpg" for w in (1, 2, 60) for n in (1, 40, 51, 60)],
    "sigcomp2009": [
        *(f"NISDCC-{w:03d}_{w:03d}_{n:03d}_6g.PNG" for w in (1, 12) for n in (1, 5)),
        *(f"NISDCC-{h:03d}_{w:03d}_005_6g.PNG" for w in (1, 12) for h in (21, 51)),
        *(f"NFI-021{n}021.png" for n in ("01", "03")),
        "NFI-00602021.png",
        "NFI-00601021.png",
    ],
    "sigcomp2011": [
        *(f"Dutch/TrainingSet/Offline Genuine/{w:03d}_{n:02d}.PNG" for w in (1, 16) for n in (1, 24)),
        *(f"Dutch/TrainingSet/Offline Forgeries/0119{w:03d}_0{n}.png" for w in (1, 16) for n in (1, 2)),
        *(f"Chinese/Ref(115)/001/001_{n:02d}.PNG" for n in (1, 2)),
        *(f"Chinese/Questioned(487)/001/0105001_0{n}.png" for n in (1, 2)),
    ],
    "folder": [
        f"{w}/{kind}/{n}.png"
        for w in ("001", "002", "anna")
        for kind in ("genuine", "forgery")
        for n in (1, 2)
    ],
}
SOURCES = {
    "cedar": Cedar,
    "mcyt": Mcyt,
    "bhsig260": BHSig260,
    "gpds": Gpds,
    "gpds-synthetic": GpdsSynthetic,
    "brazilian": Brazilian,
    "sigcomp2009": SigComp2009,
    "sigcomp2011": SigComp2011,
    "folder": ImageFolder,
}
GENUINE = ("original", "v00", "v14", "-g-", "/c-", "_01.jpg", "_40.jpg", "001_001_", "012_012_")
GENUINE += ("nfi-021", "genuine", "ref(")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised_by_its_names(write, layout):
    place = write(LAYOUTS[layout])
    opened, found = open_data(str(place))
    assert (found.source, found.writers, found.genuine, found.forged) == (layout, 3, 6, 6)
    for index in range(len(opened)):
        name = opened.file_of(index).relative_to(place).as_posix().lower()
        assert bool(opened.forged[index]) != any(mark in name for mark in GENUINE), name
    assert "3 writers, 6 genuine signatures and 6 forgeries" in str(found)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_keeps_what_the_interface_promises(write, layout):
    check_data_source(SOURCES[layout](), str(write(LAYOUTS[layout])))


CEDAR = [
    f"{folder}/{kind}_{w}_{n}.png"
    for folder, kind in (("full_org", "original"), ("full_forg", "forgeries"))
    for w, n in product(range(1, 56), range(1, 25))
]
MCYT = [f"{w:04d}/{w:04d}v{n:02d}.bmp" for w, n in product(range(75), range(15))]
MCYT += [f"{w:04d}/{w + 1 + n // 3:04d}_{w:04d}f{n:02d}.bmp" for w, n in product(range(75), range(15))]
NISDCC = [f"NISDCC-{w:03d}_{w:03d}_{n:03d}_6g.PNG" for w, n in product(range(1, 13), range(1, 6))]
NISDCC += [
    f"NISDCC-{h:03d}_{w:03d}_{n:03d}_6g.PNG" for h, w, n in product(range(21, 52), range(1, 13), range(1, 6))
]
BRAZILIAN = [f"a{w:03d}_{n:02d}.png" for w, n in product(range(1, 169), range(1, 61)) if w < 61 or n < 41]


def touch(folder: Path, names: list[str]) -> Path:
    """Files of one content, for readers that look at names alone."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.mark.parametrize(
    ("source", "names", "genuine", "forged"),
    [
        (Cedar, CEDAR, 1320, 1320),
        (Mcyt, MCYT, 1125, 1125),
        (SigComp2009, NISDCC, 60, 1860),
        (Brazilian, BRAZILIAN, 168 * 40, 60 * 20),
    ],
)
def test_a_whole_data_set_has_the_published_counts_and_nothing_missing(
    tmp_path, source, names, genuine, forged
):
    opened = source().open(str(touch(tmp_path / "set", names)))
    assert (len(opened) - opened.forged.sum(), opened.forged.sum()) == (genuine, forged)
    found = opened.completeness
    if source is SigComp2009:  # its preview numbers the same writers' files otherwise
        assert found.missing_writers == ("the preview",)
    else:
        assert found.missing_writers == ()
    assert (found.missing, found.surplus, found.left_out, found.notes) == ((), (), (), ())
    assert opened.canvas == {Cedar: (730, 1042), Mcyt: (600, 850), Brazilian: (700, 1000)}.get(source)


@pytest.mark.parametrize(
    ("source", "writers", "files"),
    [
        (Gpds(), 881, 881 * 54),
        (GpdsSynthetic(), 4000, 4000 * 54),
        (BHSig260(), 260, 260 * 54),
    ],
)
def test_large_data_sets_are_known_by_number(source, writers, files):
    everyone = {Slot(part.name, w, "genuine", 1) for part in source.parts for w in part.writers}
    assert len(everyone) == writers
    assert len(set(source.expected(everyone))) == files


def test_what_is_missing_or_surplus_is_told_file_by_file(tmp_path):
    names = [name for name in CEDAR if not name.endswith(("original_3_7.png", "forgeries_55_24.png"))]
    names = [name for name in names if name.split("_")[2] not in ("9", "10", "20")]
    touch(tmp_path, [*names, "full_org/original_1_25.png", "full_forg/forgeries_56_1.png"])
    opened, found = open_data(str(tmp_path))
    known = opened.completeness
    assert {"original_3_7", "forgeries_55_24"} <= set(known.missing)
    assert set(known.missing) == {f"{kind}_{w}_{n}" for kind, w, n in lost(names)}
    assert known.missing_writers == ("writer 9 to 10", "writer 20")
    assert [path.name for path in known.surplus] == ["forgeries_56_1.png", "original_1_25.png"]
    assert "nothing there of writer 9 to 10, writer 20" in str(found)
    lines = list(known.lines(1))
    assert lines[0] == "CEDAR: nothing there of writer 9 to 10, writer 20"
    assert f"missing: {len(known.missing) - 1:,} more (--json names all)" in lines
    assert known.to_json()["surplus"] == ["full_forg/forgeries_56_1.png", "full_org/original_1_25.png"]


def lost(names: list[str]) -> set[tuple[str, int, int]]:
    """Files of CEDAR that are not among some names, of writers of whom there are some, by loops."""
    there = {tuple(Path(name).stem.split("_")) for name in names}
    writers = {int(w) for _, w, _ in there}
    every = product(("original", "forgeries"), writers, range(1, 25))
    return {(kind, w, n) for kind, w, n in every if (kind, str(w), str(n)) not in there}


def test_forgeries_that_every_forger_numbers_from_zero_are_counted(tmp_path):
    names = [f"0002/0002v{n:02d}.bmp" for n in range(15)]
    names += [f"0002/{forger:04d}_0002f{n:02d}.bmp" for forger in (3, 4, 5, 6) for n in range(3)]
    found = Mcyt().open(str(touch(tmp_path, names))).completeness
    assert found.missing == ()
    assert "12 forgeries of writer 0002 are there, of 15" in found.notes
    assert "1 writers are there, the publication has 75" in found.notes


def test_simple_forgeries_are_told_from_skilled_ones_and_left_to_no_protocol(write):
    opened, _ = open_data(str(write([f"a001_{n:02d}.jpg" for n in (1, 2, 41, 50, 51)])))
    names = [opened.file_of(index).stem for index in range(len(opened))]
    assert dict(zip(names, opened.labels["simple"].tolist(), strict=True)) == {
        "a001_01": 0,
        "a001_02": 0,
        "a001_41": 1,
        "a001_50": 1,
        "a001_51": 0,
    }
    kept = without_simple_forgeries(opened)
    assert [names[index] for index in kept] == ["a001_01", "a001_02", "a001_51"]
    assert known_signatures(opened, kept).forged == [False, False, True]


def test_the_forger_is_known_where_names_say_it(write):
    opened, _ = open_data(str(write(LAYOUTS["sigcomp2009"])))
    hands = {}
    for index, hand in enumerate(opened.labels["hand"].tolist()):
        hands.setdefault(hand, set()).add(opened.file_of(index).stem)
    assert {"NISDCC-021_001_005_6g"} in hands.values()
    assert {"NISDCC-051_001_005_6g"} in hands.values()
    assert {"NFI-00602021", "NFI-00601021"} in hands.values()
    assert {"NISDCC-001_001_001_6g", "NISDCC-001_001_005_6g"} in hands.values()


def test_writers_of_sigcomp2011_are_those_of_a_language_and_a_set(write):
    opened, _ = open_data(str(write(LAYOUTS["sigcomp2011"])))
    assert set(opened.writers) == {"dutch-train-001", "dutch-train-016", "chinese-test-001"}
    assert "8 files of dutch-train are there, the publication counts 362" in opened.completeness.notes


def test_folders_of_numbers_without_forgeries_are_no_sigcomp2011(write):
    assert find_source(str(write([f"00{w}/00{w}_0{n}.png" for w in (1, 2) for n in (1, 2)])))[0] == "folder"


@pytest.mark.parametrize("name", ["GPDSsyntheticSignatures4000", "gpds-synth"])
def test_the_synthetic_gpds_is_told_by_its_folder(write, name):
    assert find_source(str(write(LAYOUTS["gpds"], name)))[0] == "gpds-synthetic"


def test_byte_identical_files_of_bhsig260_are_left_out_and_said(write):
    names = [f"Hindi/{w:03d}/H-S-{w}-{k}-{n:02d}.tif" for w in (1, 2) for k in "GF" for n in (1, 2, 3)]
    place = write(names)
    copies = [("H-S-1-G-01", "H-S-1-G-03"), ("H-S-1-F-01", "H-S-2-F-02"), ("H-S-2-G-01", "H-S-2-F-03")]
    for first, second in copies:
        original, copy = (
            place / "Hindi" / f"{int(x.split('-')[2]):03d}" / f"{x}.tif" for x in (first, second)
        )
        shutil.copy(original, copy)
    with pytest.warns(SigzooWarning, match="left out: 5 files"):
        opened, _ = open_data(str(place))
    gone = {each.file.stem: each.why(place) for each in opened.completeness.left_out}
    # The first of a writer's copies stays; where names disagree on what it is, none does.
    assert set(gone) == {"H-S-1-G-03", "H-S-1-F-01", "H-S-2-F-02", "H-S-2-G-01", "H-S-2-F-03"}
    assert gone["H-S-1-G-03"] == "byte-identical to Hindi/001/H-S-1-G-01.tif"
    assert gone["H-S-1-F-01"] == "named as another signature than its copy Hindi/002/H-S-2-F-02.tif"
    assert len(opened) == len(names) - 5
    assert not set(opened.completeness.missing) & set(gone)


def test_an_original_among_cedars_forgeries_is_refused(write):
    with pytest.raises(DataError, match="original_9_9.*the contrary"):
        open_data(str(write([*LAYOUTS["cedar"], "full_forg/original_9_9.png"])))


def test_a_strange_file_in_a_published_layout_is_left_out_and_named(write):
    place = write([*LAYOUTS["mcyt"], "0002/scan.png"])
    with pytest.warns(SigzooWarning, match=r"0002/scan\.png, not named as MCYT-75 names its files"):
        opened, found = open_data(str(place))
    assert (found.genuine, found.forged) == (6, 6)
    assert [each.file.name for each in opened.completeness.left_out] == ["scan.png"]
    assert open_data(f"folder:{write(LAYOUTS['folder'], 'plain')}")[1].source == "folder"


def test_copies_under_one_name_count_once_and_different_files_are_refused(write):
    place = write(LAYOUTS["cedar"])
    (place / "again").mkdir()
    shutil.copy(place / "full_org" / "original_1_1.png", place / "again")
    with pytest.warns(SigzooWarning, match="the same file as again/original_1_1.png"):
        opened, _ = open_data(str(place))
    assert len(opened) == len(LAYOUTS["cedar"])
    shutil.copy(place / "full_org" / "original_2_1.png", place / "again" / "original_1_1.png")
    with pytest.raises(DataError, match="another file says that it is the same signature"):
        open_data(str(place))


def test_nothing_of_a_data_set_is_an_error_that_says_how_it_names_its_files(write, tmp_path):
    with pytest.raises(DataError, match=r"none of its 1 images is named as CEDAR.*folder:PATH"):
        Cedar().open(str(write(["x.png"])))
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no image in it"):
        Cedar().open(str(empty))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["full_org/1.png", "full_forg/1.png"], "no writer's folder.*"),
        (["original/1.png", "forgeries/1.png"], "no writer's folder"),
        (["genuine/a/1.png", "forged/a/1.png"], "no writer's folder"),
        (["real/1.png", "fake/1.png"], "no writer's folder"),
        (["001/1.png", "001_forg/1.png", "002/1.png"], "001_forg.*no writer's folder"),
        (["001/forgedby_1.png", "001/1.png", "002/1.png"], "says that it is a forgery"),
        (["001/genuine not forged 1.png", "001/1.png", "002/1.png"], "says that it is a forgery"),
        (["001/genuine/forg_1.png", "002/1.png"], "says that it is a forgery"),
        (["001/g1.png", "001/f1.png", "002/g1.png"], "several kinds"),
        (["001/x_v_1.png", "001/x_f_1.png", "002/x_v_1.png"], "several kinds"),
        (["001/skilled/1.png", "001/other/1.png", "002/1.png"], "not other"),
    ],
)
def test_what_names_contradict_is_refused(write, names, said):
    with pytest.raises(DataError, match=said):
        open_data(str(write(names)))


def test_a_word_in_the_name_of_a_loose_file_says_that_it_is_forged(write):
    names = [
        f"{writer}/{writer} {number}.png"
        for writer in ("Anna", "Bo K.")
        for number in ("1", "2", "fake 1", "forgery_2")
    ]
    opened, found = open_data(str(write([*names, "Cy/simple 1.png"])))
    assert (found.writers, found.genuine, found.forged) == (3, 5, 4)
    assert (
        sorted(opened.writers[place] for place in np.flatnonzero(opened.forged))
        == ["Anna"] * 2 + ["Bo K."] * 2
    )


@pytest.mark.parametrize(
    "names", [["fred/1.png", "organ/1.png"], ["forgan/f1.png", "forgan/f2.png", "b/f1.png"]]
)
def test_a_writer_may_have_any_name(write, names):
    _, found = open_data(str(write(names)))
    assert (found.writers, found.forged) == (2, 0)


def crossmedia(write) -> Path:
    names = [f"w00{w}/{m}_{n}.png" for w in (1, 2, 3) for m in ("paper", "ipad") for n in ("01", "02")]
    place = write(names)
    (place / "splits.csv").write_text("writer,split\nw001,train\nw002,val\nw003,test\n")
    return place


def test_crossmedia_has_people_texts_and_media_and_splits(write):
    place = crossmedia(write)
    opened, found = open_data(str(place))
    assert (found.source, found.writers, found.genuine, found.forged) == ("crossmedia", 6, 12, 0)
    known = known_signatures(opened)
    assert len(set(known.writer)) == 3
    assert known.identity[:3] == ["w001 01", "w001 02", "w001 01"]
    assert [len(set(values)) for values in (known.text, known.medium)] == [2, 2]
    assert open_data(f"{place}#val")[1].writers == 2
    assert open_data(f"crossmedia:{place}#train+test")[1].writers == 4
    with pytest.raises(UsageError, match="no split 'all'"):
        open_data(f"{place}#all")
    check_data_source(CrossMedia(), str(place))


@pytest.mark.skipif(not (SHARED / "sigcomp2009").is_dir(), reason="needs the data set SigComp2009")
def test_the_preview_of_sigcomp2009_is_whole():
    opened, found = open_data(str(SHARED / "sigcomp2009"))
    assert (found.source, found.writers, found.genuine, found.forged) == ("sigcomp2009", 12, 60, 60)
    assert opened.completeness.missing == opened.completeness.surplus == ()


@pytest.mark.skipif(not (SHARED / "crossmedia").is_dir(), reason="needs the data set crossmedia")
def test_crossmedia_has_a_thousand_identities_but_for_faulty_sheets():
    opened, found = open_data(f"{SHARED / 'crossmedia'}#val")
    assert (found.writers, found.genuine) == (150, 600)
    assert len(np.unique(opened.labels["person"])) == 15


def test_cedar_is_whole_where_it_is_given(cedar):
    opened, found = open_data(str(cedar))
    assert (found.source, found.writers, found.genuine, found.forged) == ("cedar", 55, 1320, 1320)
    assert opened.completeness.whole
