"""Sentences on what an image can show, and what not, for each point of Commission Recommendation
2022/C 229/01 (the EU definition of a nanomaterial). Results and reports print them.

The volume-specific surface area is computed for spheres of the measured diameters d: the sum of
their surfaces divided by the sum of their volumes, 6 sum(d²) / sum(d³). The Recommendation excludes
materials under 6 m²/cm³ whatever their shape. Spheres of 100 nm have 60 m²/cm³ (2011/696/EU), rods
100 nm thick 40, plates 100 nm thick 20 (Wohlleben et al., J. Nanopart. Res. 19:61, 2017).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..results import Agglomerates, Point, Recommendation
from ..sizes.bins import NANO_NM
from ..sizes.distribution import Floats, WeightedSizes, nano_share
from .card import Terms

EXCLUDED_UNDER = 6.0  # m²/cm³
EXEMPT_NM = 100_000.0  # particles larger than this in two directions need not be counted
THIN_NM = 1.0  # thinner rods and plates count if they are over 100 nm long or wide
SPHERE_OF_1_NM = 6000.0  # m²/cm³
DIMENSION = (
    f"The minimum Feret diameter stands for the smallest external dimension; it counts from 1 to {NANO_NM:g} nm."
    " Outlines {smaller} are too small for these pixels and are not in the fraction. The verdict allows for them."
)
CONSTITUENTS = (
    "Each particle counts once, alone or in an aggregate or agglomerate. {touching}, and {singles:,} are single. An"
    " image cannot show whether touching particles are fused. This does not change the count."
)
THIN = (
    "Particles under 1 nm thick count, too, if they are over 100 nm long (rods, tubes) or wide (plates). {} If the"
    " material may hold such particles, count them with another method. {:,} of the particles are over 100 nm long."
)
# Whether particles of THIN_NM can be seen: no, yes.
VISIBLE = "Neither is visible at this magnification.", "Such rods are visible here, plates only on edge."
THICKNESS = (
    "An image shows two of three dimensions. A thin particle that lies flat is counted by its width. So the true"
    " fraction may be higher. This effect never makes it lower."
)
ROD, PLATE = 4 / 6, 2 / 6  # surface per volume, relative to a sphere of the same thickness


def recommendation(
    sizes: WeightedSizes, max_feret: Floats, groups: Agglomerates, terms: Terms
) -> Recommendation | None:
    """The points of the Recommendation for the counted particles of an image or a sample; None for
    sizes in px, or without particles.

    sizes: minimum Feret diameters. max_feret: (n,) nm, of the same particles in any order. groups:
    as in `Statistics.agglomerates`.
    """
    if sizes.unit == "px" or not len(sizes):
        return None
    weights = sizes.weights["number"]
    vssa = float(SPHERE_OF_1_NM * (weights * sizes.size**2).sum() / (weights * sizes.size**3).sum())
    exempt = int((sizes.size > EXEMPT_NM).sum())
    in_groups = "1 group" if groups["groups"] == 1 else f"{groups['groups']:,} groups"
    touching = f"{groups['primaries_in_groups']:,} of {len(sizes):,} lie in {in_groups} of two or more that touch"
    can_see_thin = (terms.least_nm or terms.pixel or 0.0) <= THIN_NM
    points = [
        ("Constituent particles", CONSTITUENTS.format(touching=touching, singles=groups["singles"])),
        ("External dimension", DIMENSION.format(smaller=terms.smaller_words)),
        ("Thickness", THICKNESS),
        ("Elongated and plate-like particles", THIN.format(VISIBLE[can_see_thin], int((max_feret > NANO_NM).sum()))),
        ("Particles over 100 µm", _over_100_um(exempt, nano_share(sizes.size, weights))),
        ("Volume-specific surface area", " ".join(_surface(vssa))),
    ]
    return Recommendation(vssa=vssa, exempt=exempt, points=[Point(title=title, said=words) for title, words in points])


def _over_100_um(exempt: int, fraction: float) -> str:
    """A sentence about particles that need not be counted. fraction: from 1 to 100 nm."""
    if not exempt:
        return "Particles over 100 µm in two directions need not be counted: there are none here."
    is_single = exempt == 1
    return (
        f"Particles over 100 µm in two directions need not be counted. We counted {exempt:,} such"
        f" particle{'' if is_single else 's'}."
        + (f" Without {'it' if is_single else 'them'} the fraction would be higher." if fraction else "")
    )


def _surface(vssa: float) -> Iterator[str]:
    """Sentences on the volume-specific surface area in m²/cm³ against 6, below which a material is excluded."""
    yield (
        f"About {vssa:.3g} m²/cm³ if all particles are spheres of their minimum Feret diameters,"
        f" {vssa * ROD:.3g} if they are rods of this width, {vssa * PLATE:.3g} if they are plates of this thickness."
    )
    if vssa < EXCLUDED_UNDER:
        yield "Below 6 m²/cm³ a material is no nanomaterial: confirm this value by gas adsorption."
    elif vssa * PLATE >= EXCLUDED_UNDER:
        yield "Below 6 m²/cm³ a material is no nanomaterial; this value is higher, whatever the shape."
    else:
        yield "Below 6 m²/cm³ a material is no nanomaterial. Spheres would be above, plates below: the shape decides."
    yield (
        "For comparison: spheres of 100 nm have 60, rods of 100 nm 40, plates of 100 nm 20. Pores, roughness, thin"
        " particles and particles too small to count add surface that the image does not show. There is no interval,"
        " because a few large particles have most of the volume."
    )
