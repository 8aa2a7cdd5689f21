"""Augmentation of preprocessed signatures, a batch at a time, on any device."""

from sigzoo.learning.augment.crop import centre_crop, random_crop
from sigzoo.learning.augment.image_random import ImageRandom
from sigzoo.learning.augment.pipeline import STEPS, augment

__all__ = ["STEPS", "ImageRandom", "augment", "centre_crop", "random_crop"]
