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
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from batches import Batch, draw_batches, shuffled_batches
from corpus import HELD_OUT, Corpus, joined, load_or_build, real_names
from ending import run
from features import embed, mean_directions
from learner import Learner, passes
from objective import Objective, place_centres
from sigzoo_students.backbones import StudentBase, StudentTiny
from sigzoo_students.losses import AdditiveMarginSoftmax
from torch import nn

from sigzoo.artifacts.verification import digests_of
from sigzoo.evaluation.datasets import crossmedia
from sigzoo.evaluation.protocols import Signatures, distance_protocol
from sigzoo.interfaces import Backbone
from sigzoo.weights import load_into, read_weights, save_weights

NETWORKS = {"base": StudentBase, "tiny": StudentTiny}
EPOCHS = {"base": [2], "tiny": [4, 3, 5]}
AVERAGED = {"base": 1, "tiny": 0}
DIRECTIONS_WEIGHT = 0.6
INK_WEIGHT = 0.6
"""Chosen by choose_ink.py."""
NAMED = 5700
"""The head names the first writers of as many families; of all they would not fit into the file."""
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
    model = NETWORKS[args.model](ink_weight=INK_WEIGHT, directions_weight=DIRECTIONS_WEIGHT)
    if args.start is not None:
        load_learnt(model, args.start)
    seed = _drawing_seed(args)
    begun = None if args.start is None else digests_of(args.start).sha256
    corpora, held_out = _corpora(args)
    corpus = joined(corpora)
    seconds = time.perf_counter() - began
    print(f"{len(corpus.images)} images, {corpus.classes().max() + 1} classes, {seconds:.0f} s", flush=True)
    model.directions.mean.copy_(mean_directions(model.directions, corpus.images[::16]))
    model = model.to(device, memory_format=torch.channels_last)
    objective = Objective(model, corpus, len(corpora), args).to(device)
    if args.start is not None:
        place_centres(objective, model, corpus)
    rng, repeats = np.random.default_rng(seed), [1, 1, args.repeat][: len(corpora)]
    cycles = [[_batches(corpora, repeats, args, rng) for _ in range(n)] for n in args.epochs if n]
    steady = [_batches(corpora, repeats, args, rng) for _ in range(args.averaged)]
    best = np.inf
    learner = Learner(model, objective, torch.from_numpy(corpus.images), seed, device)
    learning = passes(learner, cycles, args.rate, steady, args.steady_rate)
    for epoch, (mean, trained, classes) in enumerate(learning, 1):
        result = {kind: validate(trained, *each) for kind, each in held_out.items()}
        score = mean_logarithm(rate for measured in result.values() for rate in measured.values())
        print(f"epoch {epoch} loss {mean:.3f} {result} {time.perf_counter() - began:.0f} s", flush=True)
        if score <= best:
            best = score
            facts = {"epoch": epoch, "held_out_eer": result, **vars(args), "start": begun}
            save(trained, classes, corpus, args, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=list(NETWORKS))
    parser.add_argument("--out", type=Path, required=True, help="weight file to write (.safetensors)")
    parser.add_argument("--families", type=int, default=4000, help="texts; each has one to four writers")
    parser.add_argument(
        "--sittings", type=int, default=9000, help="more families, whose writers keep one pen and scan"
    )
    parser.add_argument(
        "--genuine", type=int, default=6, help="genuine signatures of a family's first writer"
    )
    parser.add_argument("--real", type=Path, help="folder of crossmedia, to learn from its train split too")
    parser.add_argument("--repeat", type=int, default=4, help="how often an epoch takes each real image")
    parser.add_argument("--held-out", type=int, default=200, help="families of each kind for validation")
    parser.add_argument(
        "--epochs", type=int, nargs="+", help="passes in each cycle of the rate; 2 for base, 4 3 5 for tiny"
    )
    parser.add_argument("--start", type=Path, help="weights to go on from; with --epochs 0 without a cycle")
    parser.add_argument(
        "--averaged", type=int, help="passes after them, whose weights are averaged; 1 for base, 0 for tiny"
    )
    parser.add_argument("--steady-rate", type=float, default=7e-4, help="learning rate of these passes")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate of a cycle (AdamW)")
    parser.add_argument("--margin", type=float, default=0.3)
    parser.add_argument("--scale", type=float, default=24.0)
    parser.add_argument(
        "--batches",
        choices=["any", "families", "both"],
        default="both",
        help="of any images, for the softmax alone; of whole families, for verification too; or both",
    )
    parser.add_argument("--verification", type=float, default=2.0, help="weight of the verification loss")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="processes that make the corpus")
    parser.add_argument("--cache", type=Path, help="folder that keeps the corpus between runs")
    args = parser.parse_args()
    args.epochs = EPOCHS[args.model] if args.epochs is None else args.epochs
    args.averaged = AVERAGED[args.model] if args.averaged is None else args.averaged
    if min(*args.epochs, args.averaged) < 0 or sum(args.epochs) + args.averaged == 0:
        parser.error("--epochs and --averaged must not be below 0, nor both 0: nothing would be learnt.")
    return args


