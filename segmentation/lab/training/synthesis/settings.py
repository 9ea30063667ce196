"""What a rendered micrograph is made of: every number that decides its looks, with its range and its meaning."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ....core.errors import UserError
from ....core.validation import Settings
from .bodies import FAMILIES

KINDS = ("sem", "powder", "transmission", "blank", "supported", "hrtem")
SECONDARY = ("sem", "powder", "blank")  # of these secondary electrons are seen, no transmitted ones
POLARITIES = ("bright", "dark")
SUPPORTS = ("none", "grains", "fractal", "porous", "sheets")
LAWS = ("log-normal", "bimodal")
LAYOUTS = ("random", "clustered", "packed")
RELIEFS = ("smooth", "grain", "bumps", "pits", "stripes", "debris")
TEXTURES = ("none", "contours", "worms", "wrinkles", "rings", "cracks", "mosaic", "pits", "ripples")
FILTERS = ("none", "smooth", "median", "average")
ANNOTATIONS = ("none", "letter", "scale-bar", "data-bar")


class BadSetting(UserError):
    """A setting has no such name or cannot have that value; the message says which."""


def number(low: float, high: float, what: str, usual: float | None = None) -> Any:
    """An entry between two numbers."""
    return Field(... if usual is None else usual, ge=low, le=high, description=what)


class SceneSettings(Settings):
    """The particles: what they are, how large, how many and where."""

    kind: Literal[*KINDS] = Field(
        description="secondary electrons, the same of powder with satellites, transmission, a substrate without "
        "particles, particles on a thick support in STEM, or lattices on an amorphous film"
    )
    polarity: Literal[*POLARITIES] = Field(description="particles brighter or darker than their surroundings")
    family: Literal[*FAMILIES, "fibre"] = Field(description="shape of the particles")
    mixing: float = number(0, 1, "share of particles of other families")
    diameter: float = number(3, 2000, "typical particle diameter in px (of the primaries in aggregates)")
    law: Literal[*LAWS] = Field(description="size law; bimodal adds a finer mode")
    spread: float = number(0, 1, "standard deviation of ln(diameter)")
    fine_share: float = number(0, 1, "share of particles in the finer mode")
    fine_size: float = number(0.05, 1, "size of the finer mode relative to the coarser")
    cover: float = number(0.001, 6, "summed area of the particles over the area of the picture")
    layout: Literal[*LAYOUTS] = Field(description="places: anywhere, in agglomerates, or a packed layer")
    clusters: float = number(0.5, 40, "size of agglomerates in particle diameters")
    overlap: float = number(0, 1, "largest share of a particle that may lie on others; 0: they touch at most")
    stacking: float = number(0, 1, "1: particles rest on those below; 0: all lie in one plane")
    flat: float = number(0, 1, "share of particles that lie on a face instead of standing at random")
    rounding: float = number(0, 1, "radius of edges and corners relative to that of the particle")
    aspect: float = number(1, 20, "length of rods, width of platelets, over their thickness")
    relief: Literal[*RELIEFS] = Field(description="texture of the particles' surface")
    relief_height: float = number(0, 0.2, "height of that texture relative to the diameter")
    relief_period: float = number(0.01, 1, "wavelength of that texture relative to the diameter")
    primaries: float = number(2, 60, "mean number of primaries in an aggregate")
    neck: float = number(0, 1, "radius of sintering necks relative to that of the primary")
    whole: int = number(0, 1, "1: an aggregate is one particle; 0: each of its primaries is one")
    satellites: float = number(0, 30, "mean number of small particles that are stuck on each large one", 0)
    core: float = number(0, 0.95, "radius of the core (core-shell) or void (hollow) relative to the particle's")
    density: float = number(0, 20, "density of the core relative to the shell")


class SubstrateSettings(Settings):
    """The substrate under the particles. Contrasts are relative to the contrast of the particles."""

    ground: float = number(0, 1, "grey of the bare substrate")
    gradient: float = number(0, 2, "grey difference across the picture")
    cloud: float = number(0, 2, "contrast of wide soft variations")
    grain: float = number(0, 2, "contrast of fine grain (sputtered metal, carbon film)")
    grain_period: float = number(1, 40, "wavelength of the grain in px")
    texture: Literal[*TEXTURES] = Field(description="pattern of the substrate")
    texture_contrast: float = number(0, 2, "contrast of that pattern")
    texture_period: float = number(2, 400, "wavelength of that pattern in px")
    lit: float = number(0, 1, "0: pattern by composition; 1: a relief lit from the side of the detector")
    specks: float = number(0, 20, "faint specks in 1000 px")
    speck_contrast: float = number(0, 1, "contrast of the specks")
    speck_size: float = number(0.3, 20, "their SD in px")
    scratches: int = number(0, 40, "number of scratches")
    patches: int = number(0, 40, "number of stains of contamination")
    holes: float = number(0, 0.9, "share of the picture that is holes of the film")
    frame: int = number(0, 1, "1: the darker rectangle that an earlier scan left")


class ShadingSettings(Settings):
    """How matter becomes grey, in units of full contrast."""

    contrast: float = number(0, 2, "grey of a particle's flat surface over that of the substrate")
    variation: float = number(0, 1, "SD of that from particle to particle, relative to it")
    edge: float = number(0, 3, "brightening of steep surfaces and rims")
    edge_power: float = number(0.3, 6, "its sharpness: high values keep it to the very rim")
    detector: float = number(0, 1, "difference between sides facing and averting the detector")
    angle: float = number(0, 360, "direction of the detector in degrees")
    occlusion: float = number(0, 2, "darkening of places between higher ones")
    shadow: float = number(0, 2, "darkening of the substrate behind particles")
    halo: float = number(-1, 1, "brightening (or darkening) of the substrate around particles: charging")
    sheen: float = number(0, 1, "fine grain on the particles, relative to their contrast")
    transparency: float = number(0, 1, "share of a particle's grey that follows its thickness")
    absorption: float = number(0.01, 20, "transmission: absorption over one diameter of matter")
    diffraction: float = number(0, 1, "transmission: SD of absorption from particle to particle")
    fringe: float = number(0, 3, "transmission: strength of the Fresnel fringe")


class ExposureSettings(Settings):
    """From grey to the pixels of the file."""

    defocus: float = number(0, 12, "SD of the point spread in px")
    astigmatism: float = number(1, 4, "its ratio of axes")
    dose: float = number(1, 1e6, "electrons per pixel at full grey")
    read_noise: float = number(0, 1, "SD of grey noise that does not depend on the signal")
    line_noise: float = number(0, 1, "SD of grey from scan line to scan line")
    charging: float = number(0, 2, "bright and dark streaks along scan lines")
    drift: float = number(0, 20, "sideways jumps of scan lines in px")
    vignette: float = number(0, 1, "loss of grey in the corners")
    floor: float = number(0.01, 4, "smallest grey span that is stretched to full contrast")
    gamma: float = number(0.2, 5, "exponent of the response")
    level: float = number(0, 200, "grey value of black")
    gain: float = number(10, 400, "grey values from black to white; what is above 255 is saturated")
    filtering: Literal[*FILTERS] = Field(description="filter applied to the noisy picture")
    resampling: float = number(0.2, 1, "scale at which the picture was once stored")
    sharpening: float = number(0, 4, "strength of unsharp masking")
    jpeg: int = number(5, 100, "JPEG quality; 100: never compressed")
    annotation: Literal[*ANNOTATIONS] = Field(description="what is burnt in; never labelled")


class SupportSettings(Settings):
    """What kinds `supported` and `hrtem` have besides; in units of a particle of typical size."""

    support: Literal[*SUPPORTS] = Field("none", description="supported: what the particles lie on")
    support_size: float = number(1, 60, "supported: size of its grains relative to the particles", 5)
    support_share: float = number(0.05, 1, "supported: share of the picture that it takes", 0.6)
    support_grey: float = number(0, 20, "supported: its grey over that of a typical particle", 2)
    support_grain: float = number(0, 1, "supported: its fine unevenness", 0.05)
    support_blur: float = number(0, 40, "supported: how far out of focus it lies, SD in px", 3)
    lattice_spacing: float = number(2, 40, "hrtem: distance of the lattice fringes in px", 6)
    lattice_other: float = number(1, 60, "hrtem: that of the second material, the finer mode of `law=bimodal`", 5)
    lattice_contrast: float = number(0, 2, "hrtem: contrast of the fringes", 0.3)
    lattice_other_contrast: float = number(0, 5, "hrtem: that of the second material, relative to the first's", 1)
    amorphous: float = number(0, 4, "hrtem: contrast of the film's grain", 0.5)


class MatSettings(Settings):
    """What pictures of the family `fibre` have besides."""

    length: float = number(3, 1000, "typical length over the diameter", 60)
    curl: float = number(0, 20, "how far its direction wanders over 30 diameters, in rad", 1)
    alignment: float = number(0, 1, "0: every direction alike, 1: all in one", 0)
    bundles: float = number(0, 1, "share of places with several side by side", 0)
    beads: float = number(0, 20, "mean number of beads in 100 diameters", 0)
    unevenness: float = number(0, 0.5, "SD of the diameter along it, relative to it", 0)


class RenderSettings(Settings):
    """Everything that decides a picture, but for its size and its random numbers."""

    scene: SceneSettings
    substrate: SubstrateSettings
    shading: ShadingSettings
    exposure: ExposureSettings
    support: SupportSettings = SupportSettings()
    mat: MatSettings = MatSettings()

    def flat(self) -> dict[str, Any]:
        """All settings by name."""
        return {name: value for part in self.model_dump().values() for name, value in part.items()}


PARTS = (SceneSettings, SubstrateSettings, ShadingSettings, ExposureSettings, SupportSettings, MatSettings)


@cache
def every_setting() -> dict[str, FieldInfo]:
    """The fields of all parts by name, in order."""
    return {name: field for part in PARTS for name, field in part.model_fields.items()}


def options(setting: FieldInfo) -> tuple[str, ...]:
    """What a setting may be, where it is a choice."""
    return get_args(setting.annotation)


def limits(setting: FieldInfo) -> tuple[float, float]:
    """The smallest and the largest value of a setting that is a number."""
    low, high = (next(getattr(m, end) for m in setting.metadata if hasattr(m, end)) for end in ("ge", "le"))
    return low, high


def allowed(setting: FieldInfo) -> str:
    """The values that a setting may have, in words."""
    return ", ".join(options(setting)) or "{:g} to {:g}".format(*limits(setting))


def checked(name: str, text: object) -> Any:
    """The value of setting `name` written as `text`. Raises BadSetting."""
    if name not in every_setting():
        raise BadSetting(f"There is no setting {name!r}; known are {', '.join(every_setting())}.")
    try:
        return _reader(name).validate_python(text)
    except ValidationError as error:
        raise BadSetting(f"{name} cannot be {text}; it may be {allowed(every_setting()[name])}.") from error


@cache
def _reader(name: str) -> TypeAdapter[Any]:
    setting = every_setting()[name]
    return TypeAdapter(Annotated[setting.annotation, setting])


def parse_fixed(entries: list[str]) -> dict[str, Any]:
    """{"cover": 0.5} from ["cover=0.5"]. Raises BadSetting for unknown names and impossible values."""
    fixed = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not equals:
            raise BadSetting(f"{entry!r} is not NAME=VALUE.")
        fixed[name.strip()] = checked(name.strip(), text.strip())
    return fixed
