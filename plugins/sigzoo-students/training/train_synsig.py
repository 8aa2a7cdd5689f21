"""Train synsig-base or synsig-tiny on synthetic signatures and write the weights.

python train_synsig.py base --out synsig-base.safetensors
python train_synsig.py tiny --out synsig-tiny.safetensors --real CROSSMEDIA

No person's signature takes part. With --real the train split of crossmedia does: names that volunteers
wrote. Checkpoints are chosen on synthetic writers that were held out, and then also on crossmedia's
validation split. Another machine or number of threads gives the same quality, not the same bits.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from augment import augment
from corpus import HELD_OUT, REAL, Corpus, joined, load_or_build, real_names
from sigzoo_students.backbones import StudentBase, StudentTiny
from sigzoo_students.losses import AdditiveMarginSoftmax

from sigzoo.evaluation.protocols import Signatures, distance_protocol
from sigzoo.interfaces import Backbone, TrainingBatch
from sigzoo.weights import save_weights

NETWORKS = {"base": StudentBase, "tiny": StudentTiny}
INK_WEIGHT = 0.4
"""Chosen by choose_ink_weight.py, with the weights of synsig-base: the best score."""
SYNTHETIC = "synthetic signatures of sigzoo.synthesis"
CROSSMEDIA = (
    "the train split of crossmedia (names written by volunteers; github.com/dishangti/Cross-media-Signatures,"
    " MIT, Copyright (c) 2023; Luo et al., doi 10.1002/aisy.202300439)"
)


def main() -> None:
    """Train, validate after every epoch, keep the best, write it."""
    args = _arguments()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began = time.perf_counter()
    corpus = _corpus(args, range(args.families), args.sittings, args.genuine)
    first = HELD_OUT + args.held_out
    held_out = {
        "loose": _corpus(args, range(HELD_OUT, first), 0, 8),
        "sittings": _corpus(args, range(first, first), args.held_out, 8),
    }
    if args.real is not None:
        corpus = joined([corpus, *[real_names(args.real, "train")] * args.repeat])
        held_out["real"] = real_names(args.real, "val")
    seconds = time.perf_counter() - began
    print(f"{len(corpus.images)} images, {corpus.classes().max() + 1} classes, {seconds:.0f} s", flush=True)
    args.batch = min(args.batch, len(corpus.images))
    model = NETWORKS[args.model]().to(device, memory_format=torch.channels_last)
    loss = AdditiveMarginSoftmax(scale=args.scale, margin=args.margin)
    loss.prepare(feature_dim=model.feature_dim, writers=int(corpus.classes().max()) + 1)
    loss.to(device)
    best = np.inf
    for epoch, mean in enumerate(_epochs(model, loss, corpus, args, device), 1):
        result = {kind: validate(model, each) for kind, each in held_out.items()}
        rates = [rate for measured in result.values() for rate in measured.values()]
        # Of logarithms, so that no kind of impostor outweighs the others.
        score = float(np.log([max(rate, 0.1) for rate in rates]).mean())
        print(f"epoch {epoch} loss {mean:.3f} {result} {time.perf_counter() - began:.0f} s", flush=True)
        if score <= best:
            best = score
            facts = {"epoch": epoch, "held_out_eer": result, **vars(args)}
            save(model, loss, corpus, args, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=list(NETWORKS))
    parser.add_argument("--out", type=Path, required=True, help="weight file to write (.safetensors)")
    parser.add_argument("--families", type=int, default=3600, help="texts; each has one to four writers")
    parser.add_argument(
        "--sittings", type=int, default=4800, help="more families, whose writers keep one pen and scan"
    )
    parser.add_argument(
        "--genuine", type=int, default=8, help="genuine signatures of a family's first writer"
    )
    parser.add_argument("--real", type=Path, help="folder of crossmedia, to learn from its train split too")
    parser.add_argument("--repeat", type=int, default=4, help="how often an epoch takes each real image")
    parser.add_argument("--held-out", type=int, default=150, help="families of each kind for validation")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate of AdamW")
    parser.add_argument("--margin", type=float, default=0.3)
    parser.add_argument("--scale", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="processes that make the corpus")
    parser.add_argument("--cache", type=Path, help="folder that keeps the corpus between runs")
    return parser.parse_args()


def _corpus(args: argparse.Namespace, loose: range, sittings: int, genuine: int) -> Corpus:
    """Families whose images each have a pen of their own, then those with one for each writer."""
    parts = []
    for families, kept in ((loose, False), (range(loose.stop, loose.stop + sittings), True)):
        if families:
            parts.append(load_or_build(args.cache, args.seed, families, genuine, args.workers, sittings=kept))
    return joined(parts)


def _epochs(
    model: Backbone,
    loss: AdditiveMarginSoftmax,
    corpus: Corpus,
    args: argparse.Namespace,
    device: torch.device,
):
    """Train epoch by epoch; yields the mean loss of each."""
    classes = torch.from_numpy(corpus.classes())
    images = torch.from_numpy(corpus.images)
    plain = [p for p in model.parameters() if p.ndim == 1]
    heavy = [p for p in model.parameters() if p.ndim > 1]
    groups = [
        {"params": heavy, "weight_decay": 0.02},
        {"params": [*plain, *loss.parameters()], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=args.rate)
    steps = len(images) // args.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.rate, total_steps=args.epochs * steps + 1, pct_start=0.08
    )
    generator = torch.Generator().manual_seed(args.seed)
    for _ in range(args.epochs):
        model.train()
        total, began = 0.0, time.perf_counter()
        order = torch.randperm(len(images), generator=generator)
        for step, batch in enumerate(order.split(args.batch)[:steps], 1):
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
            if step % 100 == 0:
                speed = step * args.batch / (time.perf_counter() - began)
                print(f"  step {step} of {steps}, loss {total / step:.3f}, {speed:.0f} images/s", flush=True)
        yield total / steps


def embed(model: Backbone, images: np.ndarray) -> np.ndarray:
    """Features of preprocessed images, uint8 ``(N, h, w)`` to float32 ``(N, D)``."""
    model.eval()
    device = next(model.parameters()).device
    with torch.inference_mode():
        parts = torch.from_numpy(images).unsqueeze(1).split(128)
        return torch.cat([model(p.to(device).float() / 255.0).float().cpu() for p in parts]).numpy()


def validate(model: Backbone, corpus: Corpus) -> dict[str, float]:
    """Equal error rates in percent on held-out synthetic families."""
    measured = distance_protocol(
        embed(model, corpus.images), signatures(corpus), seeds=range(3), replicates=0
    )
    return {kind: round(m.eer, 2) for kind, m in measured.items()}


def signatures(corpus: Corpus) -> Signatures:
    """What the distance protocol must know of a corpus."""
    writer = [f"{f}.{w}" for f, w in zip(corpus.family, corpus.writer, strict=True)]
    return Signatures(writer, writer, list(corpus.forger > 0), [str(f) for f in corpus.family])


def save(
    model: Backbone,
    loss: AdditiveMarginSoftmax,
    corpus: Corpus,
    args: argparse.Namespace,
    facts: dict[str, object],
) -> None:
    """Write the weights in half precision, whole or not at all; the base model's with its writer head."""
    metadata = {
        "model": f"synsig-{args.model}",
        "backbone": f"student-{args.model}",
        "preprocessor": "synsig",
        "licence": "BSD-3-Clause",
        "trained_on": f"{SYNTHETIC} alone" if args.real is None else f"{SYNTHETIC}; {CROSSMEDIA}",
        "training": json.dumps({k: str(v) for k, v in facts.items() if k not in ("out", "cache", "real")}),
    }
    head = writer_head(loss, corpus) if args.model == "base" else None
    tensors, heads = finished(args.model, model.state_dict(), head)
    save_weights(args.out, _halves(tensors), {key: _halves(each) for key, each in heads.items()}, metadata)


