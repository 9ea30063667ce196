"""A training's recipe: one TOML file, checked before any hour is spent."""

from __future__ import annotations

from .files import FORBIDDEN, Above, Amount, BadRecipe, Count, CountOrZero, Part, checked_as, keep_apart, read_toml
from .recipe import MACHINE, TrainingRecipe, copied_entries, number_of_classes, read_recipe, recipe_from
from .tables import SIZES, Augmentation, ComposedEntry, FolderEntry, Optimiser, RenderedEntry, Schedule, SourceEntry
