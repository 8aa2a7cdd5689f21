"""A registry is data: whatever a card holds, a plugin that is written after it holds the same as data."""

from __future__ import annotations

import ast
import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sigzoo import Zoo
from sigzoo.cli import cli
from sigzoo.errors import RegistryError, SigzooError
from sigzoo.registry import Card, Catalogue, read_registry
from sigzoo.registry.cards import with_tuples
from sigzoo.scaffold import skeleton
from sigzoo.scaffold.quoting import python_call, yaml_value

CODE = "__import__('os').system('touch CANARY')"
HOSTILE: list[Any] = [
    CODE,
    f"x={CODE}, y",
    f'"); {CODE}; ("',
    f"'''\n{CODE}\n'''",
    f'"""\n{CODE}\n"""',
    f"\\\n{CODE}",
    "evil @ http://127.0.0.1:9/x.tar.gz",
    "evil; touch CANARY",
    "$(touch CANARY)",
    "`touch CANARY`",
    "$name ${build} $$ ${like}",
    "{0} {0.__class__} %s %(x)s",
    "a: b # c",
    "a, b: [c}",
    "- x",
    "!!python/object/apply:os.system ['touch CANARY']",
    "&a x",
    "*a",
    "null",
    "no",
    "1e-5",
    "2020-01-01",
    "../../evil",
    "/etc/passwd",
    "é \U0001f600 \u2028 \x85 \x7f",
    "\ttab ",
    "",
    " ",
    "x" * 3000,
    "class",
    "__class__",
    "ﬁt",
    1e-5,
    -1,
    10**40,
    float("inf"),
    float("nan"),
    True,
    None,
    [],
    ["a", [1, "b\n"]],
    {"a": {"b": CODE}},
    {CODE: 1},
    {1: 2},
]
"""Each goes into every place of a card; a mapping's keys are places as well."""

CARD: dict[str, Any] = {
    "summary": "a network",
    "distribution": "sigzoo-students",
    "backbone": {"name": "student-tiny", "feature_dim": 64},
    "preprocessor": {"name": "synsig", "some": 1},
    "input_scale": 0.25,
    "weights": {"artifact": "net-weights", "format": "safetensors", "member": "a"},
    "features": {"layer": "fc", "size": 16},
    "licence": {"code": "MIT", "weights": "MIT", "commercial_use": True},
    "trained_on": "nothing",
    "heads": {"writer": 3},
    "cite": ["somebody2020"],
    "aliases": ["network"],
    "deprecated_aliases": ["old-network"],
    "deprecated": "take another",
    "results": [
        {"dataset": "D", "protocol": "P", "metric": "EER", "value": 1.5, "source": "reported", "how": "paper"}
    ],
}
TAKEN = ("distribution", "backbone", "preprocessor", "input_scale", "features")
"""What goes into a template."""

ARTIFACT = {
    "summary": "its weights",
    "urls": ["https://example.org/net.safetensors"],
    "sha256": "0" * 64,
    "provenance": "a test",
}


def variants(tree: Any) -> Iterator[Any]:
    """The tree with each leaf, and each key, replaced by each hostile value; and with a key more."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            rest = {other: each for other, each in tree.items() if other != key}
            yield from ({**rest, key: each} for each in variants(value))
            yield from ({**rest, bad: value} for bad in HOSTILE if isinstance(bad, str | int | float))
            yield from ({**tree, key: bad} for bad in HOSTILE)
        yield from ({**tree, bad: 1} for bad in HOSTILE if isinstance(bad, str | int | float))
        return
    if isinstance(tree, list):
        yield from ([each] for item in tree for each in variants(item))
        return
    yield from HOSTILE


def variants_of_card() -> Iterator[Any]:
    """All variants where a template takes the value; every fourth where none does."""
    for number, variant in enumerate(variants(CARD)):
        if number % 4 == 0 or any(variant.get(key) != CARD[key] for key in TAKEN):
            yield variant


def registry(path: Path, cards: dict[str, Any]) -> Path:
    content = {
        "models": cards,
        "artifacts": {"net-weights": ARTIFACT},
        "citations": {"somebody2020": {"text": "Somebody"}},
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A registry of all variants that are valid, and how many were tried."""
    folder = tmp_path_factory.mktemp("cards")
    cards, tried = {}, 0
    refused: list[str] = []
    for number, variant in enumerate(variants_of_card()):
        tried += 1
        file = registry(folder / "one.yaml", {"evil": variant})
        try:
            Catalogue().add(read_registry(file), "a test")
        except RegistryError as error:
            refused.append(str(error))
            continue
        card = copy.deepcopy(variant)
        for key in ("aliases", "deprecated_aliases"):
            card[key] = [f"{alias}-{number}" for alias in card.get(key) or []]
        cards[f"evil{number}"] = card
    nowhere = [each for each in refused if f"{folder / 'one.yaml'}: " not in each]
    assert not nowhere, nowhere[:3]
    return registry(folder / "all.yaml", cards), tried


