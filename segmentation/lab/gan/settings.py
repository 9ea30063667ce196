"""The recipe of the GAN route: one TOML file with a table for each stage, checked before any hour is spent.

The defaults are the paper's values, or those of the code published with it where the paper is silent.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..entries import BadRecipe, keep_apart, require, table
from ..settings import TrainingRecipe, recipe_from


class MissingStage(ValueError):
    """A stage cannot start; the message says what an earlier one has to leave first."""


@dataclass(frozen=True)
class OutlineSource:
    """Where outlines of real or rendered particles come from; paths are relative to the checkout (or absolute).

    kind: "labels" (a folder `path/labels` of instance labels or binary masks, one file a picture) or "rendered"
    (`count` pictures of our renderer with particles of about `diameter` px). background: the label that is no
    particle. groups: file `image,group,...`.
    """

    kind: str = "labels"
    path: str = ""
    labels: str = "labels"
    background: int = 0
    groups: str = ""
    count: int = 200
    diameter: float = 48.0
    title: str = ""
    licence: str = "unknown"

    def __post_init__(self) -> None:
        require(self.kind in ("labels", "rendered"), "kind is labels or rendered.")
        require(self.kind == "rendered" or bool(self.path), "path is missing.")
        keep_apart(Path(self.path))
        require(self.count >= 1 and 9 <= self.diameter <= 90, "count is at least 1, diameter from 9 to 90 px.")


@dataclass(frozen=True)
class MicrographSource:
    """Unlabelled micrographs in `path/images`.

    names: a pattern such as "Sc1*.png". diameter: typical particle diameter there in px, 0 to have it estimated
    from each picture. polarity: "bright" or "dark" particles. groups: file `image,group,...`.
    """

    path: str
    images: str = "images"
    names: str = "*"
    diameter: float = 0.0
    polarity: str = "bright"
    groups: str = ""
    title: str = ""
    licence: str = "unknown"

    def __post_init__(self) -> None:
        require(self.polarity in ("bright", "dark"), "polarity is bright or dark.")
        keep_apart(Path(self.path))
        require(self.diameter == 0 or self.diameter >= 4, "diameter is at least 4 px, or 0 to be estimated.")


@dataclass(frozen=True)
class OutlineSettings:
    """The WGAN-GP that draws outlines of single particles.

    size: side of an outline's picture in px. smallest: ECD in px from which on a particle's outline is used.
    solidity: its least area / hull area. most: outlines used, drawn at random where there are more.
    """

    sources: list[OutlineSource]
    size: int = 64
    latent: int = 128
    filters: int = 64
    critic_steps: int = 3
    penalty: float = 10.0
    rate: float = 2e-4
    beta: float = 0.5
    batch: int = 64
    steps: int = 30000
    checkpoint: int = 500
    smallest: float = 16.0
    solidity: float = 0.85
    most: int = 20000

    def __post_init__(self) -> None:
        require(self.size >= 16 and self.size % 16 == 0, "size is a multiple of 16.")
        counts = (self.latent, self.filters, self.critic_steps, self.batch, self.steps, self.checkpoint, self.most)
        require(min(counts) >= 1, "latent, filters, critic_steps, batch, steps, checkpoint and most are at least 1.")
        require(min(self.penalty, self.rate, self.smallest) > 0, "penalty, rate and smallest are above 0.")
        require(0 <= self.beta < 1 and 0 <= self.solidity < 1, "beta and solidity are from 0 to below 1.")


@dataclass(frozen=True)
class MaskSettings:
    """How synthetic masks are composed.

    particles: fewest and most a tile. diameter: typical ECD in px; spread: SD of the sizes N(1, spread).
    threshold, frequency: of the noise (0..1, cells a tile) that says where particles may lie. overlap: largest
    share of a particle that others may hide.
    """

    count: int = 1000
    tile: int = 384
    particles: list[int] = field(default_factory=lambda: [100, 150])
    diameter: float = 30.0
    spread: float = 0.1
    threshold: float = 0.5
    frequency: float = 4.0
    overlap: float = 0.5

    def __post_init__(self) -> None:
        require(self.count >= 1, "count is at least 1.")
        require(self.tile >= 32 and self.tile % 4 == 0, "tile is a multiple of 4, at least 32 px.")
        whole = len(self.particles) == 2 and all(type(n) is int for n in self.particles)
        require(whole and 1 <= self.particles[0] <= self.particles[1], "particles is [fewest, most], from 1 on.")
        require(4 <= self.diameter <= self.tile / 2, "diameter lies between 4 px and half a tile.")
        require(0 <= self.spread <= 0.5, "spread lies between 0 and 0.5.")
        require(0 <= self.threshold <= 0.7, "threshold lies between 0 and 0.7.")
        require(1 <= self.frequency <= self.tile / 4, "frequency lies between 1 and a quarter of the tile.")
        require(0 <= self.overlap < 1, "overlap is at least 0 and less than 1.")


@dataclass(frozen=True)
class CycleSettings:
    """The CycleGAN between masks and micrographs.

    crop: side of a training crop in px. fall: share of the steps after which the rate falls linearly to zero
    (Zhu et al. 2017: 0.5). cycle, identity: weights, the latter as a share of the former.
    """

    sources: list[MicrographSource]
    filters: int = 64
    critic_filters: int = 64
    blocks: int = 9
    rate: float = 2e-4
    beta: float = 0.5
    cycle: float = 10.0
    identity: float = 0.5
    pool: int = 50
    batch: int = 5
    crop: int = 384
    steps: int = 10000
    fall: float = 0.5
    checkpoint: int = 200

    def __post_init__(self) -> None:
        counts = (self.filters, self.critic_filters, self.blocks, self.batch, self.steps, self.checkpoint)
        require(min(counts) >= 1, "filters, critic_filters, blocks, batch, steps and checkpoint are at least 1.")
        require(self.crop >= 32 and self.crop % 4 == 0, "crop is a multiple of 4, at least 32 px.")
        require(self.rate > 0 and 0 <= self.beta < 1, "rate is above 0, beta from 0 to below 1.")
        require(min(self.cycle, self.identity, self.pool) >= 0, "cycle, identity and pool are at least 0.")
        require(0 <= self.fall < 1, "fall is from 0 to below 1.")


@dataclass(frozen=True)
class TranslateSettings:
    """Masks to pictures. count: how many, 0 for all there are. reject: drop particles that came out dark."""

    count: int = 0
    reject: bool = True

    def __post_init__(self) -> None:
        require(self.count >= 0, "count is at least 0.")


@dataclass(frozen=True)
class GanRecipe:
    """All stages of one run. validation, fold: the groups of every folder that no stage ever sees.

    precision: "float32" or "bfloat16" of the CycleGAN. unet: entries of a TrainingRecipe, without name and sources.
    """

    name: str
    title: str
    outlines: OutlineSettings
    cyclegan: CycleSettings
    unet: dict[str, Any]
    masks: MaskSettings = field(default_factory=MaskSettings)
    translate: TranslateSettings = field(default_factory=TranslateSettings)
    summary: str = ""
    seed: int = 1
    precision: str = "float32"
    threads: int = 0
    validation: float = 0.15
    fold: int = 0
    limits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(self.precision in ("float32", "bfloat16"), 'precision is "float32" or "bfloat16".')
        require(0 <= self.validation < 1, "validation is from 0 to below 1.")
        require(self.seed >= 0 and self.threads >= 0, "seed and threads are at least 0.")
        require(self.cyclegan.crop <= self.masks.tile, "cyclegan.crop is not larger than masks.tile.")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_gan_recipe(file: Path) -> GanRecipe:
    """The recipe in a TOML file. Raises BadRecipe for unknown, missing or impossible entries."""
    try:
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRecipe(f"{file} cannot be read as TOML: {error}.") from error
    tables = {"outlines": OutlineSettings, "masks": MaskSettings, "cyclegan": CycleSettings}
    kinds = {"outlines": OutlineSource, "cyclegan": MicrographSource}
    for name, kind in {**tables, "translate": TranslateSettings}.items():
        if name in data:
            data[name] = table(kind, _with_sources(data[name], kinds.get(name), file, name), f"{file}: {name}")
    recipe = table(GanRecipe, data, str(file))
    unet_recipe(recipe)
    return recipe


def _with_sources(data: Any, kind: type[Any] | None, file: Path, name: str) -> Any:
    """The table with its sources read; at least one is wanted."""
    if kind is None or not isinstance(data, dict):
        return data
    entries = data.get("sources")
    if not isinstance(entries, list) or not entries:
        raise BadRecipe(f"{file}: [[{name}.sources]] names no folder.")
    read = [table(kind, entry, f"{file}: source {i} of {name}") for i, entry in enumerate(entries, start=1)]
    return {**data, "sources": read}


def unet_recipe(recipe: GanRecipe) -> TrainingRecipe:
    """The U-Net's recipe: trained on the translated pictures, which lie in the run's folder `translate`."""
    given = {"name", "title", "summary", "sources", "limits"} & set(recipe.unet)
    require(not given, f"[unet] leaves {', '.join(sorted(given))} to the rest of the recipe.")
    outlines, micrographs = (_named(part.sources) for part in (recipe.outlines, recipe.cyclegan))
    source = {
        "kind": "folder",
        "path": "translate",
        "title": f"Masks of outlines that a WGAN learned from {outlines}, painted by a CycleGAN that saw {micrographs}",
        "licence": "as those",
    }
    whole = {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "limits": recipe.limits,
        "sources": [source],
        "seed": recipe.seed,
        "threads": recipe.threads,
        **recipe.unet,
    }
    return recipe_from(whole, "[unet]")


def _named(sources: list[OutlineSource] | list[MicrographSource]) -> str:
    """The sources with their licences, as a card names them."""
    names = [
        "our renderer's pictures (MIT)"
        if isinstance(source, OutlineSource) and source.kind == "rendered"
        else f"{source.title or Path(source.path).name} ({source.licence})"
        for source in sources
    ]
    return ", ".join(names)
