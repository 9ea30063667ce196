"""What every loss is: settings that a recipe's table [loss] may change, and a number to be made small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.validation import Settings

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Settings):
    """A loss is a subclass with a `name: Literal[...]` of its own, in a file of this folder; see `losses.find`."""

    name: str

    def __call__(self, maps: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits (B, C, H, W) against a task's targets (B, T, H, W), as a scalar."""
        raise NotImplementedError
