"""The interface of a preprocessor: from the image of a signature to what a network was trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sigzoo.interfaces.images import GreyImage, Size

__all__ = ["Preprocessor"]


class Preprocessor(ABC):
    """Turns the image of a signature into what a network was trained on.

    A preprocessor belongs to the weights that were trained with it. It is configured when it is
    built and holds no state after that: the same image gives the same result, in any thread.
    """

    output_size: Size | None
    """``(h, w)`` of every result, or `None` where it follows the image."""

    input_scale: float | None = None
    """What the published networks of this preprocessing multiply its result with; a card that
    says otherwise is refused. `None` where any scale may go with it."""

    rows_beside: int = 0
    """Rows at the bottom of every result that are no picture but measurements: no augmentation
    changes them."""

    @abstractmethod
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        """Run the steps one by one, for figures.

        Parameters
        ----------
        image
            uint8 ``(H, W)``, 0 ink and 255 paper. Never written into.

        Returns
        -------
        dict
            The named steps in order, each uint8. The last is what calling the preprocessor
            returns: ``(h, w)``, ink bright on 0.

        Raises
        ------
        ImageError
            If the image is no grey image (see `check_grey`) or holds no ink.
        """

    def __call__(self, image: GreyImage) -> GreyImage:
        """Preprocess one image: uint8 ``(H, W)`` in, uint8 ``(h, w)`` out, ink bright on 0.

        Override it where the result can be had faster than through `stages`.

        Raises
        ------
        ImageError
            If the image is no grey image (see `check_grey`) or holds no ink.
        """
        return list(self.stages(image).values())[-1]
