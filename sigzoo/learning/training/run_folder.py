"""The folder of a run: whose it is, whether it may be written to, and what stands in it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from shlex import quote
from typing import TypeVar

from sigzoo import __version__
from sigzoo.errors import DataError, UsageError
from sigzoo.learning.files import write_whole
from sigzoo.learning.training.results import CURVE, LOG, REGISTRY, WEIGHTS
from sigzoo.registry.cards import NAME
from sigzoo.settings.training_settings import TrainingSettings
from sigzoo.zoo import default_zoo

__all__ = ["CHECKPOINT", "check_folder", "make_folder", "model_name", "read_settings"]

CHECKPOINT, SETTINGS = "checkpoint.pt", "settings.json"

_Settings = TypeVar("_Settings", bound=TrainingSettings)


def check_folder(settings: TrainingSettings, *, resume: bool) -> None:
    """Check that a folder is free for a new run, or holds the run that is to go on.

    Raises
    ------
    UsageError
        If it holds another run, or, with `resume`, none or one with other settings.
    DataError
        If its ``settings.json`` is damaged.
    """
    folder = settings.output
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; a training run needs a folder.")
    if resume:
        different = settings.differences(read_settings(folder, type(settings)))
        if different:
            raise UsageError(
                f"{folder}: the run there has other settings: {', '.join(different)}. Go on with the same"
                f" (`sigzoo {settings.command} --resume -o FOLDER` alone takes them from there), or choose"
                " another folder."
            )
        return
    taken = [
        name for name in (SETTINGS, CHECKPOINT, WEIGHTS, REGISTRY, LOG, CURVE) if (folder / name).exists()
    ]
    if taken:
        raise UsageError(
            f"{folder} holds another training run ({taken[0]}). Go on with it: --resume, or choose another"
            " folder."
        )


def make_folder(settings: TrainingSettings) -> None:
    """Make the folder of a new run, with its ``settings.json``.

    Raises
    ------
    UsageError
        If the folder cannot be made, or an option is no plain value.
    SigzooError
        If the file cannot be written.
    """
    folder = settings.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror or error}.") from error
    content = {"sigzoo_version": __version__, "command": settings.command, "settings": settings.to_json()}
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False)
    except TypeError as error:
        raise UsageError(f"Options must be plain values, as JSON has them: {error}.") from error
    write_whole(folder / SETTINGS, f"{text}\n".encode())


def read_settings(folder: Path, kind: type[_Settings]) -> _Settings:
    """The settings of the run in a folder.

    Raises
    ------
    UsageError
        If there is no run in it, or one of another command.
    DataError
        If its ``settings.json`` is damaged.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise UsageError(f"{folder}: there is no run to go on with (no {SETTINGS} in it).")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values, command = {**content["settings"], "output": str(folder)}, content.get("command", "train")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: does not hold the settings of a training run: {error}.") from error
    if command != kind.command:
        raise UsageError(
            f"{folder}: the run there is one of `sigzoo {command}`; go on with it by"
            f" `sigzoo {command} --resume -o {quote(str(folder))}`."
        )
    return kind.from_json(values, str(path))


def model_name(settings: TrainingSettings, *, resume: bool) -> str:
    """The name of the model: the one asked for, or made of the folder's.

    Raises
    ------
    UsageError
        If it is no name of a model, or taken.
    """
    folder = Path(os.path.realpath(settings.output)).name  # of links in a circle it is silent
    name = settings.name or re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a model: lower-case letters and digits, joined by '.', '-' or '_'."
            " Choose one: --name."
        )
    known = default_zoo().catalogue
    if not resume and (known.is_taken(name) or f"{name}-weights" in known.artifacts):
        raise UsageError(f"The name {name!r} is taken by a model or its weights. Choose another: --name.")
    return name
