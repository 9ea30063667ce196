"""The distribution of rendered micrographs: how settings are drawn, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .bodies import AGGREGATES
from .settings import (
    SECONDARY,
    ExposureSettings,
    RenderSettings,
    SceneSettings,
    ShadingSettings,
    SubstrateSettings,
    SupportSettings,
    checked,
)

DIAMETERS = (8.0, 150.0)
POWDERS = 0.06  # share of pictures of powder where neither kind nor family is given
FAMILY_WEIGHTS = {
    "facetted": 14, "rounded": 20, "sphere": 16, "ellipsoid": 12, "rod": 8, "cube": 5, "octahedron": 4,
    "platelet": 5, "fragment": 5, "aggregate": 5, "sintered": 15, "core-shell": 2, "hollow": 2,
}  # fmt: skip


class SettingsSampler:
    """Draws settings. A fixed setting keeps its value, and the stream of random numbers stays the same."""

    def __init__(self, rng: np.random.Generator, fixed: Mapping[str, Any]) -> None:
        self.rng, self.fixed = rng, {name: checked(name, value) for name, value in fixed.items()}

    def pick(self, name: str, weights: Mapping[str, float]) -> str:
        chances = np.array(list(weights.values()), float)
        drawn = list(weights)[int(self.rng.choice(len(chances), p=chances / chances.sum()))]
        return str(self.fixed.get(name, drawn))

    def between(self, name: str, low: float, high: float, chance: float = 1.0, otherwise: float = 0.0) -> float:
        """Uniform; with probability 1 - chance it is `otherwise`."""
        drawn, happens = float(self.rng.uniform(low, high)), self.rng.random() < chance
        return float(self.fixed.get(name, drawn if happens else otherwise))

    def scaled(self, name: str, low: float, high: float, chance: float = 1.0, otherwise: float = 0.0) -> float:
        """As `between`, uniform in the logarithm."""
        drawn, happens = float(np.exp(self.rng.uniform(np.log(low), np.log(high)))), self.rng.random() < chance
        return float(self.fixed.get(name, drawn if happens else otherwise))

    def whole(self, name: str, low: int, high: int, chance: float = 1.0, otherwise: int = 0) -> int:
        drawn, happens = int(self.rng.integers(low, high + 1)), self.rng.random() < chance
        return int(self.fixed.get(name, drawn if happens else otherwise))


def draw_settings(
    rng: np.random.Generator,
    fixed: Mapping[str, Any] | None = None,
    diameters: tuple[float, float] = DIAMETERS,
) -> RenderSettings:
    """Random settings, except the given ones in `fixed`. `diameters`: range of the typical diameter in px.

    Raises BadSetting when a fixed setting is unknown or out of range.
    """
    sampler = SettingsSampler(rng, fixed or {})
    if not sampler.fixed.keys() & {"kind", "family"} and rng.random() < POWDERS:
        sampler.fixed["kind"] = "powder"
    if usual := USUAL.get(sampler.fixed.get("kind", "")):
        sampler = SettingsSampler(rng, {**usual(sampler), **sampler.fixed})
    scene = draw_scene(sampler, diameters)
    shading = draw_shading(sampler, scene)
    support = {name: sampler.fixed[name] for name in SupportSettings.model_fields if name in sampler.fixed}
    return RenderSettings(
        scene=scene,
        substrate=draw_substrate(sampler, scene),
        shading=shading,
        exposure=draw_exposure(sampler, scene),
        support=SupportSettings(**support),
    )


def draw_supported(sampler: SettingsSampler) -> dict[str, Any]:
    """What is unlike other pictures where small particles lie on a thick support (HAADF, or bright-field STEM)."""
    return {
        "polarity": sampler.pick("polarity", {"bright": 80, "dark": 20}),
        "family": sampler.pick("family", {"sphere": 52, "ellipsoid": 30, "rounded": 13, "facetted": 5}),
        "layout": sampler.pick("layout", {"random": 60, "clustered": 40}),
        "spread": sampler.between("spread", 0.1, 0.6),
        "cover": sampler.scaled("cover", 0.015, 0.3),
        "overlap": sampler.between("overlap", 0.2, 1.0),
        "stacking": sampler.whole("stacking", 1, 1, 0.6),
        "texture": "none",
        "ground": 0.1,
        "gradient": sampler.between("gradient", 0.02, 0.3, 0.4),
        "scratches": 0,
        "patches": 0,
        "holes": 0,
        "frame": 0,
        "grain": sampler.scaled("grain", 0.005, 0.06),
        "specks": 0,
        "contrast": 0.3,
        "absorption": sampler.scaled("absorption", 0.3, 4),
        "diffraction": sampler.between("diffraction", 0.1, 0.45),
        "fringe": sampler.between("fringe", 0.1, 0.5, 0.15),
        "defocus": sampler.scaled("defocus", 0.5, 1.6),
        "dose": sampler.scaled("dose", 20, 3000),
        "read_noise": sampler.between("read_noise", 0, 0.02, 0.5),
        "line_noise": sampler.between("line_noise", 0.002, 0.02, 0.4),
        "drift": sampler.between("drift", 0.3, 1.0, 0.2),
        "level": sampler.between("level", 0, 12),
        "support": sampler.pick("support", {"grains": 48, "fractal": 30, "porous": 12, "sheets": 10}),
        "support_size": sampler.scaled("support_size", 2.5, 12),
        "support_share": sampler.between("support_share", 0.4, 1.0),
        "support_grey": sampler.scaled("support_grey", 0.5, 4.5),
        "support_grain": sampler.scaled("support_grain", 0.01, 0.12),
        "support_blur": sampler.scaled("support_blur", 1, 10),
    }


def draw_hrtem(sampler: SettingsSampler) -> dict[str, Any]:
    """What is unlike other pictures where crystals show their lattice on an amorphous film."""
    spacing = sampler.scaled("lattice_spacing", 2.5, 12)
    return {
        "polarity": sampler.pick("polarity", {"bright": 10, "dark": 90}),
        "family": sampler.pick("family", {"sphere": 25, "ellipsoid": 25, "rounded": 30, "facetted": 20}),
        "layout": sampler.pick("layout", {"random": 70, "clustered": 30}),
        "law": sampler.pick("law", {"log-normal": 50, "bimodal": 50}),
        "cover": sampler.scaled("cover", 0.02, 0.4),
        "texture": "none",
        "scratches": 0,
        "frame": 0,
        "specks": 0,
        "holes": sampler.between("holes", 0.02, 0.3, 0.04),
        "grain": 0.01,
        "contrast": 0.3,
        "absorption": sampler.scaled("absorption", 0.15, 1.5),
        "fringe": sampler.between("fringe", 0.1, 0.9, 0.7),
        "defocus": sampler.scaled("defocus", 0.5, 1.0),
        "lattice_spacing": spacing,
        "lattice_other": sampler.between("lattice_other", 0.7, 1.4) * spacing,
        "lattice_contrast": sampler.scaled("lattice_contrast", 0.1, 0.8),
        "amorphous": sampler.scaled("amorphous", 0.15, 1.0),
    }


def draw_powder(sampler: SettingsSampler) -> dict[str, Any]:
    """What is unlike other pictures of atomised powder: spheres of widely spread sizes and greys with satellites."""
    return {
        "polarity": "bright",
        "family": sampler.pick("family", {"sphere": 75, "ellipsoid": 25}),
        "mixing": 0.0,
        "law": sampler.pick("law", {"log-normal": 75, "bimodal": 25}),
        "spread": sampler.between("spread", 0.3, 0.7),
        "cover": sampler.scaled("cover", 0.25, 1.8),
        "layout": sampler.pick("layout", {"random": 50, "clustered": 50}),
        "overlap": sampler.between("overlap", 0.2, 0.9),
        "stacking": sampler.between("stacking", 0.7, 1.0),
        "satellites": sampler.scaled("satellites", 0.4, 4),
        "defocus": sampler.scaled("defocus", 0.5, 1.2),  # or satellites would be labelled that nobody sees
        "dose": sampler.scaled("dose", 80, 3000),
        "contrast": sampler.between("contrast", 0.2, 0.6),
        "variation": sampler.between("variation", 0.2, 0.6),
        "edge": sampler.between("edge", 0.3, 0.9),
        "detector": sampler.between("detector", 0.1, 0.4),
        "occlusion": sampler.between("occlusion", 0.5, 1.2),
        "gradient": sampler.between("gradient", 0.02, 0.3, 0.3),
        "level": sampler.between("level", 0, 25),
        "gain": sampler.between("gain", 190, 260),
    }


USUAL = {"supported": draw_supported, "hrtem": draw_hrtem, "powder": draw_powder}


def draw_scene(sampler: SettingsSampler, diameters: tuple[float, float]) -> SceneSettings:
    kind = sampler.pick("kind", {"sem": 76, "transmission": 24})
    through = kind not in SECONDARY
    family = sampler.pick("family", {f: w * _liking(f, through) for f, w in FAMILY_WEIGHTS.items()})
    layout = sampler.pick("layout", {"random": 35, "clustered": 55, "packed": 5 if family in AGGREGATES else 10})
    diameter = sampler.scaled("diameter", *diameters)
    polarity = sampler.pick("polarity", {"bright": 25, "dark": 75} if through else {"bright": 88, "dark": 12})
    dense = layout == "packed" or family in AGGREGATES
    return SceneSettings(
        kind=kind,
        polarity=polarity,
        family=family,
        mixing=sampler.between("mixing", 0.05, 0.4, 0.3),
        diameter=diameter,
        law=sampler.pick("law", {"log-normal": 78, "bimodal": 22}),
        spread=sampler.between("spread", 0.02, 0.12 if layout == "packed" else 0.5),
        fine_share=sampler.between("fine_share", 0.2, 0.7),
        fine_size=sampler.between("fine_size", 0.25, 0.6),
        cover=sampler.scaled("cover", 0.2 if dense else 0.03, 0.9 if through or dense else 2.2),
        layout=layout,
        clusters=sampler.scaled("clusters", 1.5, 12),
        overlap=sampler.between("overlap", 0.05, 0.3 if through or polarity == "dark" else 1.0, 0.8),
        stacking=sampler.between("stacking", 0.6, 1.0, 0.0 if through else 0.75),
        flat=sampler.between("flat", 0.5, 1.0, 0.75),
        rounding=sampler.between("rounding", *{"rounded": (0.25, 0.8), "cube": (0.05, 0.4)}.get(family, (0.0, 0.35))),
        aspect=sampler.scaled("aspect", 1.6, 7),
        relief=sampler.pick("relief", {"smooth": 40, "grain": 28, "bumps": 12, "pits": 6, "stripes": 5, "debris": 9}),
        relief_height=sampler.scaled("relief_height", 0.004, 0.05),
        relief_period=sampler.scaled("relief_period", 0.05, 0.3),
        primaries=sampler.scaled("primaries", *((2, 10) if family == "sintered" else (3, 25))),
        neck=sampler.between("neck", 0.2, 0.8),
        whole=sampler.whole("whole", 0, 0),
        satellites=float(sampler.fixed.get("satellites", 0)),
        core=sampler.between("core", 0.4, 0.9),
        density=sampler.scaled("density", 1.5, 6),
    )


def _liking(family: str, through: bool) -> float:
    """Core-shell and hollow particles show in transmission."""
    return 4.0 if through and family in ("core-shell", "hollow") else 1.0


def draw_shading(sampler: SettingsSampler, scene: SceneSettings) -> ShadingSettings:
    dark = scene.polarity == "dark"
    contrast = sampler.scaled("contrast", 0.05, 0.75)
    # Where particles lie on others, a picture must show their borders, or the labels would teach guessing.
    crowded = scene.overlap > 0.35
    faintest, strongest = (0.15 * contrast, 0.5 * contrast) if dark else (0.05, 0.9)
    return ShadingSettings(
        contrast=contrast,
        variation=sampler.between("variation", 0, 0.2),
        edge=sampler.between("edge", 0.3 * strongest if crowded else faintest, strongest),
        edge_power=sampler.scaled("edge_power", 0.7, 3),
        detector=sampler.between("detector", 0, 0.08 if dark else 0.3),
        angle=sampler.between("angle", 0, 360),
        occlusion=sampler.between("occlusion", 0.4 if crowded else 0.1, 1.0, 1.0 if crowded else 0.85),
        shadow=sampler.between("shadow", 0.05, 0.3, 0.35),
        halo=sampler.between("halo", -0.3, 0.25, 0.3),
        sheen=sampler.between("sheen", 0.02, 0.2, 0.6),
        transparency=sampler.between("transparency", 0.2, 1.0, 0.3),
        absorption=sampler.scaled("absorption", 0.4, 5),
        diffraction=sampler.between("diffraction", 0.05, 0.5, 0.6),
        fringe=sampler.between("fringe", 0.1, 0.9, 0.5),
    )


def draw_substrate(sampler: SettingsSampler, scene: SceneSettings) -> SubstrateSettings:
    through, blank = scene.kind not in SECONDARY, scene.kind == "blank"
    textures = {
        "none": 31, "contours": 9, "worms": 10, "wrinkles": 12, "rings": 8, "cracks": 7, "mosaic": 7, "pits": 8,
        "ripples": 8,
    }  # fmt: skip
    return SubstrateSettings(
        ground=sampler.between("ground", 0.1, 0.35),
        gradient=sampler.between("gradient", 0.02, 0.3, 0.6),
        cloud=sampler.between("cloud", 0.01, 0.12, 0.6),
        grain=sampler.scaled("grain", 0.05 if blank else 0.01, 0.3),
        grain_period=sampler.scaled("grain_period", 1.5, 8),
        texture=sampler.pick("texture", textures),
        texture_contrast=sampler.scaled("texture_contrast", 0.02, 0.22 if through else 0.4),
        texture_period=sampler.scaled("texture_period", 6, 60),
        lit=sampler.between("lit", 0.3, 1.0, 0.0 if through else 0.6),
        specks=sampler.scaled("specks", 0.1, 5, 0.35),
        speck_contrast=sampler.between("speck_contrast", 0.05, 0.12 if blank else 0.3),
        speck_size=sampler.scaled("speck_size", 1.5 if blank else 0.6, max(1.6, min(4.0, 0.12 * scene.diameter))),
        scratches=sampler.whole("scratches", 1, 6, 0.03 if through else 0.15),
        patches=sampler.whole("patches", 1, 5, 0.05 if blank else 0.15),
        holes=sampler.between("holes", 0.02, 0.3, 0.06 if blank else 0.12),
        frame=sampler.whole("frame", 1, 1, 0.06),
    )


def draw_exposure(sampler: SettingsSampler, scene: SceneSettings) -> ExposureSettings:
    fine, blank = scene.diameter < 14, scene.kind == "blank"
    return ExposureSettings(
        defocus=sampler.scaled("defocus", 0.5, 1.1 if fine else 2.2),
        astigmatism=sampler.between("astigmatism", 1.1, 1.8, 0.12, 1.0),
        dose=sampler.scaled("dose", 15, 3000),
        read_noise=sampler.between("read_noise", 0, 0.06, 0.7),
        line_noise=sampler.between("line_noise", 0.003, 0.025, 0.2),
        charging=sampler.between("charging", 0.03, 0.2, 0.12 if scene.kind in SECONDARY else 0.0),
        drift=sampler.between("drift", 0.5, 2.0, 0.06),
        vignette=sampler.between("vignette", 0.05, 0.3, 0.15),
        floor=sampler.scaled("floor", 0.15 if blank else 0.06, 1.2 if blank else 0.35),
        gamma=sampler.scaled("gamma", 0.7, 1.5),
        level=sampler.between("level", 0, 60),
        gain=sampler.between("gain", 110, 225),
        filtering=sampler.pick("filtering", {"none": 50, "smooth": 25, "median": 10, "average": 15}),
        resampling=sampler.between("resampling", 0.5, 0.95, 0.25, 1.0),
        sharpening=sampler.between("sharpening", 0.2, 0.8, 0.12),
        jpeg=sampler.whole("jpeg", 35, 95, 0.4, 100),
        annotation=sampler.pick("annotation", {"none": 84, "letter": 4, "scale-bar": 7, "data-bar": 5}),
    )
