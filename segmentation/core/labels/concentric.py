"""Concentric edges: a core within a shell, of which an outline follows the inner edge or the outer one.

From the middle of an outline RAYS go out. Along each the grey is read in shares of the way to the outline, so that 1 is
the outline itself, whatever its shape. Where the grey falls a second time, behind a plateau, is another edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .separate import Labels, areas_of

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]

RAYS = 24
STEP, FARTHEST = 0.04, 3.2  # shares of the way to the outline: between two samples, and the last one
BLUR = 0.05, 0.7  # sigma by which profiles are smoothed: share of the way, px
AT_OUTLINE = 0.16  # share of the way around 1, where the slope is that of the outline
OUTSIDE, INSIDE = (1.2, 2.9), (0.22, 0.82)  # where another edge is looked for
PLATEAU = 0.85  # of the slopes at both edges, under which the slope falls between them
STEPS = 0.12, 0.2  # share of the whole contrast that the outer edge, and the inner edge, has at least
MIDDLE = 0.15  # share of the way at which the grey is that of the middle
COHERENT = 4.0  # standard errors over the rays that the step at the other edge has at least
SEEN = 1 / 3  # share of the rays that reach so far without another outline
NARROWEST = 8.0  # px of an outline in which edges can be told apart
LOOKED_AT = 200  # outlines that suffice to tell whether a picture shows such edges
# A picture shows them where so many outlines, and such a share, have another edge at the same share of the way. On
# 366 micrographs of EMPS four do, all of cores in shells; none of powder, TiO2 and composed beds.
FEWEST, SHARE, ALIKE = 5, 1 / 3, 0.2  # ALIKE: natural logarithm
NESTED, CENTRED = 0.85, 0.3  # share of a core's rim at its shell; distance of both middles in radii of the whole
LOOSE = 0.2  # share by which a ray may find the other edge nearer or farther


@dataclass(frozen=True, eq=False)
class Rays:
    """Of n outlines: centres (n, 2) row and column, reach (n, RAYS) px to the outline, and grey (n, RAYS, k) at each
    share of the way, NaN behind another outline or beyond the frame."""

    centres: Floats
    reach: Floats
    grey: Floats


SHARES = np.arange(STEP, FARTHEST + STEP / 2, STEP)
ANGLES = 2 * np.pi * np.arange(RAYS) / RAYS
WAYS = np.stack([np.sin(ANGLES), np.cos(ANGLES)])


def rays_of(grey: Grey, labels: Labels, numbers: NDArray[np.int64]) -> Rays:
    """The rays of the outlines `numbers` (n,) of labels (H, W)."""
    boxes, height_width = ndimage.find_objects(labels), np.array(labels.shape)
    centres, reach = np.zeros((len(numbers), 2)), np.zeros((len(numbers), RAYS))
    for index, number in enumerate(numbers.tolist()):
        rows, columns = boxes[number - 1]
        mine = np.pad(labels[rows, columns] == number, 1)
        middle = np.argwhere(mine).mean(0)
        away = np.arange(0, float(np.hypot(*mine.shape)), 0.25)
        at = middle[:, None, None] + WAYS[:, :, None] * away
        y, x = np.clip(np.rint(at).astype(int), 0, np.array(mine.shape)[:, None, None] - 1)
        reach[index] = 0.25 * np.argmin(mine[y, x], axis=1)
        centres[index] = middle - 1 + (rows.start, columns.start)
    at = centres.T[:, :, None, None] + (WAYS[:, None, :] * reach)[..., None] * SHARES
    values = ndimage.map_coordinates(grey.astype(np.float32), at, order=1, mode="nearest")
    last = height_width[:, None, None, None] - 1
    owner = labels[tuple(np.clip(np.rint(at).astype(int), 0, last))]
    foreign = (owner > 0) & (owner != numbers[:, None, None])
    is_known = np.all((at >= 0) & (at <= last), axis=0) & ~np.maximum.accumulate(foreign, axis=2)
    return Rays(centres, reach, np.where(is_known, values, np.nan))


def other_edges(rays: Rays) -> tuple[Floats, Floats]:
    """(n,) shares of the way to each outline at which there is a second edge outside it, and inside it; NaN: none.

    The grey falls outwards at each of them (the objects are brighter than the ground), and between both edges less.
    """
    outer, inner = (np.full(len(rays.reach), np.nan) for _ in range(2))
    medians, ends = _profiles(rays.grey)
    sigmas = np.maximum(BLUR[0], BLUR[1] / np.maximum(np.median(rays.reach, axis=1), 1.0)) / STEP
    for index in np.flatnonzero((ends > 0) & (SHARES[ends - 1] >= 1 + 2 * AT_OUTLINE)).tolist():
        middle = ndimage.gaussian_filter1d(medians[index, : ends[index]], float(sigmas[index]), mode="nearest")
        slope = -np.gradient(middle, STEP)
        tops = np.flatnonzero((slope[1:-1] > slope[:-2]) & (slope[1:-1] >= slope[2:])) + 1
        outer[index] = _second_edge(rays.grey[index], middle, slope, tops, OUTSIDE, STEPS[0])
        inner[index] = _second_edge(rays.grey[index], middle, slope, tops, INSIDE, STEPS[1])
    return outer, inner


def _profiles(grey: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Of grey (n, RAYS, k) the median (n, k) of the rays that are not NaN, and the place (n,) up to which enough of
    them are seen."""
    counts = np.isfinite(grey).sum(1)
    is_seen = np.pad(counts >= SEEN * RAYS, ((0, 0), (0, 1)))
    ascending = np.sort(grey, axis=1)  # NaN last
    middles = (np.maximum(counts - 1, 0) // 2, counts // 2)
    low, high = (np.take_along_axis(ascending, at[:, None], axis=1)[:, 0] for at in middles)
    return (low + high) / 2, np.asarray(np.argmin(is_seen, axis=1), np.intp)


def _second_edge(
    grey: Floats, middle: Floats, slope: Floats, tops: NDArray[np.intp], limits: tuple[float, float], least: float
) -> float:
    """The share of the way at which the largest step lies within limits, NaN without one. grey: (RAYS, k). middle: (m,)
    the median of the rays, as far as enough of them are seen. slope: (m,) downwards; tops: its maxima. least: share of
    the whole contrast."""
    shares = SHARES[: len(middle)]
    tops = tops[(shares[tops] >= limits[0]) & (shares[tops] <= limits[1])]
    best, edge = 0.0, np.nan
    if not len(tops):
        return edge
    main = int(np.argmax(np.where(abs(shares - 1) < AT_OUTLINE, slope, -np.inf)))
    for top in tops.tolist():
        begin, end = sorted((main, top))
        plateau = begin + int(np.argmin(slope[begin : end + 1]))
        if slope[plateau] > PLATEAU * min(slope[top], slope[main]):
            continue
        beyond = int(np.clip(2 * top - plateau, 0, len(middle) - 1))  # as far behind the edge as the plateau before it
        mirrored = int(np.clip(2 * main - plateau, 0, len(middle) - 1))  # the same of the outline's own edge
        ground, before, behind = max(beyond, mirrored), *sorted((plateau, beyond))
        step = middle[before] - middle[behind]
        outline_step = middle[min(plateau, mirrored)] - middle[max(plateau, mirrored)]
        whole = max(middle[int(MIDDLE / STEP)], middle[before]) - middle[ground]
        sides = (grey[:, max(0, at - 1) : min(at + 2, len(middle))] for at in (before, behind))
        near, far = (np.where(np.isfinite(side).any(1), np.nansum(side, 1), np.nan) / 3 for side in sides)
        steps = (near - far)[np.isfinite(near - far)]
        is_coherent = len(steps) >= SEEN * RAYS and steps.mean() >= COHERENT * steps.std() / np.sqrt(len(steps))
        if step > max(best, least * whole) and outline_step > least * whole > 0 and is_coherent:
            best, edge = step, float(shares[top])
    return edge


def concentric(grey: Grey, labels: Labels) -> dict[str, Any]:
    """What a picture shows of concentric edges, {} where it shows none.

    grey: (H, W), objects brighter than the ground. "cores": share of the outlines that follow the inner edge, of those
    with two. "outlines": with two edges. "ratio": outer diameter over the inner one. "shift": by which share D10 or the
    median is smaller than if all followed the outer edge.
    """
    parted, count = cores_in_shells(labels), int(labels.max(initial=0))
    apart = np.sqrt(areas_of(labels, count)[list(parted)])
    labels = _changed(labels, parted)
    areas = areas_of(labels, count)[1:]
    numbers = np.flatnonzero(areas >= np.pi / 4 * NARROWEST**2) + 1
    if len(numbers) > LOOKED_AT:
        numbers = numbers[np.linspace(0, len(numbers) - 1, LOOKED_AT).round().astype(int)]
    if len(numbers) < FEWEST:
        return {}
    outer, inner = other_edges(rays_of(grey, labels, numbers))
    ratios = np.where(np.isfinite(outer), outer, 1 / inner)
    has_two = np.isfinite(ratios)
    if not has_two.any():
        return {}
    ratio = float(np.median(ratios[has_two]))
    has_two &= abs(np.log(np.where(has_two, ratios, ratio) / ratio)) < ALIKE
    if has_two.sum() < FEWEST or has_two.mean() < SHARE:
        return {}
    sizes, is_core = np.sqrt(areas[numbers - 1]), has_two & np.isfinite(outer)
    whole = sizes * np.where(_with_alike(is_core, has_two & ~is_core, sizes, ratio), ratio, 1.0)
    core_sizes = np.append(sizes, apart)
    shift = max(1 - np.quantile(core_sizes, level) / np.quantile(whole, level) for level in (0.1, 0.5))
    cores = float((is_core.sum() + len(apart)) / (has_two.sum() + len(apart)))
    return {
        "outlines": int(has_two.sum()),
        "cores": round(cores, 3),
        "ratio": round(ratio, 2),
        "shift": round(float(np.clip(shift, 0, 1)), 3),
    }


def along_edge(grey: Grey, labels: Labels, edge: Literal["outer", "inner"]) -> Labels:
    """Labels 1..n (H, W) whose outlines all follow the outer, or the inner one of two concentric edges; unchanged in a
    picture that shows none. An outline without a second edge of its own follows those of its size. Where core and shell
    were outlined apart, one of both numbers has no pixels then.

    What grows takes ground only; of pixels that several reach, each goes to the one that it lies deepest in.
    """
    edges = concentric(grey, labels)
    if not edges:
        return labels
    parted, count = cores_in_shells(labels), int(labels.max(initial=0))
    labels = _changed(labels, parted if edge == "outer" else dict.fromkeys(parted.values(), 0))
    areas = areas_of(labels, count)[1:]
    numbers = np.flatnonzero(areas) + 1
    areas = areas[numbers - 1]
    rays = rays_of(grey, labels, numbers)
    outer, inner = other_edges(rays)
    outer[areas < np.pi / 4 * NARROWEST**2] = inner[areas < np.pi / 4 * NARROWEST**2] = np.nan
    wanted, other, ratio = (outer, inner, edges["ratio"]) if edge == "outer" else (inner, outer, 1 / edges["ratio"])
    wanted = np.where(abs(np.log(wanted / ratio)) < ALIKE, wanted, np.nan)
    changes, stays = np.isfinite(wanted), np.isfinite(other) & ~np.isfinite(wanted)
    is_alike = _with_alike(changes, stays, np.sqrt(areas), ratio) & ~changes
    wanted = np.where(is_alike, ratio, wanted)
    redrawn, depth = labels.copy(), np.full(labels.shape, np.inf)
    for index in np.flatnonzero(np.isfinite(wanted)).tolist():
        ends = _ends(rays, index, float(wanted[index]))
        _redraw(redrawn, depth, labels, int(numbers[index]), rays.centres[index], ends, float(rays.reach[index].max()))
    return redrawn


def cores_in_shells(labels: Labels) -> dict[int, int]:
    """The number of the shell by that of the core, of outlines (H, W) that lie around each other: a single other one
    has nearly all of the rim, and both together have the same middle."""
    count = int(labels.max(initial=0))
    pairs = []
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        differ = one != other
        numbers = one[differ].astype(np.int64), other[differ].astype(np.int64)
        pairs += [numbers[0] * (count + 1) + numbers[1], numbers[1] * (count + 1) + numbers[0]]
    pair, lengths = np.unique(np.concatenate(pairs), return_counts=True)
    keys = np.stack(np.divmod(pair, count + 1))
    rims = np.bincount(keys[0], lengths, count + 1)
    is_nested = (keys[0] > 0) & (keys[1] > 0) & (lengths >= NESTED * rims[keys[0]])
    boxes, shells = ndimage.find_objects(labels), dict[int, int]()
    for core, shell in keys[:, is_nested].T.tolist():
        window = labels[boxes[shell - 1]]
        core_at, whole_at = (np.argwhere(part) for part in (window == core, (window == core) | (window == shell)))
        if not len(core_at):
            continue
        off = float(np.hypot(*(core_at.mean(0) - whole_at.mean(0))))
        if off < CENTRED * np.sqrt(len(whole_at) / np.pi):
            shells[core] = shell
    return {core: shell for core, shell in shells.items() if shell not in shells}


def _changed(labels: Labels, numbers: Mapping[int, int]) -> Labels:
    """Labels (H, W) with other numbers instead of some."""
    if not numbers:
        return labels
    table = np.arange(int(labels.max(initial=0)) + 1, dtype=np.int32)
    table[list(numbers)] = list(numbers.values())
    return table[labels]


def _with_alike(changes: NDArray[np.bool_], stays: NDArray[np.bool_], sizes: Floats, ratio: float) -> NDArray[np.bool_]:
    """(n,) which outlines follow the other edge: those known to (`changes`), and of those of which nothing is known
    (nor `stays`) what has their size rather than that of the others. ratio: of the wanted size to theirs."""
    if not changes.any():
        return changes
    sizes = np.log(np.maximum(sizes, 1))
    size = float(np.median(sizes[changes]))
    of_others = float(np.median(sizes[stays])) if stays.any() else size + np.log(ratio)
    return changes | (~stays & (abs(sizes - size) < abs(sizes - of_others)))


def _ends(rays: Rays, index: int, share: float) -> Floats:
    """(RAYS,) px from the middle of an outline to its other edge at about `share` of the way: where each ray is
    steepest, smoothed; where nothing is seen, at `share`."""
    is_near = abs(SHARES / share - 1) <= LOOSE
    grey = ndimage.gaussian_filter1d(rays.grey[index], max(1.0, BLUR[0] / STEP), axis=1, mode="nearest")
    slope = np.where(is_near, -np.gradient(grey, axis=1), np.nan)
    is_seen = np.isfinite(slope).any(1)
    steepest = SHARES[np.argmax(np.nan_to_num(slope, nan=-np.inf), axis=1)]
    shares = ndimage.median_filter(np.where(is_seen, steepest, share), 5, mode="wrap")
    return np.asarray(ndimage.gaussian_filter1d(shares * rays.reach[index], 1.0, mode="wrap"), np.float64)


def _redraw(
    redrawn: Labels, depth: Floats, labels: Labels, number: int, middle: Floats, ends: Floats, reach: float
) -> None:
    """Draw an outline with these ends (RAYS,) px around its middle into `redrawn` (H, W). depth: (H, W) share of the
    way to the end at which each pixel lies in the outline that was drawn there. reach: px of the outline as it was."""
    far = max(float(ends.max()), reach) + 1
    sides = zip(middle, labels.shape, strict=True)
    window = tuple(slice(max(0, int(at - far)), min(side, int(at + far) + 2)) for at, side in sides)
    rows, columns = np.ogrid[window]
    dy, dx = rows - middle[0], columns - middle[1]
    turn = np.arctan2(dy, dx) % (2 * np.pi)
    share = np.hypot(dy, dx) / np.interp(turn, np.append(ANGLES, 2 * np.pi), np.append(ends, ends[0]))
    mine = labels[window] == number
    inside = (share <= 1) & (mine | ((labels[window] == 0) & (share < depth[window])))
    if not inside.any():
        return
    part = redrawn[window]
    part[mine] = 0
    part[inside] = number
    depth[window][inside] = share[inside]
