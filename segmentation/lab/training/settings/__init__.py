"""The recipe of a training: one TOML file, which is checked before the training starts."""

from __future__ import annotations

from .files import (
    FORBIDDEN,
    Above,
    Amount,
    BadRecipe,
    Count,
    CountOrZero,
    Part,
    checked_as,
    read_toml,
    refuse_evaluation_data,
)
from .recipe import MACHINE, TrainingRecipe, copied_entries, number_of_classes, read_recipe, recipe_from
from .tables import SIZES, Augmentation, ComposedEntry, FolderEntry, Optimiser, RenderedEntry, Schedule, SourceEntry
