"""What a rendered micrograph is made of: every number that decides its looks, with its range and its meaning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from .bodies import FAMILIES

KINDS = ("sem", "transmission", "blank")
POLARITIES = ("bright", "dark")
LAWS = ("log-normal", "bimodal")
LAYOUTS = ("random", "clustered", "packed")
RELIEFS = ("smooth", "grain", "bumps", "pits", "stripes", "debris")
TEXTURES = ("none", "contours", "worms", "wrinkles", "rings", "cracks", "mosaic", "pits", "ripples")
FILTERS = ("none", "smooth", "median", "average")
ANNOTATIONS = ("none", "letter", "scale-bar", "data-bar")


class BadSetting(ValueError):
    """A setting has no such name or cannot have that value; the message says which."""


def _number(low: float, high: float, what: str) -> Any:
    return field(metadata={"low": low, "high": high, "what": what})


def _choice(options: tuple[str, ...], what: str) -> Any:
    return field(metadata={"options": options, "what": what})


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """The particles: what they are, how large, how many and where."""

    kind: str = _choice(KINDS, "secondary electrons, transmission, or a substrate without particles")
    polarity: str = _choice(POLARITIES, "particles brighter or darker than their surroundings")
    family: str = _choice(FAMILIES, "shape of the particles")
    mixing: float = _number(0, 1, "share of particles of other families")
    diameter: float = _number(3, 2000, "typical particle diameter in px (of the primaries in aggregates)")
    law: str = _choice(LAWS, "size law; bimodal adds a finer mode")
    spread: float = _number(0, 1, "standard deviation of ln(diameter)")
    fine_share: float = _number(0, 1, "share of particles in the finer mode")
    fine_size: float = _number(0.05, 1, "size of the finer mode relative to the coarser")
    cover: float = _number(0.001, 6, "summed area of the particles over the area of the picture")
    layout: str = _choice(LAYOUTS, "places: anywhere, in agglomerates, or a packed layer")
    clusters: float = _number(0.5, 40, "size of agglomerates in particle diameters")
    overlap: float = _number(0, 1, "largest share of a particle that may lie on others; 0: they touch at most")
    stacking: float = _number(0, 1, "1: particles rest on those below; 0: all lie in one plane")
    flat: float = _number(0, 1, "share of particles that lie on a face instead of standing at random")
    rounding: float = _number(0, 1, "radius of edges and corners relative to that of the particle")
    aspect: float = _number(1, 20, "length of rods, width of platelets, over their thickness")
    relief: str = _choice(RELIEFS, "texture of the particles' surface")
    relief_height: float = _number(0, 0.2, "height of that texture relative to the diameter")
    relief_period: float = _number(0.01, 1, "wavelength of that texture relative to the diameter")
    primaries: float = _number(2, 60, "mean number of primaries in an aggregate")
    neck: float = _number(0, 1, "radius of sintering necks relative to that of the primary")
    whole: int = _number(0, 1, "1: an aggregate is one particle; 0: each of its primaries is one")
    core: float = _number(0, 0.95, "radius of the core (core-shell) or void (hollow) relative to the particle's")
    density: float = _number(0, 20, "density of the core relative to the shell")


@dataclass(frozen=True, kw_only=True)
class SubstrateSettings:
    """What lies under the particles and is no particle. Contrasts are relative to that of the particles."""

    ground: float = _number(0, 1, "grey of the bare substrate")
    gradient: float = _number(0, 2, "grey difference across the picture")
    cloud: float = _number(0, 2, "contrast of wide soft variations")
    grain: float = _number(0, 2, "contrast of fine grain (sputtered metal, carbon film)")
    grain_period: float = _number(1, 40, "wavelength of the grain in px")
    texture: str = _choice(TEXTURES, "pattern of the substrate")
    texture_contrast: float = _number(0, 2, "contrast of that pattern")
    texture_period: float = _number(2, 400, "wavelength of that pattern in px")
    lit: float = _number(0, 1, "0: pattern by composition; 1: a relief lit from the side of the detector")
    specks: float = _number(0, 20, "faint specks in 1000 px")
    speck_contrast: float = _number(0, 1, "contrast of the specks")
    speck_size: float = _number(0.3, 20, "their SD in px")
    scratches: int = _number(0, 40, "number of scratches")
    patches: int = _number(0, 40, "number of stains of contamination")
    holes: float = _number(0, 0.9, "share of the picture that is holes of the film")
    frame: int = _number(0, 1, "1: the darker rectangle that an earlier scan left")


@dataclass(frozen=True, kw_only=True)
class ShadingSettings:
    """How matter becomes grey, in units of full contrast."""

    contrast: float = _number(0, 2, "grey of a particle's flat surface over that of the substrate")
    variation: float = _number(0, 1, "SD of that from particle to particle, relative to it")
    edge: float = _number(0, 3, "brightening of steep surfaces and rims")
    edge_power: float = _number(0.3, 6, "its sharpness: high values keep it to the very rim")
    detector: float = _number(0, 1, "difference between sides facing and averting the detector")
    angle: float = _number(0, 360, "direction of the detector in degrees")
    occlusion: float = _number(0, 2, "darkening of places between higher ones")
    shadow: float = _number(0, 2, "darkening of the substrate behind particles")
    halo: float = _number(-1, 1, "brightening (or darkening) of the substrate around particles: charging")
    sheen: float = _number(0, 1, "fine grain on the particles, relative to their contrast")
    transparency: float = _number(0, 1, "share of a particle's grey that follows its thickness")
    absorption: float = _number(0.01, 20, "transmission: absorption over one diameter of matter")
    diffraction: float = _number(0, 1, "transmission: SD of absorption from particle to particle")
    fringe: float = _number(0, 3, "transmission: strength of the Fresnel fringe")


@dataclass(frozen=True, kw_only=True)
class ExposureSettings:
    """From grey to the pixels of the file."""

    defocus: float = _number(0, 12, "SD of the point spread in px")
    astigmatism: float = _number(1, 4, "its ratio of axes")
    dose: float = _number(1, 1e6, "electrons per pixel at full grey")
    read_noise: float = _number(0, 1, "SD of grey noise that does not depend on the signal")
    line_noise: float = _number(0, 1, "SD of grey from scan line to scan line")
    charging: float = _number(0, 2, "bright and dark streaks along scan lines")
    drift: float = _number(0, 20, "sideways jumps of scan lines in px")
    vignette: float = _number(0, 1, "loss of grey in the corners")
    floor: float = _number(0.01, 4, "smallest grey span that is stretched to full contrast")
    gamma: float = _number(0.2, 5, "exponent of the response")
    level: float = _number(0, 200, "grey value of black")
    gain: float = _number(10, 400, "grey values from black to white; what is above 255 is saturated")
    filtering: str = _choice(FILTERS, "filter applied to the noisy picture")
    resampling: float = _number(0.2, 1, "scale at which the picture was once stored")
    sharpening: float = _number(0, 4, "strength of unsharp masking")
    jpeg: int = _number(5, 100, "JPEG quality; 100: never compressed")
    annotation: str = _choice(ANNOTATIONS, "what is burnt in; never labelled")


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """Everything that decides a picture, but for its size and its random numbers."""

    scene: SceneSettings
    substrate: SubstrateSettings
    shading: ShadingSettings
    exposure: ExposureSettings

    def flat(self) -> dict[str, Any]:
        """All settings by name."""
        parts = (self.scene, self.substrate, self.shading, self.exposure)
        return {f.name: getattr(part, f.name) for part in parts for f in fields(part)}


PARTS = (SceneSettings, SubstrateSettings, ShadingSettings, ExposureSettings)


def every_setting() -> Iterator[Field[Any]]:
    """The fields of all parts, in order; their metadata hold range or options and meaning."""
    for part in PARTS:
        yield from fields(part)


def allowed(setting: Field[Any]) -> str:
    """The values that a setting may have, in words."""
    meta = setting.metadata
    return ", ".join(meta["options"]) if "options" in meta else f"{meta['low']:g} to {meta['high']:g}"


def checked(name: str, text: object) -> Any:
    """The value of setting `name` written as `text`. Raises BadSetting."""
    setting = next((f for f in every_setting() if f.name == name), None)
    if setting is None:
        raise BadSetting(f"There is no setting {name!r}; known are {', '.join(f.name for f in every_setting())}.")
    meta = setting.metadata
    if "options" in meta and text in meta["options"]:
        return text
    number = None if "options" in meta else _as_number(text, whole=setting.type == "int")
    if number is not None and meta["low"] <= number <= meta["high"]:
        return number
    raise BadSetting(f"{name} cannot be {text}; it may be {allowed(setting)}.")


def _as_number(text: object, *, whole: bool) -> float | int | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    if not math.isfinite(number) or (whole and number != int(number)):
        return None
    return int(number) if whole else number


def parse_fixed(entries: list[str]) -> dict[str, Any]:
    """{"cover": 0.5} from ["cover=0.5"]. Raises BadSetting for unknown names and impossible values."""
    fixed = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not equals:
            raise BadSetting(f"{entry!r} is not NAME=VALUE.")
        fixed[name.strip()] = checked(name.strip(), text.strip())
    return fixed
