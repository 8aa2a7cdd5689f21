"""Images in, figures out."""

from sigzoo.imaging.finding import find_images
from sigzoo.imaging.image_files import read_image
from sigzoo.imaging.sources import ImageSource, ReadOptions, as_sources, read_and_apply, source_name

__all__ = [
    "ImageSource",
    "ReadOptions",
    "as_sources",
    "find_images",
    "read_and_apply",
    "read_image",
    "source_name",
]
