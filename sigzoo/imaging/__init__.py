"""Images in, figures out."""

from sigzoo.imaging.finding import find_images
from sigzoo.imaging.histogram import grey_histogram
from sigzoo.imaging.image_files import read_image
from sigzoo.imaging.memory import reused
from sigzoo.imaging.sources import (
    EncodedImage,
    ImageSource,
    ReadOptions,
    as_sources,
    read_and_apply,
    read_and_note,
    source_name,
)

__all__ = [
    "EncodedImage",
    "ImageSource",
    "ReadOptions",
    "as_sources",
    "find_images",
    "grey_histogram",
    "read_and_apply",
    "read_and_note",
    "read_image",
    "reused",
    "source_name",
]
