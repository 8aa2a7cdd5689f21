"""What survives distillation: synsig-base as teacher, synsig-tiny's network as student, one table.

python distillation_table.py DATA_FOLDER --work FOLDER

DATA_FOLDER holds sigcomp2009/ and crossmedia/. Every student has the same network, the same number of
steps and the same settings; they differ in what they learn from. Error rates are those of the learnt
features (the layer ``embedding``), without the statistics of the ink, which nobody has to learn. Finished
steps are kept in FOLDER, and a run that was stopped goes on there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cli_main import cli_main
from features import learnt
from measure import read_sets
from sigzoo_students.backbones import StudentTiny
from sigzoo_students.families import Family
from sigzoo_students.preprocessing import SynsigPreprocessor
from torch import nn

import sigzoo
from sigzoo.errors import ImageError
from sigzoo.evaluation.datasets import ImageSet, crossmedia
from sigzoo.evaluation.protocols import distance_protocol
from sigzoo.imaging import read_image
from sigzoo.interfaces import Backbone
from sigzoo.learning import DistillationSettings, InversionSettings, TrainingSettings, distill, invert, train
from sigzoo.settings.training_settings import AUGMENTATIONS
from sigzoo.weights import load_into, read_weights

TEACHER, STUDENT = "synsig-base", "student-tiny"
SEED = 2026
"""Of the corpus that the teacher learnt from: family n is writer n of its head."""


class Scorer:
    """Measures networks on the same preprocessed images."""

    def __init__(self, data: Path, writers: int) -> None:
        preprocess = SynsigPreprocessor(statistics=True)
        self.sets: dict[str, tuple[ImageSet, np.ndarray]] = {}
        for name, images in read_sets(data, ["sigcomp2009", "crossmedia"], ["test"]).items():
            self.sets[name] = images, np.stack([preprocess(read_image(path)) for path in images.files])
        self.old, self.labels = _written(preprocess, writers, range(100, 104))
        model = sigzoo.load(TEACHER)
        self.teacher = self._decide(model.backbone, model.heads["writer"])

    def row(self, backbone: Backbone, head: nn.Linear | None) -> dict[str, float | None]:
        """Agreement with the teacher, accuracy on its writers, and error rates on real sets; in percent."""
        found: dict[str, float | None] = {"agreement": None, "accuracy": None}
        if head is not None:
            chosen = self._decide(backbone, head)
            found = {
                "agreement": 100.0 * float((chosen == self.teacher).mean()),
                "accuracy": 100.0 * float((chosen == self.labels).mean()),
            }
        for name, (images, canvases) in self.sets.items():
            measured = distance_protocol(learnt(backbone, canvases), images.known, replicates=0, score="mean")
            found |= {f"{name.split()[0]} {kind}": each.eer for kind, each in measured.items()}
        return found

    def _decide(self, backbone: Backbone, head: nn.Linear) -> np.ndarray:
        with torch.inference_mode():
            parts = torch.from_numpy(self.old)[:, None].split(64)
            logits = [head(backbone.eval()(part.float() / 255.0)) for part in parts]
            return torch.cat(logits).argmax(dim=1).numpy()


def main() -> None:
    """Make what the table needs, and print it."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    scorer = Scorer(args.data, args.writers)
    rows: dict[str, dict[str, float | None]] = {}

    def measure(name: str, backbone: Backbone, head: nn.Linear | None) -> None:
        rows[name] = scorer.row(backbone.eval(), head)
        print(json.dumps({name: rows[name]}), flush=True)

    model = sigzoo.load(TEACHER)
    measure("teacher: synsig-base", model.backbone, model.heads["writer"])
    torch.manual_seed(0)
    measure("(c) untrained", StudentTiny(ink_weight=0.0), None)
    data = Inputs(args)
    for name, make in students(args, data).items():
        measure(name, *_student(make()))
    print(markdown(rows))


class Inputs:
    """The data sets that students learn from, each made when it is first asked for."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args, self._work = args, args.work

    def inverted(self) -> Path:
        """Images out of the teacher."""
        return self._inverted("inverted", None)

    def competed(self) -> Path:
        """Images out of the teacher on which the student of `inverted` disagrees with it."""
        return self._inverted("competed", "inverted")

    def synthetic(self) -> Path:
        """Genuine signatures of the teacher's first writers, as many as there are inverted images."""
        path = self._work / "synthetic.npz"
        if not path.exists():
            preprocess = SynsigPreprocessor(statistics=True)
            _save(path, *_written(preprocess, self._args.writers, range(self._args.per_writer)))
        return path

    def real(self) -> Path:
        """The train split of crossmedia; an identity is a writer with a name."""
        path = self._work / "crossmedia-train.npz"
        if not path.exists():
            images = crossmedia(self._args.data / "crossmedia", ["train"])
            preprocess = SynsigPreprocessor(statistics=True)
            canvases = np.stack([preprocess(read_image(each)) for each in images.files])
            _save(path, canvases, np.unique(images.known.identity, return_inverse=True)[1])
        return path

    def _inverted(self, name: str, student: str | None) -> Path:
        path = self._work / f"{name}.npz"
        if path.exists():
            return path
        added = [] if student is None else [self._work / student / "registry.yaml"]
        settings = InversionSettings(
            teacher=TEACHER,
            output=path,
            writers=str(self._args.writers),
            per_writer=self._args.per_writer,
            compete=student,
            iterations=self._args.iterations,
            precision=self._args.precision,
            uint8=True,
            plot=path.with_suffix(".png"),
        )
        with sigzoo.Zoo.from_environment(added).as_default():
            result = invert(settings, resume=path.with_name(f"{path.name}.parts").exists())
        print(
            f"{name}: {result.images} images, the teacher agrees on {result.agreement:.1f} %, the student"
            f" differs on {result.disagreement}, {result.seconds:.0f} s",
            flush=True,
        )
        return path


