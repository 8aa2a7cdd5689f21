"""Whether a backbone and a preprocessor belong together: sizes of images, and the scale of the input."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from sigzoo.errors import UsageError
from sigzoo.interfaces.preprocessors import Preprocessor

if TYPE_CHECKING:
    from sigzoo.interfaces.backbones import Backbone

__all__ = ["check_sizes", "fitting_scale"]


def check_sizes(
    backbone: Backbone, preprocessor: Preprocessor, *, backbone_name: str, preprocessor_name: str
) -> None:
    """Check that a network takes the images that a preprocessor gives.

    Parameters
    ----------
    backbone, preprocessor
        Built with their options.
    backbone_name, preprocessor_name
        What messages call them.

    Raises
    ------
    UsageError
        If they are of another size.
    """
    given, taken = preprocessor.output_size, backbone.input_size
    if taken is not None and given != taken:
        raise UsageError(
            f"The backbone {backbone_name!r} takes images of {taken} (h, w), the preprocessor"
            f" {preprocessor_name!r} gives {given or 'any size'}. Set the options of one to fit the other."
        )


def fitting_scale(
    preprocessor: Preprocessor, *, preprocessor_name: str, input_scale: float | None = None
) -> float:
    """What a preprocessor's uint8 image is multiplied by to be a network's input.

    Parameters
    ----------
    preprocessor
        Built with its options.
    preprocessor_name
        What messages call it.
    input_scale
        The scale that is stated; by default what the preprocessor says, else 1/255.

    Raises
    ------
    UsageError
        If the scale that is stated is not the preprocessor's.
    """
    expected = preprocessor.input_scale
    if input_scale is None:
        return 1.0 / 255.0 if expected is None else expected
    if expected is not None and not isclose(expected, input_scale, rel_tol=1e-6):
        raise UsageError(
            f"The input_scale {input_scale:.6g} does not belong to the preprocessor {preprocessor_name!r},"
            f" whose networks take its uint8 result times {expected:.6g}."
        )
    return input_scale
