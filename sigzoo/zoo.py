"""`Zoo`: everything that is installed and named, and loading from it; and the default one of this process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sigzoo.default import as_default, default
from sigzoo.installed import Installed

if TYPE_CHECKING:
    import torch

    from sigzoo.model import SignatureModel

__all__ = ["Zoo", "default_zoo", "resolve_zoo"]


class Zoo(Installed):
    """What `Installed` holds, and models loaded from it."""

    def load(
        self,
        name: str | os.PathLike[str] | None = None,
        *,
        device: str | torch.device = "auto",
        runtime: str = "torch",
        precision: str = "float32",
        weights: str | os.PathLike[str] | None = None,
        preprocessor_options: Mapping[str, Any] | None = None,
    ) -> SignatureModel:
        """Load a model; see `sigzoo.load`, which takes the same arguments and raises the same errors.

        Parameters
        ----------
        name, device, runtime, precision, weights, preprocessor_options
            As for `sigzoo.load`.

        Returns
        -------
        SignatureModel
            Ready to `embed`.
        """
        from sigzoo.loading import load_model

        return load_model(
            self,
            name,
            device=str(device),
            runtime=runtime,
            precision=precision,
            weights=weights,
            preprocessor_options=preprocessor_options,
        )

    @contextmanager
    def as_default(self) -> Iterator[Zoo]:
        """Let the functions at the root of `sigzoo` ask this zoo, in the block and in this thread.

        Yields
        ------
        Zoo
            This one.
        """
        with as_default(self):
            yield self


def default_zoo() -> Zoo:
    """The zoo of the environment, or of the `Zoo.as_default` block that runs; see `sigzoo.default`."""
    here = default()
    return here if isinstance(here, Zoo) else here.seen_as(Zoo)


def resolve_zoo(zoo: Zoo | None) -> Zoo:
    """The zoo that a function was given, else the default one."""
    return default_zoo() if zoo is None else zoo
