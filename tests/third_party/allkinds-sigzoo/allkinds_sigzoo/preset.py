"""Settings of a short training, with the sampler of this distribution."""

from sigzoo.interfaces import TrainingPreset

PRESET = TrainingPreset(
    command="train",
    summary="pairs of a writer, for an epoch",
    settings={"epochs": 1, "batch_size": 8, "samplers": [{"sampler": "allkinds"}]},
)
