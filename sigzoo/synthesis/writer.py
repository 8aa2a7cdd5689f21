"""Synthetic writers: genuine signatures, forgeries, and the same text by other hands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.synthesis.forgery import Forger, forge
from sigzoo.synthesis.hand import Hand
from sigzoo.synthesis.performance import Trace, move_pen, vary
from sigzoo.synthesis.plan import make_plan
from sigzoo.synthesis.rendering import render
from sigzoo.synthesis.scan_conditions import Rendering, office
from sigzoo.synthesis.text import Text, invent

__all__ = ["Writer"]

Grey = NDArray[np.uint8]

_GENUINE, _FORGERY, _FORGER, _PERSON = 1, 2, 3, 0


class Writer:
    """A synthetic person with a signature; everything follows from the seed.

    Parameters
    ----------
    seed
        Any integer from 0, or a sequence of them; the same seed gives the same images.
    text
        What to write, to have another hand write the same name; by default the person's own name.
    script
        One of `sigzoo.synthesis.text.SCRIPTS`; by default drawn.
    rendering
        Draws pen and scan of an image; by default `office`.
    variation
        Factor on the variation between samples.
    """

    def __init__(
        self,
        seed: int | tuple[int, ...],
        *,
        text: Text | None = None,
        script: str | None = None,
        rendering: Rendering = office,
        variation: float = 1.0,
    ) -> None:
        self._seed = (seed,) if isinstance(seed, int) else tuple(seed)
        person, written = self._rng(_PERSON, 0), self._rng(_PERSON, 1)
        self.hand = Hand.draw(person)
        self.text = text if text is not None else invent(written, script)
        self.plan = make_plan(self.text, self.hand)
        self._rendering, self._variation = rendering, variation

    def genuine(self, index: int) -> Grey:
        """Return the genuine signature number `index`, uint8 ``(H, W)``.

        Parameters
        ----------
        index
            Number of the signature, from 0; the same number gives the same image.

        Returns
        -------
        array
            uint8 ``(H, W)``, dark ink on white paper, as large as the signature is.
        """
        return self.genuine_scan(index)[0]

    def genuine_scan(self, index: int) -> tuple[Grey, float]:
        """Return the genuine signature number `index` and its resolution, dpi.

        Parameters
        ----------
        index
            As for `genuine`.

        Returns
        -------
        image, dpi
            uint8 ``(H, W)``, and dots per inch.
        """
        rng = self._rng(_GENUINE, index)
        return self._picture(self.trace(index), rng)

    def trace(self, index: int) -> Trace:
        """Return what the pen does in the genuine signature number `index`.

        Parameters
        ----------
        index
            As for `genuine`.

        Returns
        -------
        Trace
            Places of the pen over time, in millimetres.
        """
        rng = self._rng(_GENUINE, index, 1)
        return move_pen(vary(self.plan, self.hand, rng, self._variation), self.hand, rng)

    def forgery(self, index: int, forger: int = 0) -> Grey:
        """Return the skilled forgery number `index`, uint8 ``(H, W)``.

        Parameters
        ----------
        index
            Number of the attempt.
        forger
            Which of this writer's forgers; one forger makes some errors every time.

        Returns
        -------
        array
            uint8 ``(H, W)``, dark ink on white paper.
        """
        return self.forgery_scan(index, forger)[0]

    def forgery_scan(self, index: int, forger: int = 0) -> tuple[Grey, float]:
        """Return the skilled forgery number `index` and its resolution, dpi.

        Parameters
        ----------
        index, forger
            As for `forgery`.

        Returns
        -------
        image, dpi
            uint8 ``(H, W)``, and dots per inch.
        """
        who = Forger.draw(self._rng(_FORGER, forger))
        rng = self._rng(_FORGERY, index, forger)
        seen = vary(self.plan, self.hand, self._rng(_FORGER, forger, 1))
        habit = int(self._rng(_FORGER, forger, 2).integers(2**31))
        return self._picture(forge(seen, self.hand, who, habit, rng), rng)

    def same_text(self, other: int) -> Writer:
        """Return another person, number `other`, who writes the same name in an own hand.

        Parameters
        ----------
        other
            Number of the other person.

        Returns
        -------
        Writer
            The other person.
        """
        return Writer(
            (*self._seed, 7, other), text=self.text, rendering=self._rendering, variation=self._variation
        )

    def _picture(self, trace: Trace, rng: np.random.Generator) -> tuple[Grey, float]:
        pen, scan = self._rendering(rng)
        return render(trace, pen, scan, rng), scan.dpi

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([*self._seed, *key])