def finished(
    model: str, learnt: dict[str, torch.Tensor], head: dict[str, torch.Tensor] | None
) -> tuple[dict[str, torch.Tensor], dict[str, dict[str, torch.Tensor]]]:
    """What is published: the network with the ink's statistics, and a head that passes over them.

    The learnt features become a shorter part of longer ones, so the head's weights are stretched.
    """
    network = NETWORKS[model](ink_weight=INK_WEIGHT)
    tensors = {**network.state_dict(), **learnt}
    if head is None:
        return tensors, {}
    assert network.ink is not None
    weight = torch.nn.functional.pad((1.0 + INK_WEIGHT) ** 0.5 * head["weight"], (0, network.ink.size))
    return tensors, {"writer": {**head, "weight": weight}}


def writer_head(loss: AdditiveMarginSoftmax, corpus: Corpus) -> dict[str, torch.Tensor]:
    """A linear layer that gives each family's first writer, in the families' order, as the loss does.

    Features have length 1, so its logits are the loss's scaled cosines; forgers and namesakes are
    left out.
    """
    assert loss.centres is not None
    classes = corpus.classes()
    first = (corpus.writer == 0) & (corpus.forger == 0) & (corpus.family < REAL)
    places = np.unique(corpus.family[first], return_index=True)[1]
    chosen = torch.from_numpy(classes[first][places])
    centres = torch.nn.functional.normalize(loss.centres.detach().cpu()[chosen], dim=1)
    return {"weight": loss.scale * centres, "bias": torch.zeros(len(chosen))}


def _halves(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: (each.detach().half() if each.is_floating_point() else each.detach()).cpu().contiguous()
        for name, each in tensors.items()
    }


if __name__ == "__main__":
    main()
