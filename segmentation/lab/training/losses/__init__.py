"""The losses of trainings: each file of this folder holds one, which recipes choose by its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, get_args

from pydantic import Field, model_validator

from ....core.validation import Settings

if TYPE_CHECKING:
    from torch import Tensor


Weight = Annotated[float, Field(ge=0)]


class Loss(Settings):
    """Base class of the losses. Each subclass is in a file of this folder and has a field `name: Literal[...]`.

    either: the names of two weights, of which at least one must be above 0.
    """

    name: str
    either: ClassVar[tuple[str, str]] = ("cross_entropy", "dice")

    @model_validator(mode="after")
    def _something_is_learnt(self) -> Self:
        if self.name and not any(getattr(self, weight) for weight in self.either):
            raise ValueError(f"{' or '.join(self.either)} is above 0.")
        return self

    def __call__(self, maps: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits (B, C, H, W) against a task's targets (B, T, H, W), as a scalar."""
        raise NotImplementedError


@cache
def losses() -> dict[str, type[Loss]]:
    """Every loss by its name."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return {get_args(loss.model_fields["name"].annotation)[0]: loss for loss in Loss.__subclasses__()}
