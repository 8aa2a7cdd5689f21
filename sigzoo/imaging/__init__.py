"""Images in, figures out."""

from sigzoo.imaging.image_files import ImageSource, find_images, read_image

__all__ = ["ImageSource", "find_images", "read_image"]
