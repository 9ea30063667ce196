"""Measures fibres: diameters from the grey across them, lengths, ends and crossings.

A profile is the mean grey along a stretch of a fibre, as a function of the distance from its middle
line. The profile of a cylinder lies between two limits: a box (equally bright inside) and a half
circle (as bright as it is thick). So a profile is fitted by a sum: background with a slope, a box,
and a half circle, all blurred by one Gaussian; for a fibre with bright rims the half circle is
negative. The fit is linear in these terms; the diameter and the blur are searched. This method is
our own (docs/method/fibres.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import erf

from ...labels.fibres import Piece, traced_pieces
from ...labels.lines import path_length, straight_end

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]

STEP = 0.5  # px between two samples across a fibre
BLURS = (0.55, 0.7, 0.85, 1.0, 1.2, 1.45, 1.8, 2.2, 2.8)  # px, SDs that are tried
RADII = np.linspace(0.7, 1.3, 41)  # times the radius of the label, tried
RADIUS_CHANGE_PX = 1.2  # radii up to so many px from that of the label are tried, too, for thin fibres
# Standard uncertainty of the radius of a label: a part of it, and px.
LABEL_SD, LABEL_SD_PX = 0.05, 0.12
MODEL_ERROR = 0.02  # of the contrast: real cylinders differ from the model by this much
MARGIN = 0.8  # fibre widths from a crossing or an end; nearer to it no diameter is measured
PER_FIBRE = ("diameter", "diameter_sd", "length", "visible", "curl", "direction", "width")  # see `FibreMeasures`


@dataclass(frozen=True, eq=False)
class FibreMeasures:
    """The measures of n fibres, lengths in px; NaN where one is not known.

    diameter, diameter_sd: (n,) mean and SD along the fibre. length: (n,) of fibres with both ends
    in view. visible: (n,) length of the middle line in the image. curl: (n,) this length divided by
    the distance of its ends, minus 1. direction: (n,) degrees from 0 to 180, counterclockwise from
    the x axis. width: (n,) of the label. ends: (n,) how many ends are in view. over: (n,) how many
    objects cross over the fibre.

    For m places along all fibres: points: (m, 2) row and column. steps: (m,) px of the middle line
    that belong to the place; their sum over a fibre is `visible`. angles: (m,) direction in rad.
    owners: (m,) index of the fibre.
    """

    diameter: Floats
    diameter_sd: Floats
    length: Floats
    visible: Floats
    curl: Floats
    direction: Floats
    width: Floats
    ends: NDArray[np.int64]
    over: NDArray[np.int64]
    points: Floats
    steps: Floats
    angles: Floats
    owners: NDArray[np.int64]


def measure_fibres(labels: Labels, grey: NDArray[np.uint8]) -> FibreMeasures:
    """The measures of the fibres 1..n of labels (H, W). grey: (H, W) the picture."""
    count = int(labels.max(initial=0))
    measures = {name: np.full(count, np.nan) for name in PER_FIBRE}
    ends, over = np.zeros(count, np.int64), np.zeros(count, np.int64)
    paths: list[tuple[Floats, int]] = []
    for number, pieces in traced_pieces(labels).items():
        index = number - 1
        fibre_measures, ends[index] = _measures_of(labels, grey, number, pieces)
        for name, value in fibre_measures.items():
            measures[name][index] = value
        over[index] = _crossings(labels, number, pieces)
        paths += [(piece.path, index) for piece in pieces]
    points = np.concatenate([np.zeros((0, 2)), *(path for path, _ in paths)])
    tangents = np.concatenate([np.zeros((0, 2)), *(np.gradient(path, axis=0) for path, _ in paths)])
    steps, angles = np.hypot(*tangents.T), np.arctan2(-tangents[:, 0], tangents[:, 1])
    owners = np.repeat([owner for _, owner in paths], [len(path) for path, _ in paths]).astype(np.int64)
    steps = steps * (measures["visible"] / np.maximum(np.bincount(owners, steps, count), 1e-9))[owners]
    places = {"points": points, "steps": steps, "angles": angles, "owners": owners}
    return FibreMeasures(**measures, ends=ends, over=over, **places)


def _measures_of(
    labels: Labels, grey: NDArray[np.uint8], number: int, pieces: Sequence[Piece]
) -> tuple[dict[str, float], int]:
    """The measures PER_FIBRE of the fibre `number` by name, and how many of its ends are in view.

    pieces: the parts of the fibre between crossings, in order along it (`labels.fibres.traced_pieces`).
    """
    diameters, weights = diameters_along(labels, grey, pieces)
    ends, (cut_first, cut_last), extension = _ends(labels, number, pieces)
    line = np.concatenate([piece.path for piece in pieces])
    line = line[cut_first : len(line) - cut_last]
    axis = line[-1] - line[0]
    chord, visible = float(np.hypot(*axis)) + extension, path_length(line) + extension
    if np.hypot(*axis) < 0.2 * len(line):  # a nearly closed line: its main axis
        axis = np.linalg.svd(line - line.mean(0), full_matrices=False)[2][0]
    measures = {
        "diameter": float(np.average(diameters, weights=weights)) if len(diameters) else np.nan,
        "diameter_sd": float(np.sqrt(np.cov(diameters, aweights=weights))) if len(diameters) > 2 else np.nan,
        "length": visible if ends == 2 else np.nan,
        "visible": visible,
        "curl": visible / max(chord, 1.0) - 1,
        "direction": float(np.degrees(np.arctan2(-axis[0], axis[1])) % 180),
        "width": float(np.average([piece.width for piece in pieces], weights=[piece.length + 1 for piece in pieces])),
    }
    return measures, ends


def _ends(labels: Labels, number: int, pieces: Sequence[Piece]) -> tuple[int, list[int], float]:
    """How many ends of a fibre are in view; how many points of its middle line to leave out at the
    first and at the last end, where the line bends into a corner of the label; and by how many px
    in all the fibre reaches beyond the remaining line."""
    in_view, cuts, extension = 0, [], 0.0
    shape = np.pad(labels == number, 1)
    for path, width in ((pieces[0].path[::-1], pieces[0].width), (pieces[-1].path, pieces[-1].width)):
        cut = min(round(0.75 * width) + 1, max(len(path) // 2 - 2, 0))
        inner = path[: len(path) - cut]
        reach = max(straight_end(inner + 1, width / 2, shape), 0.0)
        cuts.append(cut)
        extension += reach
        in_view += _is_in_view(labels, number, inner, reach, width / 2)
    return in_view, cuts, extension


def _is_in_view(labels: Labels, number: int, path: Floats, reach: float, half_width: float) -> bool:
    """Whether the end of a path (m, 2) is in view: neither the frame nor another fibre lies just beyond
    it.

    reach: px from the end of the path to the end of the label.
    """
    last = path[-max(6, round(3 * half_width)) :]
    forward = last[-1] - last[0]
    forward /= max(float(np.hypot(*forward)), 1e-9)
    sideways = np.array([-forward[1], forward[0]])
    end = path[-1] + forward * max(reach, 0)
    beyond = np.arange(1.5, 2.5 + 0.7 * half_width)
    across = np.linspace(-0.7, 0.7, 5) * half_width
    pixels = np.rint(end + beyond[:, None, None] * forward + across[:, None] * sideways).astype(int).reshape(-1, 2)
    rows, columns = pixels.T
    inside = (rows >= 0) & (columns >= 0) & (rows < labels.shape[0]) & (columns < labels.shape[1])
    if not inside.all():
        return False
    other = (labels[rows, columns] != 0) & (labels[rows, columns] != number)
    return float(other.mean()) < 0.25


def _crossings(labels: Labels, number: int, pieces: Sequence[Piece]) -> int:
    """How many other objects cross over a fibre: they lie between two of its pieces."""
    count = 0
    for before, after in pairwise(pieces):
        start, end = before.path[-1], after.path[0]
        gap = np.linspace(start, end, 2 + round(float(np.hypot(*(end - start)))))
        gap_labels = labels[tuple(np.rint(gap).astype(int).T)]
        count += len(set(gap_labels.tolist()) - {0, number})
    return count


def diameters_along(labels: Labels, grey: NDArray[np.uint8], pieces: Sequence[Piece]) -> tuple[Floats, Floats]:
    """The diameter (k,) of each of k stretches of a fibre, away from crossings and ends, and the
    length (k,) of the stretch, both in px.

    A fibre without background beside it, as within a bundle, has no profile: then the one diameter
    is the width of the label of its longest piece.
    """
    diameters, weights = [np.zeros(0)], [np.zeros(0)]
    for piece in pieces:
        for share in (MARGIN, 0.4, 0.15):  # a short piece has a smaller margin
            margin = round(share * piece.width + 2 * share)
            if len(piece.path) - 2 * margin >= min(4, len(piece.path) - 2):
                break
        path = piece.path[margin : len(piece.path) - margin]
        if len(path) < 2:
            continue
        stretch_diameters, stretch_lengths = _piece_diameters(labels, grey, path, piece.number, piece.width)
        diameters.append(stretch_diameters)
        weights.append(stretch_lengths)
    if not sum(map(len, diameters)):
        longest = max(pieces, key=lambda piece: piece.length)
        return np.array([longest.width]), np.array([longest.length])
    return np.concatenate(diameters), np.concatenate(weights)


def _piece_diameters(
    labels: Labels, grey: NDArray[np.uint8], path: Floats, number: int, width: float
) -> tuple[Floats, Floats]:
    """The diameter (k,) and the length (k,) in px of each stretch of a path (m, 2) of fibre
    `number`, `width` px wide.

    The path is first moved into the middle of the label. The picture is sampled along normals to
    it; samples beyond another object or the frame are left out. Then the profiles of a stretch are
    averaged and fitted.
    """
    tangent = np.gradient(ndimage.gaussian_filter1d(path, max(2.0, 0.3 * width), axis=0, mode="nearest"), axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
    reach = 0.65 * width + max(4.0, 0.35 * width)
    across = np.arange(-np.ceil(reach / STEP), np.ceil(reach / STEP) + 1) * STEP

    def samples(picture: NDArray[np.generic], middle: Floats, order: int) -> Floats:
        positions = middle[:, None] + across[:, None] * normal[:, None]
        return np.asarray(ndimage.map_coordinates(picture, positions.transpose(2, 0, 1), np.float64, order, "nearest"))

    mask = samples(labels == number, path, 1)
    label_width = mask.sum(1) * STEP
    middle = ndimage.gaussian_filter1d((mask * across).sum(1) / np.maximum(mask.sum(1), 1), 2.0, mode="nearest")
    centred = path + middle[:, None] * normal
    profile, owner = samples(grey, centred, 1), samples(labels, centred, 0)
    rows, columns = (centred[:, None] + across[:, None] * normal[:, None]).transpose(2, 0, 1)
    is_free = (owner == 0) | (owner == number)
    is_free &= (rows > -0.5) & (columns > -0.5) & (rows < labels.shape[0] - 0.5) & (columns < labels.shape[1] - 0.5)
    # A sample is free only if all samples between it and the middle of the fibre are free.
    zero = len(across) // 2
    is_free[:, zero:] = np.logical_and.accumulate(is_free[:, zero:], axis=1)
    is_free[:, : zero + 1] = np.logical_and.accumulate(is_free[:, zero::-1], axis=1)[:, ::-1]
    is_clear = is_free[:, np.abs(across) <= width / 2 + 2].all(1)  # background on both sides, nothing over the fibre
    is_free &= is_clear[:, None]
    stretches = max(1, round(len(path) / max(6.0, width)))
    index = np.arange(len(path)) * stretches // len(path)
    total = np.stack([np.bincount(index, (profile * is_free)[:, k], stretches) for k in range(len(across))], 1)
    weight = np.stack([np.bincount(index, is_free[:, k], stretches).astype(float) for k in range(len(across))], 1)
    label_widths = np.bincount(index, label_width, stretches) / np.bincount(index)
    lengths = np.bincount(index, is_clear, stretches).astype(float)
    fitted = fitted_diameters(across, total / np.maximum(weight, 1), weight, label_widths)
    is_usable = ~np.isnan(fitted) & (lengths > 0)
    return (fitted[is_usable], lengths[is_usable]) if is_usable.any() else (np.zeros(0), np.zeros(0))


def fitted_diameters(across: Floats, profiles: Floats, weights: Floats, start: Floats) -> Floats:
    """(k,) diameters in px of the cylinders that fit k profiles best; NaN where a profile has too little
    background for a fit.

    across: (n,) px from the middle line. profiles: (k, n) mean grey. weights: (k, n) how many
    samples each mean has. start: (k,) widths of the label in px.
    """
    typical = float(np.median(start)) / 2
    radii = np.unique(np.concatenate([RADII * typical, typical + np.linspace(-RADIUS_CHANGE_PX, RADIUS_CHANGE_PX, 13)]))
    radii = radii[radii > 0.7]
    is_background = np.abs(across) > typical + 1.5
    has_samples = weights > 0
    left, right = ((has_samples & is_background & side).sum(1) for side in (across < 0, across > 0))
    fittable = (np.minimum(left, right) * STEP >= 1.5) & (has_samples.sum(1) > 8)
    diameters = np.full(len(start), np.nan)
    if not fittable.any():
        return diameters
    misfit = np.stack([_misfits(across, profiles[fittable], weights[fittable], radii, blur) for blur in BLURS])
    contrast = np.array(
        [np.ptp(profile[used]) for profile, used in zip(profiles[fittable], weights[fittable] > 0, strict=True)]
    )
    noise = np.maximum(misfit.min((0, 1)), (MODEL_ERROR * contrast) ** 2) + 1e-9
    # Six numbers are fitted, and neighbouring samples share pixels.
    freedom = np.maximum(STEP * (weights[fittable] > 0).sum(1) - 6, 1)
    radius_sd = LABEL_SD * typical + LABEL_SD_PX
    prior = ((radii[:, None] - start[None, fittable] / 2) / radius_sd) ** 2
    score = misfit / noise * freedom + prior
    best_blur = int(score.min(1).sum(1).argmin())  # one blur for the whole piece
    diameters[fittable] = 2 * _lowest(radii, score[best_blur])
    return diameters


def _misfits(across: Floats, profiles: Floats, weights: Floats, radii: Floats, blur: float) -> Floats:
    """(r, k): the weighted mean square residual of the best fit to each profile (k, n) with each
    radius (r,). across: (n,); blur: SD, px."""
    model = basis(across, radii, blur)
    square = np.einsum("rna,kn,rnb->rkab", model, weights, model, optimize=True)
    right = np.einsum("rna,kn->rka", model, weights * profiles, optimize=True)
    square[..., range(4), range(4)] += 1e-6 * weights.sum(1)[:, None]
    fit = np.linalg.solve(square, right[..., None])[..., 0]
    total = (weights * profiles**2).sum(1)
    return np.asarray(np.maximum(total - (fit * right).sum(-1), 0) / weights.sum(1), np.float64)


def basis(across: Floats, radii: Floats, blur: float) -> Floats:
    """(r, n, 4): the four terms of the model for each radius (r,), at the distances `across` (n,):
    background, its slope, a box and a half circle, both blurred by a Gaussian of the SD `blur`
    px."""
    reach, spread = np.abs(across).max(), np.hypot(blur, 0.29)  # a pixel is a box of 1 px, whose SD is 0.29
    box = 0.5 * (
        erf((across + radii[:, None]) / (np.sqrt(2) * spread)) - erf((across - radii[:, None]) / (np.sqrt(2) * spread))
    )
    fine = np.arange(-np.ceil(4 * reach), np.ceil(4 * reach) + 1) / 4
    circle = np.sqrt(np.maximum(1 - (fine / radii[:, None]) ** 2, 0))
    blurred = ndimage.gaussian_filter1d(circle, 4 * spread, axis=1, mode="nearest")
    half_circle = np.stack([np.interp(across, fine, curve) for curve in blurred])
    ones = np.ones_like(box)
    return np.stack([ones, ones * across / reach, box, half_circle], -1)


def _lowest(radii: Floats, score: Floats) -> Floats:
    """(k,) the radius at which each score (r, k) is lowest; a parabola interpolates between the
    radii (r,)."""
    lowest = np.clip(score.argmin(0), 1, len(radii) - 2)
    k = np.arange(score.shape[1])
    x = np.stack([radii[lowest + d] for d in (-1, 0, 1)])
    y = np.stack([score[lowest + d, k] for d in (-1, 0, 1)])
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    curve = (right - left) / (x[2] - x[0])
    vertex = (x[0] + x[1]) / 2 - left / (2 * np.where(curve > 0, curve, np.inf))
    return np.asarray(np.where(curve > 0, np.clip(vertex, x[0], x[2]), x[1]), np.float64)
