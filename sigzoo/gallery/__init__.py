"""A gallery: signatures, preprocessing, neighbours and distances as one page that reorders at a click."""

from sigzoo.gallery.contents import Exhibit, Gallery, gallery_of
from sigzoo.gallery.page import gallery_page

__all__ = ["Exhibit", "Gallery", "gallery_of", "gallery_page"]