def test_every_variant_gives_a_plugin_that_holds_the_same_as_data(
    accepted: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(skeleton, "_make_weights", lambda folder: None)
    file, tried = accepted
    zoo = Zoo([file])
    names = [name for name in zoo.list_models() if name.startswith("evil")]
    assert tried > 900
    assert len(names) > 100
    written = 0
    with zoo.as_default():
        for name in names:
            try:
                folder = skeleton.write_plugin(f"our-{name}", "models", like=name)
            except SigzooError:
                assert not Path(f"our-{name}").exists()
                continue
            expect_data_alone(folder, zoo.info(name), name)
            written += 1
    assert written > 50
    assert not list(tmp_path.rglob("CANARY"))


def expect_data_alone(folder: Path, card: Card, like: str) -> None:
    """The files hold the card's values, as their own readers read them, and no code beside the template's."""
    package = folder / folder.name.replace("-", "_")
    (entry,) = yaml.safe_load((package / "registry.yaml").read_text())["models"].values()
    for key in ("backbone", "preprocessor"):
        stated, found = getattr(card, key), entry[key]
        found = {"name": found} if isinstance(found, str) else found
        assert found == {"name": stated.name, **stated.options}
    assert entry["distribution"] == card.distribution
    assert entry["features"] == {"layer": card.features.layer, "size": card.features.size}
    assert entry["input_scale"] == card.input_scale
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["sigzoo>=0.1", card.distribution]
    assert set(project["entry-points"]) == {"sigzoo"}
    program = ast.parse((folder / "make_weights.py").read_text())
    calls = [node for node in ast.walk(program) if isinstance(node, ast.Call)]
    (call,) = (node for node in calls if ast.unparse(node.func) == "sigzoo.backbone")
    assert [ast.literal_eval(each) for each in call.args] == [card.backbone.name]
    options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    assert options == with_tuples(card.backbone.options)
    imported = {
        name.name for node in ast.walk(program) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported == {"hashlib", "re", "sigzoo", "torch", "yaml"}
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text())
    assert like in (folder / "README.md").read_text()


def test_the_command_line_runs_nothing_of_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = {**CARD, "backbone": {"name": "student-tiny", f"x={CODE}, y": 1}}
    file = registry(tmp_path / "evil.yaml", {"evil": evil})
    done = CliRunner().invoke(
        cli, ["--registry", str(file), "new-plugin", "mine", "--kind", "models", "--like", "evil"]
    )
    assert done.exit_code != 0
    assert not list(tmp_path.rglob("CANARY"))
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("value", [each for each in HOSTILE if isinstance(each, str)])
def test_a_text_is_read_back_by_yaml_and_python(value: str) -> None:
    assert yaml.safe_load(f"{{a: {yaml_value(value)}, b: 1}}") == {"a": value, "b": 1}
    assert yaml.safe_load(f"a: {yaml_value(value)}\nb: 1\n") == {"a": value, "b": 1}
    call = ast.parse(python_call("f", value, {"x": value}), mode="eval").body
    assert isinstance(call, ast.Call)
    assert [ast.literal_eval(call.args[0]), ast.literal_eval(call.keywords[0].value)] == [value, value]


@pytest.mark.parametrize("name", [f"x={CODE}, y", "class", "a b", "", "1a", "a\n"])
def test_a_name_that_would_be_code_is_refused_at_the_last_step_too(name: str) -> None:
    with pytest.raises(SigzooError, match="cannot be the name of an option"):
        python_call("f", "x", {name: 1})


def test_an_object_with_a_text_of_its_own_never_becomes_code() -> None:
    class Evil:
        def __repr__(self) -> str:
            return CODE

    for value in (Evil(), [Evil()], {"a": Evil()}):
        with pytest.raises(SigzooError, match="cannot be written into a program"):
            python_call("f", "x", {"a": value})
