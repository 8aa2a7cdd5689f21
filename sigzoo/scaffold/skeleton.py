"""Writing the skeleton of a plugin: a whole distribution that installs, works and passes its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from sigzoo.common.atomic import whole_folder
from sigzoo.errors import SigzooError, UsageError
from sigzoo.registry import ComponentSpec
from sigzoo.registry.cards import with_tuples
from sigzoo.scaffold.kinds import KINDS, SKELETONS, PluginKind, kind_of
from sigzoo.scaffold.names import check_name, class_name, component_name, package_name
from sigzoo.scaffold.quoting import python_call, toml_value, yaml_value
from sigzoo.zoo import default_zoo

__all__ = ["KINDS", "PluginKind", "template_values", "write_plugin"]

TEMPLATES = Path(__file__).with_name("templates")

_IMPORTS = """import torch
import yaml
from safetensors.torch import save
from sigzoo.interfaces import Backbone"""
"""Of the script that makes weights, in every kind of plugin that has one."""


def write_plugin(
    name: str,
    kind: PluginKind = "backbone",
    folder: str | os.PathLike[str] | None = None,
    like: str | None = None,
) -> Path:
    """Write a distribution with one working component, or a model.

    Parameters
    ----------
    name
        The distribution's name: lower-case letters, digits, single hyphens.
    kind
        What it provides, one of `KINDS`. A backbone comes with a preprocessing and a model, so that it can be
        used at once; its weights are random and say so.
    folder
        Where to write it; `name` in the working folder by default. Must not exist.
    like
        For ``"models"``: the model whose backbone and preprocessor the new one has; the default
        model's without it.

    Returns
    -------
    Path
        The folder, which appears only when all of it is written.

    Raises
    ------
    UsageError
        If the name cannot be one, is taken, or the folder exists.
    PluginError
        If the model `like` cannot be used because its plugin is not here.
    SigzooError
        If the folder cannot be written.
    """
    values = _values(name, kind, like)
    target = Path(folder) if folder is not None else Path(name)
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} exists already; choose another name or folder.")
    parent = target.absolute().parent
    if not parent.is_dir():
        raise UsageError(f"{target}: the folder {parent} does not exist.")
    with whole_folder(target) as beside:
        _render(kind, values, beside)
        if kind in ("backbone", "models"):
            _make_weights(beside)
    return target


def template_values(name: str, kind: PluginKind) -> dict[str, str]:
    """What the words of a kind's templates stand for in a distribution of this name."""
    package, component = package_name(name), component_name(name)
    skeleton = SKELETONS[kind]
    values = {
        "name": name,
        "package": package,
        "component": component,
        "classname": class_name(component),
        "description": skeleton.description,
        "module": skeleton.module,
        "target": skeleton.target.format(class_name(component)),
        "usage": skeleton.usage.format(component),
        "dependencies": ", ".join(map(toml_value, [*skeleton.requirements, "sigzoo>=0.1"])),
    }
    registered = kind_of(kind)
    if registered is not None:
        # The oldest version that has the kind: the plugin then works with every later core.
        values |= {"label": registered.label, "hook": registered.hook, "api": str(registered.since)}
    if kind == "backbone":
        network = f"from {package}.backbone import {values['classname']}"
        values |= {"feature_dim": "64", "build": f"{values['classname']}()"}
        values["imports"] = f"{_IMPORTS}\n\n{network}"
    return values


def _values(name: str, kind: PluginKind, like: str | None) -> dict[str, str]:
    """What the templates' words stand for, after what they are to be is checked."""
    if kind not in KINDS:
        raise UsageError(f"There is no kind {kind!r} of plugin; there are {', '.join(KINDS)}.")
    if like is not None and kind != "models":
        raise UsageError("--like goes with --kind models: the other kinds bring parts of their own.")
    check_name(name)
    values = template_values(name, kind)
    if kind == "models":
        values |= _like(like)
    return values


def _like(like: str | None) -> dict[str, str]:
    known = default_zoo().catalogue
    name = like or known.default
    if name is None:
        raise UsageError("There is no default model; say with --like whose backbone the new one has.")
    name = known.resolve(name)
    card = known.models[name]
    default_zoo().require_components(name, card)
    return {
        "like": name,
        "provider": card.distribution,
        "distribution": yaml_value(card.distribution),
        "backbone": _flow(card.backbone),
        "preprocessor": _flow(card.preprocessor),
        "input_scale": yaml_value(card.input_scale),
        "layer": yaml_value(card.features.layer),
        "feature_dim": str(card.features.size),
        "imports": f"import sigzoo\n{_IMPORTS}",
        "dependencies": ", ".join(map(toml_value, ["sigzoo>=0.1", card.distribution])),
        "build": python_call("sigzoo.backbone", card.backbone.name, with_tuples(card.backbone.options)),
    }


def _flow(component: ComponentSpec) -> str:
    """A component as YAML has it."""
    return yaml_value({"name": component.name, **component.options} if component.options else component.name)


def _render(kind: PluginKind, values: Mapping[str, str], folder: Path) -> None:
    for template, place in _templates(kind, values["package"]):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(template.read_text(encoding="utf-8")).substitute(values)
        path.write_text(text, encoding="utf-8")


def _templates(kind: PluginKind, package: str) -> Iterator[tuple[Path, Path]]:
    """Each template of a kind, and where what it gives belongs."""
    for layer in SKELETONS[kind].layers:
        root = TEMPLATES / layer
        for template in sorted(root.rglob("*.tmpl")):
            parts = [
                f".{part.removeprefix('dot-')}" if part.startswith("dot-") else part
                for part in template.relative_to(root).with_suffix("").parts
            ]
            yield template, Path(*(package if part == "package" else part for part in parts))


def _make_weights(folder: Path) -> None:
    """Run the plugin's own script, as its author will do after training."""
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-B", "make_weights.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise SigzooError(f"The weights of the new plugin could not be made: {last}")