def students(args: argparse.Namespace, data: Inputs) -> dict[str, Callable[[], Path]]:
    """How each row of the table is made: a name, and a function that leaves a run's folder."""
    own: dict[str, Any] = {
        "backbone": STUDENT,
        "backbone_options": {"ink_weight": 0},
        "preprocessor": "synsig",
        "preprocessor_options": {"statistics": True},
        "preprocessed": True,
        "batch_size": args.batch,
        "learning_rate": args.learning_rate,
        "warmup": 1.0,
        "weight_decay": 0.02,
        "weight_decay_on": "weights",
        "precision": args.precision,
        "seed": 1,
    }

    def epochs(path: Path, halves: int = 1) -> int:
        with np.load(path, allow_pickle=False) as file:
            trained = len(file["y"]) - len(np.unique(file["y"]))  # one of each writer's is held out
            return max(1, round(args.images / trained / halves))

    def taught(name: str, path: Path, **more: Any) -> Path:
        settings = DistillationSettings(
            **{**own, "teacher": TEACHER, "data": str(path), "epochs": epochs(path), **more},
            output=args.work / name,
        )
        return _finished(settings, lambda resume: distill(settings, resume=resume))

    def direct() -> Path:
        path = data.synthetic()
        settings = TrainingSettings(
            **own,
            loss="am-softmax",
            data=str(path),
            augment=(),
            epochs=epochs(path),
            output=args.work / "direct",
        )
        return _finished(settings, lambda resume: train(settings, resume=resume))

    def continual(name: str, second: float) -> Path:
        return taught(
            name,
            data.inverted(),
            continual=str(data.real()),
            continual_preprocessed=True,
            loss_options={"p_lamb": second},
            epochs=epochs(data.real(), 2),
        )

    return {
        "(a) trained on synthetic signatures": direct,
        "(b) distilled on synthetic signatures": lambda: taught("synthetic", data.synthetic()),
        "distilled on inverted images alone": lambda: taught("inverted", data.inverted()),
        "the same, augmented, features matched too": lambda: taught(
            "matched", data.inverted(), loss="kd-feature", augment=AUGMENTATIONS
        ),
        "distilled on images inverted in competition": lambda: taught("competed", data.competed()),
        "inverted images and crossmedia train, both KL terms": lambda: continual("continual", 1.7),
        "the same without the second KL term": lambda: continual("forgetting", 0.0),
    }


def markdown(rows: dict[str, dict[str, float | None]]) -> str:
    """Rows as a table."""
    columns = list(next(iter(rows.values())))
    lines = ["| student | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        values = ["" if row[key] is None else f"{row[key]:.2f}" for key in columns]
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/ and crossmedia/")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made on the way")
    parser.add_argument("--writers", type=int, default=256, help="the teacher's first writers")
    parser.add_argument("--per-writer", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=120, help="of an inversion")
    parser.add_argument("--images", type=int, default=100_000, help="that a student sees in training")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _finished(settings: TrainingSettings, run: Callable[[bool], object]) -> Path:
    """Run, or go on with, what is not done yet."""
    log = settings.output / "log.csv"
    if not log.exists() or len(log.read_text().splitlines()) <= settings.epochs:
        run((settings.output / "settings.json").exists())
    return settings.output


def _student(folder: Path) -> tuple[Backbone, nn.Linear | None]:
    """The network of a finished run, with its writer head where it has one."""
    file = read_weights(folder / "model.safetensors", "safetensors")
    backbone = StudentTiny(ink_weight=0.0)
    load_into(backbone, file.tensors, source=str(folder))
    if "writer" not in file.heads:
        return backbone, None
    head = nn.Linear(*reversed(file.heads["writer"]["weight"].shape))
    load_into(head, file.heads["writer"], source=str(folder))
    return backbone, head


def _written(
    preprocess: SynsigPreprocessor, writers: int, indices: Iterable[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Signatures of the teacher's first writers; it learnt from those with indices below 6."""
    images, labels = [], []
    for number in range(writers):
        person = Family(SEED, number).person()
        for index in indices:
            try:
                images.append(preprocess(person.genuine(index)))
            except ImageError:
                continue
            labels.append(number)
    return np.stack(images), np.array(labels)


def _save(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    part = path.with_suffix(".part.npz")
    np.savez(part, x=images[:, None], y=labels.astype(np.int64), yforg=np.zeros(len(labels), np.int64))
    part.replace(path)


if __name__ == "__main__":
    cli_main(main)
