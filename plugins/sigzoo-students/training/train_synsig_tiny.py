"""Train synsig-tiny on synthetic signatures alone and write its weights.

python train_synsig_tiny.py --out synsig-tiny.safetensors

The bundled weights are those of one run from nothing with the defaults (and ``--threads 2``): 7 minutes
for the corpus and about 40 for eight epochs, on two cores that others used too. Another machine or
number of threads gives the same quality, not the same bits. Checkpoints are chosen on synthetic
writers that were held out; no real signature takes part.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from augment import augment
from corpus import Corpus, load_or_build
from safetensors.torch import load_file, save_file
from sigzoo_students.backbones import StudentTiny
from sigzoo_students.losses import AdditiveMarginSoftmax

from sigzoo.evaluation.protocols import Signatures, distance_protocol
from sigzoo.interfaces import TrainingBatch

HELD_OUT = 1_000_000
"""Number of the first family kept for validation."""


def main() -> None:
    """Train, validate after every epoch, keep the best, write it."""
    args = _arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began = time.perf_counter()
    corpus = load_or_build(args.cache, args.seed, range(args.families), args.genuine, args.workers)
    held_out = load_or_build(
        args.cache, args.seed, range(HELD_OUT, HELD_OUT + args.held_out), 8, args.workers
    )
    seconds = time.perf_counter() - began
    print(f"{len(corpus.images)} images, {corpus.classes().max() + 1} classes, {seconds:.0f} s", flush=True)
    args.batch = min(args.batch, len(corpus.images))
    model = StudentTiny().to(device, memory_format=torch.channels_last)
    if args.start is not None:
        _resume(model, args.start)
    best, state = np.inf, model.state_dict()
    for epoch, loss in enumerate(_epochs(model, corpus, args, device), 1):
        result = validate(model, held_out)
        # Of logarithms, so that no kind of impostor outweighs the others.
        score = float(np.log([max(rate, 0.1) for rate in result.values()]).mean())
        print(f"epoch {epoch} loss {loss:.3f} {result} {time.perf_counter() - began:.0f} s", flush=True)
        if score <= best:
            best, state = score, {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
            save(state, args.out, {"epoch": epoch, "held_out_eer": result, **vars(args)})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="weight file to write (.safetensors)")
    parser.add_argument("--families", type=int, default=3600, help="texts; each has one to three writers")
    parser.add_argument(
        "--genuine", type=int, default=8, help="genuine signatures of a family's first writer"
    )
    parser.add_argument("--held-out", type=int, default=150, help="families kept for validation")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate of AdamW")
    parser.add_argument("--margin", type=float, default=0.3)
    parser.add_argument("--scale", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that make the corpus")
    parser.add_argument("--cache", type=Path, help="folder that keeps the corpus between runs")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    return parser.parse_args()


def _epochs(model: StudentTiny, corpus: Corpus, args: argparse.Namespace, device: torch.device):
    """Train epoch by epoch; yields the mean loss of each."""
    classes = torch.from_numpy(corpus.classes())
    images = torch.from_numpy(corpus.images)
    loss = AdditiveMarginSoftmax(scale=args.scale, margin=args.margin)
    loss.prepare(feature_dim=model.feature_dim, writers=int(classes.max()) + 1)
    if args.start is not None:
        _place_centres(loss, embed(model, corpus.images), classes)
    loss.to(device)
    plain = [p for p in model.parameters() if p.ndim == 1]
    heavy = [p for p in model.parameters() if p.ndim > 1]
    groups = [
        {"params": heavy, "weight_decay": 0.02},
        {"params": [*plain, *loss.parameters()], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=args.rate)
    steps = args.epochs * (len(images) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.rate, total_steps=steps + 1, pct_start=0.08
    )
    generator = torch.Generator().manual_seed(args.seed)
    for _ in range(args.epochs):
        model.train()
        total = 0.0
        order = torch.randperm(len(images), generator=generator)
        for batch in order.split(args.batch)[: len(images) // args.batch]:
            x = images[batch].to(device).unsqueeze(1).float().div_(255.0)
            x = augment(x, generator).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                features = model(x)
            value = loss(TrainingBatch(features=features.float(), writers=classes[batch].to(device)))
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            schedule.step()
            total += float(value.detach())
        yield total / (len(images) // args.batch)


def _place_centres(loss: AdditiveMarginSoftmax, features: np.ndarray, classes: torch.Tensor) -> None:
    """Begin with the classes where a network that is trained already sees them."""
    assert loss.centres is not None
    sums = torch.zeros(loss.centres.shape).index_add_(0, classes, torch.from_numpy(features))
    loss.centres.data.copy_(torch.nn.functional.normalize(sums, dim=1))


def embed(model: StudentTiny, images: np.ndarray) -> np.ndarray:
    """Features of preprocessed images, uint8 ``(N, h, w)`` to float32 ``(N, D)``."""
    model.eval()
    device = next(model.parameters()).device
    with torch.inference_mode():
        parts = torch.from_numpy(images).unsqueeze(1).split(128)
        return torch.cat([model(p.to(device).float() / 255.0).float().cpu() for p in parts]).numpy()


def validate(model: StudentTiny, corpus: Corpus) -> dict[str, float]:
    """Equal error rates in percent on held-out synthetic families."""
    writer = [f"{f}.{w}" for f, w in zip(corpus.family, corpus.writer, strict=True)]
    known = Signatures(writer, writer, list(corpus.forger > 0), [str(f) for f in corpus.family])
    measured = distance_protocol(embed(model, corpus.images), known, seeds=range(3), replicates=0)
    return {kind: round(m.eer, 2) for kind, m in measured.items()}


def save(state: dict[str, torch.Tensor], path: Path, facts: dict[str, object]) -> None:
    """Write the weights in half precision, whole or not at all."""
    tensors = {
        f"backbone.{k}": (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()
    }
    metadata = {
        "model": "synsig-tiny",
        "backbone": "student-tiny",
        "preprocessor": "synsig",
        "licence": "BSD-3-Clause",
        "trained_on": "synthetic signatures of sigzoo.synthesis only; no person's signature",
        "training": json.dumps({k: str(v) for k, v in facts.items() if k not in ("out", "cache")}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata)
    part.replace(path)


def _resume(model: StudentTiny, path: Path) -> None:
    tensors = {key.removeprefix("backbone."): value for key, value in load_file(path).items()}
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})


if __name__ == "__main__":
    main()
