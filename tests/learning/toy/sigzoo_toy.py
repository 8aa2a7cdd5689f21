"""A plugin of a stranger, as small as one can be: what the training loop is tested with."""

import numpy as np
import torch
from torch import nn

from sigzoo import hookimpl
from sigzoo.interfaces import Backbone, ImageError, Loss, Preprocessor, check_grey

SIGZOO_API = 1


@hookimpl
def sigzoo_register_backbones(register):
    register("toy", "sigzoo_toy:Toy")
    register("toy-any-size", "sigzoo_toy:ToyAnySize")
    register("toy-normal", "sigzoo_toy:ToyNormal")


@hookimpl
def sigzoo_register_preprocessors(register):
    register("toy-cut", "sigzoo_toy:Cut")
    register("toy-invert", "sigzoo_toy:Invert")


@hookimpl
def sigzoo_register_losses(register):
    register("toy-writer", "sigzoo_toy:ToyWriter")
    register("toy-teacher", "sigzoo_toy:ToyTeacher")
    register("toy-breaking", "sigzoo_toy:ToyBreaking")
    register("toy-wrong", "sigzoo_toy:ToyWrong")


class Toy(Backbone):
    """Without batch normalisation, so that a step does not depend on how a batch is shared out."""

    layers = ("hidden", "out")

    def __init__(self, *, input_size=(12, 16), feature_dim=8, dropout=0.0):
        super().__init__()
        self.input_size = tuple(input_size)
        self.feature_dim = feature_dim
        self.hidden = nn.Linear(self.input_size[0] * self.input_size[1], 12)
        self.out = nn.Linear(12, feature_dim)
        self.dropout = nn.Dropout(dropout)

    def forward_layers(self, x, names):
        self.check_layers(names)
        self.check_input(x)
        hidden = torch.tanh(self.hidden(x.flatten(1)))
        every = {"hidden": hidden, "out": self.out(self.dropout(hidden))}
        return {name: every[name] for name in names}


class ToyAnySize(Backbone):
    layers = ("out",)
    input_size = None
    minimum_size = (8, 8)
    feature_dim = 4

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=2)

    def forward_layers(self, x, names):
        self.check_layers(names)
        self.check_input(x)
        return {"out": self.conv(x).amax(dim=(2, 3))}


class ToyNormal(ToyAnySize):
    """With batch normalisation, and the sizes of the images that it has seen."""

    def __init__(self):
        super().__init__()
        self.normal = nn.BatchNorm2d(4)
        self.seen = []

    def forward_layers(self, x, names):
        self.check_layers(names)
        self.check_input(x)
        self.seen.append(tuple(x.shape[2:]))
        return {"out": torch.relu(self.normal(self.conv(x))).amax(dim=(2, 3))}


class Cut(Preprocessor):
    """The middle of an image, inverted; `offset` moves it, which a published model does not."""

    input_scale = 1 / 255

    def __init__(self, *, size=(12, 16), offset=0):
        self.output_size = tuple(size)
        self.offset = offset

    def stages(self, image):
        image = check_grey(image)
        if image.min() == 255:
            raise ImageError("holds no ink.")
        h, w = self.output_size
        top, left = (image.shape[0] - h) // 2, (image.shape[1] - w) // 2 + self.offset
        return {"cut": np.ascontiguousarray(255 - image[top : top + h, left : left + w])}


class Invert(Preprocessor):
    output_size = None

    def stages(self, image):
        return {"inverted": 255 - check_grey(image)}


class ToyWriter(Loss):
    """Mean squared distance to a centre of the loss's own, for each writer."""

    needs = frozenset({"features", "writers"})

    def prepare(self, *, feature_dim, writers):
        self.centres = nn.Parameter(torch.zeros(writers, feature_dim))
        self.told = (feature_dim, writers)

    def forward(self, batch):
        return ((batch.features - self.centres[batch.writers]) ** 2).mean()


class ToyTeacher(Loss):
    needs = frozenset({"features", "teacher_features"})

    def forward(self, batch):
        return ((batch.features - batch.teacher_features) ** 2).mean()


class ToyBreaking(Loss):
    """NaN from its step number `after` on."""

    needs = frozenset({"features", "writers"})

    def __init__(self, *, after):
        super().__init__()
        self.after = after
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, batch):
        self.seen += 1
        return batch.features.square().mean() * (float("nan") if self.seen > self.after else 1.0)


class ToyWrong(Loss):
    needs = frozenset({"features", "handedness"})

    def forward(self, batch):
        return batch.features.mean()
