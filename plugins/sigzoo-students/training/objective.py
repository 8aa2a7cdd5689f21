"""What training minimises: classes and verification, on what is learnt and on whole features."""

from __future__ import annotations

import argparse

import numpy as np
import torch
from corpus import Corpus
from features import learnt
from sigzoo_students.losses import AdditiveMarginSoftmax, VerificationLoss
from torch import Tensor, nn

from sigzoo.interfaces import Backbone, TrainingBatch


class Objective(nn.Module):
    """What is minimised: writers and forgers told apart by their classes, and verification.

    The additive-margin softmax sees what is learnt alone, so that no class is known by its pen; the
    verification sees the ink's statistics too, as those who use the features do.
    """

    def __init__(self, model: Backbone, corpus: Corpus, parts: int, args: argparse.Namespace) -> None:
        super().__init__()
        self.classes = AdditiveMarginSoftmax(scale=args.scale, margin=args.margin)
        self._class = torch.from_numpy(corpus.classes())
        self.classes.prepare(feature_dim=model.fc.out_features, writers=int(self._class.max()) + 1)
        self.verification = nn.ModuleList(VerificationLoss(references=2) for _ in range(parts))
        self._weight = args.verification
        self._claimed = torch.from_numpy(corpus.claimed())
        self._forged = torch.from_numpy((corpus.forger > 0).astype(np.float32))

    def forward(self, embedding: Tensor, features: Tensor, part: int | None, places: Tensor) -> Tensor:
        """Return the loss of the images at these places; if all are of one part, with verification."""
        device = embedding.device
        by_class = TrainingBatch(features=embedding, writers=self._class[places].to(device))
        total: Tensor = self.classes(by_class)
        if part is None:
            return total
        claims = TrainingBatch(
            features=features,
            writers=self._claimed[places].to(device),
            forgery=self._forged[places].to(device),
        )
        return total + self._weight * self.verification[part](claims)


def place_centres(objective: Objective, model: Backbone, corpus: Corpus) -> None:
    """Put each class's centre where its images are."""
    classes = objective.classes.centres
    assert classes is not None
    sums = np.zeros(classes.shape, np.float32)
    np.add.at(sums, corpus.classes(), learnt(model, corpus.images))
    with torch.no_grad():
        classes.copy_(nn.functional.normalize(torch.from_numpy(sums), dim=1))
