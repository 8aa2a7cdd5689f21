"""Files inside archives that have a digest of their own in a registry: schema, fetching by name, loading."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest
import yaml
from click.testing import CliRunner

from sigzoo import Zoo
from sigzoo.artifacts import fetch, locate
from sigzoo.cli import cli
from sigzoo.errors import RegistryError, SigzooError, UnknownNameError, VerificationError
from sigzoo.registry import core_registry_path
from sigzoo.zoo import default_zoo

PICKLE = b"\x80\x02a pickle that is published."


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def archive_of(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.pkl", data)
    return stream.getvalue()


@pytest.fixture
def zoo_with(tmp_path):
    """A zoo whose registry has one archive: ``zoo_with(urls=[...], members={...})``."""

    def make(**fields):
        entry = {"summary": "s", "provenance": "p", "unpinned": True, "filename": "m.zip", **fields}
        path = tmp_path / "registry.yaml"
        path.write_text(yaml.safe_dump({"artifacts": {"archive": entry}}))
        return Zoo([path])

    return make


def test_a_member_is_an_artifact_by_its_name(site, zoo_with):
    url = site.publish(archive_of(a=PICKLE, b=b"\x80other."), "m.zip")
    zoo = zoo_with(urls=[url], members={"a.pkl": {"git_blob": blob_id(PICKLE)}})
    [path] = zoo.fetch("archive/a.pkl", require_hash=True)
    assert path.read_bytes() == PICKLE
    assert path == locate(zoo.artifact_spec("archive/a.pkl"))
    with pytest.raises(UnknownNameError):
        zoo.artifact_specs("archive/b.pkl")


def test_a_member_that_is_not_the_pinned_one_is_refused_by_name(site, zoo_with):
    url = site.publish(archive_of(a=PICKLE[::-1]), "m.zip")
    zoo = zoo_with(urls=[url], members={"a.pkl": {"git_blob": blob_id(PICKLE)}})
    for name in ("archive/a.pkl", "archive"):
        with pytest.raises(VerificationError, match=f"git blob id of member 'a.pkl' .* of {blob_id(PICKLE)}"):
            zoo.fetch(name)


BAD = {
    "no digest": {"members": {"a.pkl": {"size": 7}}},
    "unpinned": {"members": {"a.pkl": {"unpinned": True}}},
    "a short digest": {"members": {"a.pkl": {"git_blob": "00"}}},
    "an unknown key": {"members": {"a.pkl": {"git_blob": "0" * 40, "file": "x"}}},
    "a name that escapes": {"members": {"../a.pkl": {"git_blob": "0" * 40}, "..": {"git_blob": "0" * 40}}},
    "a URL of no kind": {"members": {"a.pkl": {"git_blob": "0" * 40, "urls": ["ftp://h/x"]}}},
}


@pytest.mark.parametrize("case", BAD)
def test_a_member_that_cannot_be_right_is_refused_with_its_registry(case, zoo_with):
    with pytest.raises(RegistryError, match=r"registry\.yaml: artifacts\.archive"):
        zoo_with(urls=["https://h/m.zip"], **BAD[case]).list_models()


@pytest.mark.parametrize("member", [".", "./", "..", "a/../b", "", "/", "a\\b", "a/", "\x1b[2J"])
def test_a_card_names_no_member_that_is_no_file(member, tmp_path):
    raw = yaml.safe_load(core_registry_path().read_text())
    card = raw["models"]["signet-spp-300dpi"]
    card["weights"]["member"] = member
    card = {**card, "aliases": [], "cite": [], "golden": []}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"models": {"mine": card}}))
    with pytest.raises(RegistryError, match=r"models\.mine\.weights\.member"):
        Zoo([tmp_path / "r.yaml"]).list_models()


def test_every_published_model_has_a_digest_or_says_why_none_exists():
    zoo = default_zoo()
    without = []
    for name in zoo.list_models():
        card = zoo.info(name)
        if card.weights is None:
            continue
        spec = zoo.artifact_spec(card.weights.artifact)
        shown = CliRunner().invoke(cli, ["info", name]).output
        if spec.pinned:
            assert (spec.sha256 or spec.git_blob) in shown.replace("\n", "")
        else:
            without.append(name)
            assert "nobody publishe" in " ".join(shown.split())
    assert without == [
        "signet-spp-300dpi",
        "signet-spp-300dpi-f",
        "signet-spp-600dpi",
        "signet-spp-600dpi-f",
        "signet-615-881.pytorch",
        "signet-madry-350-615.pytorch",
        "signet-ens-adv-350-615.pytorch",
    ]


def test_the_pins_are_those_of_the_trees_that_were_read():
    """As `git ls-tree` shows them at the commits that stand in the addresses."""
    zoo = default_zoo()
    for reference, blob, mirrors in (
        ("signet-models/signet.pkl", "729987eba9b467b8762aa5df9413d0f5daeab372", 2),
        ("signet-models/signetf_lambda0.95.pkl", "36ac5bf527d1d00340cb1fed443da87f46a61c07", 1),
        ("signet-models/signetf_lambda0.999.pkl", "4e56bf23bc7112bfb12f811b6e949b156fb775d7", 1),
        ("signet-f-0.95-pytorch", "0030dfe2e6fddb81a2312ea9471b4dbf0d34e88f", 3),
        ("signet-350-615-pytorch", "7fc5132ca7d5db589d69a96d4f7fe48dfe0fc796", 1),
    ):
        spec = zoo.artifact_spec(reference)
        raw = [url for url in spec.urls if url.startswith("https://raw.githubusercontent.com/")]
        assert (spec.git_blob, len(raw)) == (blob, mirrors)
        for url in raw:
            commit = url.split("/")[5]
            assert len(commit) == 40
            assert int(commit, 16)


def test_the_pickles_of_signet_come_from_a_mirror_or_out_of_the_archive():
    for name in ("signet", "signet-f-0.95", "signet-f-0.999"):
        [spec] = default_zoo().artifact_specs(name)
        assert spec.pinned
        assert spec.archive is not None
        assert spec.archive.urls[0].endswith("signet_models.zip")
        assert spec.archive_member == spec.stored_name


def test_json_of_info_and_list_show_no_secret(tmp_path):
    raw = yaml.safe_load(core_registry_path().read_text())
    card = {**raw["models"]["signet-spp-300dpi"], "aliases": [], "cite": [], "golden": []}
    card["weights"] = {"artifact": "w", "format": "lasagne"}
    entry = {"summary": "s", "provenance": "p", "sha256": "0" * 64, "urls": ["https://u:s3cr3tPW@h/w"]}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"models": {"mine": card}, "artifacts": {"w": entry}}))
    for arguments in (["info", "mine"], ["info", "mine", "--json"], ["list", "--json"], ["list"]):
        done = CliRunner().invoke(cli, ["--registry", str(tmp_path / "r.yaml"), *arguments])
        assert done.exit_code == 0, done.output
        assert "s3cr3tPW" not in done.output
        if arguments == ["info", "mine", "--json"]:
            assert json.loads(done.stdout)["artifact"]["urls"] == ["https://***@h/w"]


def test_fetching_a_local_archive_that_is_wrong_is_ours_to_say(zoo_with, tmp_path):
    (tmp_path / "m.zip").write_bytes(b"no zip")
    zoo = zoo_with(urls=[(tmp_path / "m.zip").as_uri()], members={"a.pkl": {"sha256": "0" * 64}})
    with pytest.raises(SigzooError, match="no zip archive"):
        fetch(zoo.artifact_spec("archive/a.pkl"))
