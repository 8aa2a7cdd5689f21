"""Trains a loaded model for a few steps with two losses by name; run inside the test's environment."""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import nn

import sigzoo
from sigzoo.interfaces import TrainingBatch
from sigzoo.testing import images

WRITERS = 3
SIZES = ((300, 640), (280, 660), (320, 620))

torch.manual_seed(0)
model = sigzoo.load("strokenext", device="cpu")
pages = [model.preprocess(images.signature(writer, size)) for writer in range(WRITERS) for size in SIZES]
width = max(page.shape[1] for page in pages)
padded = [np.pad(page, ((0, 0), (0, width - page.shape[1]))) for page in pages]
x = torch.from_numpy(np.stack(padded)[:, None]).float() * model.card.input_scale
writers = torch.arange(WRITERS).repeat_interleave(len(SIZES))

backbone = model.backbone.train().requires_grad_()
head = nn.Linear(backbone.feature_dim, WRITERS)
losses = {"signet": sigzoo.loss("signet"), "centres": sigzoo.loss("centres")}
for loss in losses.values():
    loss.prepare(feature_dim=backbone.feature_dim, writers=WRITERS)
modules = nn.ModuleList([backbone, head, *losses.values()])
optimiser = torch.optim.Adam(modules.parameters(), lr=2e-3)

history: dict[str, list[float]] = {name: [] for name in losses}
for _ in range(12):
    features = backbone(x)
    batch = TrainingBatch(features, writers, writer_logits=head(features))
    values = {name: loss(batch) for name, loss in losses.items()}
    optimiser.zero_grad()
    sum(values.values()).backward()
    optimiser.step()
    for name, value in values.items():
        history[name].append(float(value.detach()))
print(json.dumps(history))