def _corpora(args: argparse.Namespace) -> tuple[list[Corpus], dict[str, tuple[np.ndarray, Signatures]]]:
    """What is learnt from, in parts that are measured by one threshold each, and what was held out.

    Families whose images each have a pen of their own, those whose hands keep one, and real names.
    """
    first, last = HELD_OUT + args.held_out, HELD_OUT + 2 * args.held_out
    corpora, held_out = [], {}
    parts = {
        "loose": (range(args.families), range(HELD_OUT, first)),
        "sittings": (range(args.families, args.families + args.sittings), range(first, last)),
    }
    for kind, (taught, kept) in parts.items():
        options = {"workers": args.workers, "sittings": kind == "sittings"}
        corpora.append(load_or_build(args.cache, args.seed, taught, args.genuine, **options))
        corpus = load_or_build(args.cache, args.seed, kept, 8, **options)
        held_out[kind] = corpus.images, signatures(corpus)
    if args.real is not None:
        corpora.append(real_names(args.real, "train"))
        held_out["real"] = across_media(args.real)
    return corpora, held_out


def _drawing_seed(args: argparse.Namespace) -> int:
    """Of batches and augmentation; another one for other weights to go on from, lest the same come again."""
    return args.seed if args.start is None else args.seed + zlib.crc32(args.start.read_bytes())


def _batches(
    corpora: Sequence[Corpus], repeats: Sequence[int], args: argparse.Namespace, rng: np.random.Generator
) -> list[Batch]:
    """Draw the batches of one epoch: of any images, of whole families, or of both kinds in turn at random."""
    batches: list[Batch] = []
    if args.batches != "families":
        batches += shuffled_batches(corpora, args.batch, repeats, rng)
    if args.batches != "any":
        batches += draw_batches(corpora, args.batch, repeats, rng)
    return [batches[i] for i in rng.permutation(len(batches))]


def load_learnt(model: Backbone, file: Path) -> None:
    """Begin with a network that has learnt; what does not learn stays as it is."""
    fixed = {k: each for k, each in model.state_dict().items() if k.startswith(("ink.", "directions."))}
    load_into(model, {**read_weights(file, "safetensors").tensors, **fixed}, source=str(file))


def validate(model: Backbone, images: np.ndarray, known: Signatures) -> dict[str, float]:
    """Equal error rates in percent on what was held out."""
    measured = distance_protocol(embed(model, images), known, seeds=range(5), replicates=0)
    return {kind: round(m.eer, 2) for kind, m in measured.items()}


def mean_logarithm(rates: Iterable[float]) -> float:
    """What decides a choice; of logarithms, so that no kind of impostor outweighs the others."""
    return float(np.log([max(rate, 0.1) for rate in rates]).mean())


def across_media(folder: Path) -> tuple[np.ndarray, Signatures]:
    """Crossmedia's validation split: of one name by one writer there is a signature for each medium."""
    return real_names(folder, "val").images, crossmedia(folder, ["val"]).known


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
    heads = {}
    if args.model == "base":
        heads["writer"] = _halves(writer_head(loss, corpus, model))
    save_weights(args.out, _halves(model.state_dict()), heads, metadata)


def writer_head(loss: AdditiveMarginSoftmax, corpus: Corpus, model: Backbone) -> dict[str, torch.Tensor]:
    """A linear layer that gives the first families' first writers, in their order, as the loss does.

    Its logits are the loss's scaled cosines. What is learnt is a shorter part of the features, whose
    length is 1, so the weights are stretched; over what follows they pass. Forgers and namesakes are
    left out.
    """
    assert loss.centres is not None
    classes = corpus.classes()
    first = (corpus.writer == 0) & (corpus.forger == 0) & (corpus.family < NAMED)
    places = np.unique(corpus.family[first], return_index=True)[1]
    chosen = torch.from_numpy(classes[first][places])
    centres = nn.functional.normalize(loss.centres.detach().cpu()[chosen], dim=1)
    shares = [1.0 + part.weight for part in (model.directions, model.ink)]
    stretched = float(np.sqrt(np.prod(shares))) * loss.scale * centres
    head = nn.functional.pad(stretched, (0, model.feature_dim - stretched.shape[1]))
    return {"weight": head, "bias": torch.zeros(len(chosen))}


def _halves(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: (each.detach().half() if each.is_floating_point() else each.detach()).cpu().contiguous()
        for name, each in tensors.items()
    }


if __name__ == "__main__":
    run(main)
