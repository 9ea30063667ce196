"""Particles with a core and a shell have two concentric edges. This module finds the edge that the outline does not
follow, and can draw all outlines along the outer or along the inner edge.

RAYS rays start at the middle of an outline. The grey along a ray is read at multiples of the distance from the middle
to the outline. Such a multiple is called "radius" here: the outline is at radius 1, whatever its shape. There is a
second edge where the grey falls a second time, behind a plateau.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..separate import Labels, areas_of

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]

RAYS = 24  # of each outline
STEP, LAST_SAMPLE = 0.04, 3.2  # radii: between two samples of the grey, and at the last sample
BLUR = 0.05, 0.7  # sigma by which profiles are smoothed: in radii, but at least so many px
AT_OUTLINE = 0.16  # radius: the outline's own edge lies within 1 ± this
OUTSIDE, INSIDE = (1.2, 2.9), (0.22, 0.82)  # radii between which an outer or inner edge is searched
PLATEAU = 0.85  # between two edges the slope falls below this share of the slope at either edge
STEPS = 0.12, 0.2  # least step of the grey at the outer edge, and at the inner one, as a share of the whole contrast
NEAR_MIDDLE = 0.15  # radius at which the grey of the outline's middle is read
LEAST_STEP_ERRORS = 4.0  # least step at the second edge, in standard errors over the rays
LEAST_VISIBLE = 1 / 3  # least share of the rays that reach a radius without meeting another outline
NARROWEST_PX = 8.0  # px: in narrower outlines two edges cannot be told apart
MOST_OUTLINES = 200  # enough to tell whether a picture shows concentric edges
# A picture shows concentric edges if at least FEWEST_OUTLINES outlines, and at least the share LEAST_SHARE of all, have
# a second edge at one common radius, within the factor exp(RATIO_TOLERANCE). Of 366 micrographs of EMPS four do, all
# with cores in shells; of powder, TiO2 and composed beds none does.
FEWEST_OUTLINES, LEAST_SHARE, RATIO_TOLERANCE = 5, 1 / 3, 0.2
LEAST_RIM_SHARE, MOST_OFF_CENTRE = (
    0.85,
    0.3,
)  # share of a core's rim at its shell; distance of both middles in radii of the whole
RAY_TOLERANCE = 0.2  # relative deviation from the typical ratio within which a single ray may find the second edge


@dataclass(frozen=True, eq=False)
class Rays:
    """The rays of n outlines.

    centres: (n, 2) row and column. reach: (n, RAYS) px from the centre to the outline. grey: (n, RAYS, k) at each of
    RADII, NaN behind another outline or beyond the frame.
    """

    centres: Floats
    reach: Floats
    grey: Floats


RADII = np.arange(STEP, LAST_SAMPLE + STEP / 2, STEP)  # at which the grey is read
ANGLES = 2 * np.pi * np.arange(RAYS) / RAYS  # rad
DIRECTIONS = np.stack([np.sin(ANGLES), np.cos(ANGLES)])  # rows and columns


def rays_of_outlines(grey: Grey, labels: Labels, numbers: NDArray[np.int64]) -> Rays:
    """The rays of the outlines `numbers` (n,) of labels (H, W)."""
    boxes, height_width = ndimage.find_objects(labels), np.array(labels.shape)
    centres, reach = np.zeros((len(numbers), 2)), np.zeros((len(numbers), RAYS))
    for index, number in enumerate(numbers.tolist()):
        rows, columns = boxes[number - 1]
        body = np.pad(labels[rows, columns] == number, 1)
        middle = np.argwhere(body).mean(0)
        distances = np.arange(0, float(np.hypot(*body.shape)), 0.25)  # px
        points = middle[:, None, None] + DIRECTIONS[:, :, None] * distances
        y, x = np.clip(np.rint(points).astype(int), 0, np.array(body.shape)[:, None, None] - 1)
        reach[index] = 0.25 * np.argmin(body[y, x], axis=1)
        centres[index] = middle - 1 + (rows.start, columns.start)
    points = centres.T[:, :, None, None] + (DIRECTIONS[:, None, :] * reach)[..., None] * RADII
    values = ndimage.map_coordinates(grey.astype(np.float32), points, order=1, mode="nearest")
    last = height_width[:, None, None, None] - 1
    owner = labels[tuple(np.clip(np.rint(points).astype(int), 0, last))]
    foreign = (owner > 0) & (owner != numbers[:, None, None])
    is_known = np.all((points >= 0) & (points <= last), axis=0) & ~np.maximum.accumulate(foreign, axis=2)
    return Rays(centres, reach, np.where(is_known, values, np.nan))


def second_edges(rays: Rays) -> tuple[Floats, Floats]:
    """(n,) each: the radius at which each outline has a second edge outside it, and inside it; NaN for none.

    At each edge the grey falls outwards, because the objects are brighter than the background.
    """
    outer, inner = (np.full(len(rays.reach), np.nan) for _ in range(2))
    medians, ends = _profiles(rays.grey)
    sigmas = np.maximum(BLUR[0], BLUR[1] / np.maximum(np.median(rays.reach, axis=1), 1.0)) / STEP
    for index in np.flatnonzero((ends > 0) & (RADII[ends - 1] >= 1 + 2 * AT_OUTLINE)).tolist():
        middle = ndimage.gaussian_filter1d(medians[index, : ends[index]], float(sigmas[index]), mode="nearest")
        slope = -np.gradient(middle, STEP)
        tops = np.flatnonzero((slope[1:-1] > slope[:-2]) & (slope[1:-1] >= slope[2:])) + 1
        outer[index] = _second_edge(rays.grey[index], middle, slope, tops, OUTSIDE, STEPS[0])
        inner[index] = _second_edge(rays.grey[index], middle, slope, tops, INSIDE, STEPS[1])
    return outer, inner


def _profiles(grey: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """The median (n, k) of the grey (n, RAYS, k) over the rays that are not NaN, and the number (n,) of samples up to
    which at least the share LEAST_VISIBLE of the rays is not NaN."""
    counts = np.isfinite(grey).sum(1)
    is_seen = np.pad(counts >= LEAST_VISIBLE * RAYS, ((0, 0), (0, 1)))
    ascending = np.sort(grey, axis=1)  # NaN last
    middles = (np.maximum(counts - 1, 0) // 2, counts // 2)
    low, high = (np.take_along_axis(ascending, middle[:, None], axis=1)[:, 0] for middle in middles)
    return (low + high) / 2, np.asarray(np.argmin(is_seen, axis=1), np.intp)


def _second_edge(
    grey: Floats, middle: Floats, slope: Floats, tops: NDArray[np.intp], limits: tuple[float, float], least: float
) -> float:
    """The radius, within limits, at which the largest step of the grey lies; NaN if no step is clear.

    grey: (RAYS, k) of one outline. middle: (m,) the median over the rays. slope: (m,) how steeply `middle` falls. tops:
    the places of the slope's maxima. least: the least step, as a share of the whole contrast.
    """
    radii = RADII[: len(middle)]
    tops = tops[(radii[tops] >= limits[0]) & (radii[tops] <= limits[1])]
    best, edge = 0.0, np.nan
    if not len(tops):
        return edge
    own_edge = int(np.argmax(np.where(abs(radii - 1) < AT_OUTLINE, slope, -np.inf)))
    for top in tops.tolist():
        begin, end = sorted((own_edge, top))
        plateau = begin + int(np.argmin(slope[begin : end + 1]))
        if slope[plateau] > PLATEAU * min(slope[top], slope[own_edge]):
            continue
        # Places as far behind each of both edges as the plateau lies before it.
        beyond = int(np.clip(2 * top - plateau, 0, len(middle) - 1))
        mirrored = int(np.clip(2 * own_edge - plateau, 0, len(middle) - 1))
        ground, before, behind = max(beyond, mirrored), *sorted((plateau, beyond))
        step = middle[before] - middle[behind]
        outline_step = middle[min(plateau, mirrored)] - middle[max(plateau, mirrored)]
        contrast = max(middle[int(NEAR_MIDDLE / STEP)], middle[before]) - middle[ground]
        if not (step > max(best, least * contrast) and outline_step > least * contrast > 0):
            continue
        sides = (grey[:, max(0, place - 1) : min(place + 2, len(middle))] for place in (before, behind))
        near, far = (np.where(np.isfinite(side).any(1), np.nansum(side, 1), np.nan) / 3 for side in sides)
        steps = (near - far)[np.isfinite(near - far)]
        is_enough = len(steps) >= LEAST_VISIBLE * RAYS
        if is_enough and steps.mean() >= LEAST_STEP_ERRORS * steps.std() / np.sqrt(len(steps)):
            best, edge = step, float(radii[top])
    return edge


def concentric_edges(grey: Grey, labels: Labels) -> dict[str, Any]:
    """The concentric edges of a picture in numbers; {} if it shows none.

    grey: (H, W), objects brighter than the background. labels: (H, W) 1..n. The stored result has "outlines": how many
    of the outlines have two edges; "cores": the share of these that follow the inner edge; "ratio": outer over inner
    diameter; "shift": by which share D10 or the median is smaller than if all outlines followed the outer edge.
    """
    shell_of, count = cores_in_shells(labels), int(labels.max(initial=0))
    sizes_of_cores = np.sqrt(areas_of(labels, count)[list(shell_of)])
    labels = _renamed(labels, shell_of)
    areas = areas_of(labels, count)[1:]
    numbers = np.flatnonzero(areas >= np.pi / 4 * NARROWEST_PX**2) + 1
    if len(numbers) > MOST_OUTLINES:
        numbers = numbers[np.linspace(0, len(numbers) - 1, MOST_OUTLINES).round().astype(int)]
    if len(numbers) < FEWEST_OUTLINES:
        return {}
    outer, inner = second_edges(rays_of_outlines(grey, labels, numbers))
    ratios = np.where(np.isfinite(outer), outer, 1 / inner)
    has_two = np.isfinite(ratios)
    if not has_two.any():
        return {}
    ratio = float(np.median(ratios[has_two]))
    has_two &= abs(np.log(np.where(has_two, ratios, ratio) / ratio)) < RATIO_TOLERANCE
    if has_two.sum() < FEWEST_OUTLINES or has_two.mean() < LEAST_SHARE:
        return {}
    sizes, is_core = np.sqrt(areas[numbers - 1]), has_two & np.isfinite(outer)
    outer_sizes = sizes * np.where(_with_similar_sizes(is_core, has_two & ~is_core, sizes, ratio), ratio, 1.0)
    sizes = np.append(sizes, sizes_of_cores)
    shift = max(1 - np.quantile(sizes, level) / np.quantile(outer_sizes, level) for level in (0.1, 0.5))
    cores = float((is_core.sum() + len(sizes_of_cores)) / (has_two.sum() + len(sizes_of_cores)))
    return {
        "outlines": int(has_two.sum()),
        "cores": round(cores, 3),
        "ratio": round(ratio, 2),
        "shift": round(float(np.clip(shift, 0, 1)), 3),
    }


def redrawn_along_edge(grey: Grey, labels: Labels, edge: Literal["outer", "inner"]) -> Labels:
    """The labels (H, W) with all outlines drawn along the outer, or along the inner, of two concentric edges; unchanged
    if the picture shows no such edges.

    An outline without a visible second edge is treated like outlines of its size. Where core and shell had two
    outlines, one of their numbers has no pixels afterwards. An outline that grows takes only background; a pixel that
    several outlines reach goes to the one in which it lies deepest.
    """
    edges = concentric_edges(grey, labels)
    if not edges:
        return labels
    shell_of, count = cores_in_shells(labels), int(labels.max(initial=0))
    labels = _renamed(labels, shell_of if edge == "outer" else dict.fromkeys(shell_of.values(), 0))
    areas = areas_of(labels, count)[1:]
    numbers = np.flatnonzero(areas) + 1
    areas = areas[numbers - 1]
    rays = rays_of_outlines(grey, labels, numbers)
    outer, inner = second_edges(rays)
    outer[areas < np.pi / 4 * NARROWEST_PX**2] = inner[areas < np.pi / 4 * NARROWEST_PX**2] = np.nan
    wanted, other, ratio = (outer, inner, edges["ratio"]) if edge == "outer" else (inner, outer, 1 / edges["ratio"])
    wanted = np.where(abs(np.log(wanted / ratio)) < RATIO_TOLERANCE, wanted, np.nan)
    changes, stays = np.isfinite(wanted), np.isfinite(other) & ~np.isfinite(wanted)
    changes_too = _with_similar_sizes(changes, stays, np.sqrt(areas), ratio) & ~changes
    wanted = np.where(changes_too, ratio, wanted)
    redrawn, depth = labels.copy(), np.full(labels.shape, np.inf)
    for index in np.flatnonzero(np.isfinite(wanted)).tolist():
        ends = _ends(rays, index, float(wanted[index]))
        _redraw(redrawn, depth, labels, int(numbers[index]), rays.centres[index], ends, float(rays.reach[index].max()))
    return redrawn


def cores_in_shells(labels: Labels) -> dict[int, int]:
    """The shell of each core, as numbers of labels (H, W), where the two were outlined separately: the shell touches
    nearly all of the core's rim, and both together have the same middle as the core."""
    count = int(labels.max(initial=0))
    pairs = []
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        differ = one != other
        numbers = one[differ].astype(np.int64), other[differ].astype(np.int64)
        pairs += [numbers[0] * (count + 1) + numbers[1], numbers[1] * (count + 1) + numbers[0]]
    pair, lengths = np.unique(np.concatenate(pairs), return_counts=True)
    keys = np.stack(np.divmod(pair, count + 1))
    rims = np.bincount(keys[0], lengths, count + 1)
    is_nested = (keys[0] > 0) & (keys[1] > 0) & (lengths >= LEAST_RIM_SHARE * rims[keys[0]])
    boxes, shells = ndimage.find_objects(labels), dict[int, int]()
    for core, shell in keys[:, is_nested].T.tolist():
        window = labels[boxes[shell - 1]]
        core_px, whole_px = (np.argwhere(part) for part in (window == core, (window == core) | (window == shell)))
        if not len(core_px):
            continue
        distance = float(np.hypot(*(core_px.mean(0) - whole_px.mean(0))))
        if distance < MOST_OFF_CENTRE * np.sqrt(len(whole_px) / np.pi):
            shells[core] = shell
    return {core: shell for core, shell in shells.items() if shell not in shells}


