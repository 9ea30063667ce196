"""The recipe of the GAN route: a TOML file with a table for each stage, checked before any stage runs.

The defaults are the values of the paper, or else of the code published with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ....core.errors import UserError
from ....core.network.card_entries import Text, Texts
from ....core.validation import Settings
from ...training.settings import (
    Above,
    Amount,
    BadRecipe,
    Count,
    CountOrZero,
    Part,
    TrainingRecipe,
    checked_as,
    read_toml,
    recipe_from,
    refuse_evaluation_data,
)


class MissingStage(UserError):
    """A stage cannot start, because results of an earlier stage are missing; the message names them."""


class GanSource(Settings):
    """The entries that all sources have. path: absolute, or relative to the folder of the repository. groups:
    relative to path."""

    groups: str = Field("", description="CSV file with the columns image and group")
    title: str = ""
    licence: Text = "unknown"


class OutlineSource(GanSource):
    """Where outlines of real or rendered particles come from."""

    kind: Literal["labels", "rendered"] = Field("labels", description="a folder of labels, or our renderer's pictures")
    path: str = ""
    labels: str = "labels"
    background: int = Field(0, description="the label that is no particle")
    count: Count = Field(200, description="rendered pictures")
    diameter: float = Field(48.0, ge=9, le=90, description="diameter of their particles in px")

    @model_validator(mode="after")
    def _has_a_path(self) -> Self:
        if self.kind == "labels" and not self.path:
            raise ValueError("path is missing.")
        return self


class MicrographSource(GanSource):
    """Unlabelled micrographs in `path/images`."""

    path: str
    images: str = "images"
    names: str = Field("*", description='a pattern such as "Sc1*.png"')
    diameter: float = Field(0.0, description="typical particle diameter in px; 0: estimated from each picture")
    polarity: Literal["bright", "dark"] = "bright"

    @model_validator(mode="after")
    def _diameter_is_visible(self) -> Self:
        if 0 != self.diameter < 4:
            raise ValueError("diameter is at least 4 px, or 0 to be estimated.")
        return self


class OutlineSettings(Settings):
    """The WGAN-GP that draws outlines of single particles."""

    sources: list[OutlineSource] = Field(min_length=1)
    size: int = Field(64, ge=16, multiple_of=16, description="side of an outline's picture in px")
    latent: Count = 128
    filters: Count = 64
    critic_steps: Count = 3
    penalty: Above = 10.0
    learning_rate: Above = 2e-4
    beta: Part = 0.5
    batch: Count = 64
    steps: Count = 30000
    checkpoint: Count = 500
    smallest: Above = Field(16.0, description="ECD in px from which on a particle's outline is used")
    solidity: Part = Field(0.85, description="its least area / hull area")
    most: Count = Field(20000, description="outlines used, drawn at random where there are more")


class MaskSettings(Settings):
    """How synthetic masks are composed."""

    count: Count = 1000
    tile: int = Field(384, ge=32, multiple_of=4)
    particles: list[Count] = Field([100, 150], description="fewest and most a tile")
    diameter: float = Field(30.0, ge=4, description="typical ECD in px")
    spread: float = Field(0.1, ge=0, le=0.5, description="SD of the sizes N(1, spread)")
    threshold: float = Field(0.5, ge=0, le=0.7, description="of the noise that says where particles may lie")
    frequency: float = Field(4.0, ge=1, description="cells of that noise a tile")
    overlap: Part = Field(0.5, description="largest share of a particle that others may hide")

    @model_validator(mode="after")
    def _fits_the_tile(self) -> Self:
        if len(self.particles) != 2 or self.particles[0] > self.particles[1]:
            raise ValueError("particles is [fewest, most], from 1 on.")
        if self.diameter > self.tile / 2 or self.frequency > self.tile / 4:
            raise ValueError("diameter is at most half a tile, frequency a quarter of it.")
        return self


class CycleSettings(Settings):
    """The CycleGAN between masks and micrographs."""

    sources: list[MicrographSource] = Field(min_length=1)
    filters: Count = 64
    critic_filters: Count = 64
    blocks: Count = 9
    learning_rate: Above = 2e-4
    beta: Part = 0.5
    cycle: Amount = Field(10.0, description="weight of the cycle consistency loss")
    identity: Amount = Field(0.5, description="weight of the identity loss as a share of that")
    pool: CountOrZero = 50
    batch: Count = 5
    crop: int = Field(384, ge=32, multiple_of=4, description="side of a training crop in px")
    steps: Count = 10000
    fall: Part = Field(0.5, description="share of the steps after which the learning rate falls linearly to zero")
    checkpoint: Count = 200


class TranslateSettings(Settings):
    """How masks are translated to pictures."""

    count: CountOrZero = Field(0, description="how many; 0: all there are")
    reject: bool = Field(True, description="drop particles that came out dark")


class GanRecipe(Settings):
    """The recipe of the GAN route: a table for each stage."""

    name: str
    title: str
    outlines: OutlineSettings
    cyclegan: CycleSettings
    unet: dict[str, Any] = Field(description="entries of a TrainingRecipe that `unet_recipe` does not set")
    masks: MaskSettings = MaskSettings()
    translate: TranslateSettings = TranslateSettings()
    summary: str = ""
    seed: CountOrZero = 1
    precision: Literal["auto", "float32", "bfloat16"] = Field("float32", description="the CycleGAN's; auto: the faster")
    threads: CountOrZero = 0
    validation: Part = Field(0.15, description="share of the groups of every folder that no stage ever sees")
    fold: CountOrZero = 0
    limits: Texts = []

    @model_validator(mode="after")
    def _crops_fit_tiles(self) -> Self:
        if self.cyclegan.crop > self.masks.tile:
            raise ValueError("cyclegan.crop is not larger than masks.tile.")
        return self


def read_gan_recipe(file: Path) -> GanRecipe:
    """The recipe in a TOML file. Raises BadRecipe for unknown, missing or impossible entries."""
    recipe = checked_as(GanRecipe, read_toml(file), str(file))
    refuse_evaluation_data(*(Path(source.path) for source in (*recipe.outlines.sources, *recipe.cyclegan.sources)))
    unet_recipe(recipe)
    return recipe


def unet_recipe(recipe: GanRecipe) -> TrainingRecipe:
    """The recipe of the U-Net, which is trained on the pictures in the folder `translate` of the run."""
    reserved = {"name", "title", "summary", "sources", "limits"} & set(recipe.unet)
    if reserved:
        raise BadRecipe(f"[unet] leaves {', '.join(sorted(reserved))} to the rest of the recipe.")
    outlines, micrographs = (_sources_and_licences(part.sources) for part in (recipe.outlines, recipe.cyclegan))
    source = {
        "kind": "folder",
        "path": "translate",
        "title": f"Masks of outlines that a WGAN learned from {outlines}, painted by a CycleGAN that saw {micrographs}",
        "licence": "as those",
    }
    entries = {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "limits": recipe.limits,
        "sources": [source],
        "seed": recipe.seed,
        "threads": recipe.threads,
        **recipe.unet,
    }
    return recipe_from(entries, "[unet]")


def _sources_and_licences(sources: list[OutlineSource] | list[MicrographSource]) -> str:
    """The sources with their licences, as a card names them."""
    names = [
        "our renderer's pictures (MIT)"
        if isinstance(source, OutlineSource) and source.kind == "rendered"
        else f"{source.title or Path(source.path).name} ({source.licence})"
        for source in sources
    ]
    return ", ".join(names)
