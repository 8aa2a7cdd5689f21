"""A student learns from a teacher alone: images it was never told about, in any form they come in."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo import plugins
from sigzoo.errors import (
    ArtifactError,
    DataError,
    SigzooError,
    SigzooWarning,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from sigzoo.learning import DistillationSettings, TrainingSettings, distill, train
from sigzoo.registry import read_registry
from sigzoo.weights import read_weights


def answers(weights, x):
    """What the toy network and its writer head make of images from 0 to 1, in float64."""
    kept = read_weights(weights, "safetensors")
    parameters = {name: each.double().numpy() for name, each in kept.tensors.items()}
    hidden = np.tanh(x.reshape(len(x), -1) @ parameters["hidden.weight"].T + parameters["hidden.bias"])
    features = hidden @ parameters["out.weight"].T + parameters["out.bias"]
    head = {name: each.double().numpy() for name, each in kept.heads["writer"].items()}
    return features, features @ head["weight"].T + head["bias"]


@pytest.mark.parametrize("loss", ["kd-kl", "kd-feature"])
def test_a_student_comes_to_say_what_its_teacher_says(loss, teacher, inverted, toy_distillation):
    result = distill(toy_distillation(loss=loss, epochs=40))
    assert result.epochs[-1].loss < 0.3 * result.epochs[0].loss
    assert result.best.agreement > 90
    assert result.best.accuracy > 90


def test_the_loss_is_the_divergence_of_the_very_images_in_the_file(teacher, inverted, toy_distillation):
    """One step over all images with a rate of nearly nothing: its loss is that of the student as it began."""
    settings = toy_distillation(epochs=1, batch_size=1000, rate=1e-12, weight_decay=0.0)
    result = distill(settings)
    with np.load(inverted) as file:
        x = file["x"].astype(np.float64)
    held_out = round(0.1 * 12) * 4
    ours, theirs = (answers(weights, x)[1] for weights in (result.weights, teacher.weights))
    log_ours, log_theirs = (each - np.log(np.exp(each).sum(1, keepdims=True)) for each in (ours, theirs))
    divergences = (np.exp(log_theirs) * (log_theirs - log_ours)).sum(1)
    everything = divergences.sum()
    trained = result.epochs[0].loss * (len(x) - held_out)
    assert 0 < trained < everything
    chosen = np.argsort(divergences)
    assert divergences[chosen[:held_out]].sum() <= everything - trained <= divergences[chosen[-held_out:]].sum()