def _renamed(labels: Labels, numbers: Mapping[int, int]) -> Labels:
    """The labels (H, W) after each number that is a key of `numbers` was replaced by its value."""
    if not numbers:
        return labels
    table = np.arange(int(labels.max(initial=0)) + 1, dtype=np.int32)
    table[list(numbers)] = list(numbers.values())
    return table[labels]


def _with_similar_sizes(
    changes: NDArray[np.bool_], stays: NDArray[np.bool_], sizes: Floats, ratio: float
) -> NDArray[np.bool_]:
    """(n,) which outlines have to be drawn along the other edge: all of `changes`, and every outline that is neither in
    `changes` nor in `stays` but resembles the former more in size.

    sizes: (n,) px. ratio: size after the change / size before.
    """
    if not changes.any():
        return changes
    sizes = np.log(np.maximum(sizes, 1))
    size = float(np.median(sizes[changes]))
    other_size = float(np.median(sizes[stays])) if stays.any() else size + np.log(ratio)
    return changes | (~stays & (abs(sizes - size) < abs(sizes - other_size)))


def _ends(rays: Rays, index: int, radius: float) -> Floats:
    """(RAYS,) px from the middle of an outline to its other edge, which lies at about `radius`.

    Each ray ends where its grey is steepest near `radius`, or at `radius` if no edge is visible. The ends are smoothed.
    """
    is_near = abs(RADII / radius - 1) <= RAY_TOLERANCE
    grey = ndimage.gaussian_filter1d(rays.grey[index], max(1.0, BLUR[0] / STEP), axis=1, mode="nearest")
    slope = np.where(is_near, -np.gradient(grey, axis=1), np.nan)
    is_seen = np.isfinite(slope).any(1)
    steepest = RADII[np.argmax(np.nan_to_num(slope, nan=-np.inf), axis=1)]
    radii = ndimage.median_filter(np.where(is_seen, steepest, radius), 5, mode="wrap")
    return np.asarray(ndimage.gaussian_filter1d(radii * rays.reach[index], 1.0, mode="wrap"), np.float64)


def _redraw(
    redrawn: Labels, depth: Floats, labels: Labels, number: int, middle: Floats, ends: Floats, reach: float
) -> None:
    """Draw the outline `number` into `redrawn` (H, W), in place: around `middle`, with rays of `ends` (RAYS,) px.

    depth: (H, W), changed in place: the distance of each drawn pixel from the middle, as a share of the distance of the
    new edge. reach: px, the longest ray of the outline before.
    """
    far = max(float(ends.max()), reach) + 1
    sides = zip(middle, labels.shape, strict=True)
    window = tuple(slice(max(0, int(centre - far)), min(side, int(centre + far) + 2)) for centre, side in sides)
    rows, columns = np.ogrid[window]
    dy, dx = rows - middle[0], columns - middle[1]
    angle = np.arctan2(dy, dx) % (2 * np.pi)
    share = np.hypot(dy, dx) / np.interp(angle, np.append(ANGLES, 2 * np.pi), np.append(ends, ends[0]))
    body = labels[window] == number
    inside = (share <= 1) & (body | ((labels[window] == 0) & (share < depth[window])))
    if not inside.any():
        return
    part = redrawn[window]
    part[body] = 0
    part[inside] = number
    depth[window][inside] = share[inside]
