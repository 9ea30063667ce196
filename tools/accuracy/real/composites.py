"""Agglomerates composed of real particles of EMPS, with exact labels of what is visible, as truth for measurements.

No training uses this program: the one of trainings is `lab/training/synthesis/composites.py`, and has other contacts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull

Field = NDArray[np.floating]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]
Range = tuple[float, float]
RIM = 3  # px around a cut-out
LEAST_CONTRAST = 25  # of particles over their substrate, so that they are bright
MOST_OF_AN_IMAGE = 14  # cut-outs, the largest
LARGEST_ENLARGEMENT = 1.3
FEWEST_PX, LEAST_SHARE, LEAST_THICKNESS = 14, 0.12, 2.0  # of a visible piece that somebody could outline


class CutOut(NamedTuple):
    """A whole particle that touches hardly anything. pixels: 0 its surroundings, 1 its median grey."""

    publication: str
    diameter: float
    mask: Mask
    pixels: Field


class Ground(NamedTuple):
    """A square of substrate without particles; its contrast is in units of that of the particles beside it."""

    publication: str
    pixels: Field


class Body(NamedTuple):
    """A particle in the picture, in px."""

    row: float
    column: float
    diameter: float


class Ranges(NamedTuple):
    """From which each picture draws its own values. bed: layers of particles without background, in place of
    agglomerates."""

    gap: Range = (0.15, 0.75)
    reach: Range = (0.10, 0.26)
    halo: Range = (0.0, 0.35)
    overlap: Range = (0.60, 1.02)
    gain: float = 0.16
    spread: Range = (0.3, 0.55)
    size: Range = (18, 38)
    blur: Range = (0.45, 0.95)
    noise: Range = (0.02, 0.10)
    texture: Range = (0.7, 1.1)
    bed: float = 0.0


def write_composites(
    emps: Path, names: set[str], folder: Path, count: int, seed: int, ranges: Ranges | None = None
) -> None:
    """Write `count` pictures of 768 x 512 px into folder/images, and their labels into folder/labels.

    emps: the folder of EMPS (docs/development/data.md). names: of its images, from which particles are taken.
    """
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    cut_outs, grounds = stock(emps, names)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        picture, labels = Scene(cut_outs, grounds, rng, ranges or Ranges()).picture()
        Image.fromarray(picture).save(folder / "images" / f"{number:05}.png")
        Image.fromarray(labels.astype(np.uint16)).save(folder / "labels" / f"{number:05}.png")


def stock(emps: Path, names: set[str]) -> tuple[list[CutOut], list[Ground]]:
    """The cut-outs and the grounds of the named images of EMPS, in the order of sources.csv."""
    cut_outs, grounds = [], []
    with (emps / "sources.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] in names]
    for row in rows:
        grey = np.asarray(Image.open(emps / "images" / row["image"]).convert("L")).astype(np.float32)
        labels = np.asarray(Image.open(emps / "segmaps" / row["image"])).astype(int)
        inside = labels > 0
        if not inside.any() or inside.all():
            continue
        far = ndimage.distance_transform_edt(~inside)
        outside = far > 4
        if outside.mean() < 0.02:
            continue
        contrast = np.median(grey[inside]) - np.median(grey[outside])
        if contrast < LEAST_CONTRAST:
            continue
        whole = sorted(_whole_particles(labels), key=lambda found: -found[0])
        if whole:
            cut_outs += _cut_out(row["doi"], grey, whole[:MOST_OF_AN_IMAGE], contrast)
            grounds += _grounds(row["doi"], grey, far, contrast)
    return cut_outs, grounds


def _whole_particles(labels: NDArray[np.int_]) -> Iterator[tuple[float, tuple[slice, slice], Mask, Mask]]:
    """The diameter, window, mask and surroundings of each convex particle that lies free and whole in the image."""
    height, width = labels.shape
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None or min(box[0].start, box[1].start) < RIM:
            continue
        if box[0].stop > height - RIM or box[1].stop > width - RIM:
            continue
        window = (slice(box[0].start - RIM, box[0].stop + RIM), slice(box[1].start - RIM, box[1].stop + RIM))
        mask = labels[window] == number
        diameter = 2 * np.sqrt(mask.sum() / np.pi)
        if not 16 <= diameter <= 220 or ndimage.label(mask)[1] != 1 or _solidity(mask) < 0.9:
            continue
        spread = np.linalg.eigvalsh(np.cov(np.argwhere(mask).T))
        if np.sqrt(max(spread[0], 1e-9) / spread[1]) < 0.5:
            continue
        core = mask[RIM:-RIM, RIM:-RIM]
        if max(core[0].mean(), core[-1].mean(), core[:, 0].mean(), core[:, -1].mean()) > 0.6:
            continue  # cut straight by the edge of a panel or the box of a letter
        rim = ndimage.binary_dilation(mask, iterations=3) & ~mask
        others = (labels[window] > 0) & ~mask
        if (others & rim).sum() <= 0.12 * rim.sum():
            yield diameter, window, mask, rim & ~others


def _solidity(mask: Mask) -> float:
    """The area of a mask over that of the hull of its pixels' corners."""
    rows, columns = np.nonzero(mask)
    corners = [np.c_[rows + i, columns + j] for i in (0, 1) for j in (0, 1)]
    return float(mask.sum() / ConvexHull(np.unique(np.concatenate(corners), axis=0)).volume)


def _cut_out(publication: str, grey: Field, whole: Sequence[tuple], contrast: float) -> Iterator[CutOut]:
    """The particles as cut-outs, without those that are faint or overexposed."""
    for diameter, window, mask, rim in whole:
        part = grey[window]
        around, within = np.median(part[rim]), part[mask]
        height = np.median(within) - around
        if height >= 0.45 * contrast and (within >= 254).mean() <= 0.5:
            yield CutOut(publication, diameter, mask, ((part - around) / height).astype(np.float32))


def _grounds(publication: str, grey: Field, far: Field, contrast: float) -> Iterator[Ground]:
    """The largest square that lies 10 px from all particles, if it is large and even enough."""
    free = ndimage.distance_transform_cdt(np.pad(far > 10, 1), metric="chessboard")[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(free), free.shape)
    half = int(free[row, column]) - 1
    if half >= 36:
        part = grey[row - half + 1 : row + half, column - half + 1 : column + half]
        if part.std() < 22 and (np.abs(part - np.median(part)) > 60).mean() < 0.005:
            yield Ground(publication, ((part - part.mean()) / contrast).astype(np.float32))


class Scene:
    """One picture (512, 768) in the making. Its values are drawn in the order in which they are needed."""

    def __init__(self, cut_outs: list[CutOut], grounds: list[Ground], rng: np.random.Generator, ranges: Ranges) -> None:
        self.cut_outs, self.rng, self.ranges = cut_outs, rng, ranges
        self.shape = (512, 768)
        self.canvas = self._background(grounds[int(rng.integers(len(grounds)))].pixels)
        self.pool = self._of_few_publications()
        self.size, self.spread = np.exp(rng.uniform(*np.log(ranges.size))), self._drawn(ranges.spread)
        self.gap, self.reach, self.halo = (self._drawn(each) for each in (ranges.gap, ranges.reach, ranges.halo))
        self.gain, self.texture = rng.uniform(0.4, 1.4) * ranges.gain, self._drawn(ranges.texture)
        self.labels = np.zeros(self.shape, np.int32)
        self.whole = [0]  # px of each particle with its hidden part

    def picture(self) -> tuple[NDArray[np.uint8], Labels]:
        """The picture and the labels of its visible particles."""
        bodies = self._bodies()
        heights = np.array([self.rng.normal(0, 1) - 0.5 * np.log(body.diameter / self.size) for body in bodies])
        for number in np.argsort(heights):  # small ones rather in front
            self._paint(bodies[number])
        return self._exposed(), visible(self.labels, np.array(self.whole))

    def _drawn(self, limits: Range) -> float:
        return self.rng.uniform(*limits)

    def _background(self, square: Field) -> Field:
        """A part of the square, or, if it is too small, a texture with its spectrum and random phases, so that nothing
        is tiled (Galerne et al. 2011); on a slope."""
        height, width = self.shape
        square = np.rot90(square, int(self.rng.integers(4)))
        if min(square.shape) >= 300 and height <= square.shape[0] and width <= square.shape[1]:
            canvas = square[:height, :width].copy()
        else:
            even = square - ndimage.gaussian_filter(square, 24)
            window = np.hanning(even.shape[0])[:, None] * np.hanning(even.shape[1])[None]
            large = np.zeros(self.shape, np.float32)
            rows, columns = min(height, even.shape[0]), min(width, even.shape[1])
            large[:rows, :columns] = (even * window)[:rows, :columns]
            phases = np.angle(np.fft.rfft2(self.rng.normal(0, 1, self.shape)))
            canvas = np.fft.irfft2(np.abs(np.fft.rfft2(large)) * np.exp(1j * phases), s=self.shape)
            canvas *= even.std() / max(canvas.std(), 1e-6)
        down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        canvas += self.rng.normal(0, 0.06) * down + self.rng.normal(0, 0.06) * across
        return canvas

    def _of_few_publications(self) -> list[CutOut]:
        """The cut-outs of one publication or two, so that the particles of a picture are of a kind."""
        names = sorted({each.publication for each in self.cut_outs})
        counts = [sum(each.publication == name for each in self.cut_outs) for name in names]
        weights = np.minimum(6, counts).astype(float)
        number = 1 if self.rng.random() < 0.75 or len(names) < 2 else 2
        chosen = set(self.rng.choice(names, size=number, replace=False, p=weights / weights.sum()))
        return [each for each in self.cut_outs if each.publication in chosen]

    def _diameter(self, largest: float = 90) -> float:
        return float(np.clip(self.size * np.exp(self.rng.normal(0, self.spread)), 8, largest))

    def _anywhere(self) -> tuple[float, float]:
        return self.rng.uniform(0, self.shape[0]), self.rng.uniform(0, self.shape[1])

    def _bodies(self) -> list[Body]:
        """Where the particles lie, and how large they are: agglomerates and single ones, or a bed."""
        height, width = self.shape
        many, wanted = int(self.rng.integers(4, 16)), self.rng.uniform(0.15, 0.5) * height * width
        opened = self.rng.uniform(0.4, 1.0)
        shares = self.rng.dirichlet(np.full(many, 1.2))
        bodies = [body for share in shares for body in self._agglomerate(wanted * share, opened)]
        if self.ranges.bed:
            each = np.pi / 4 * self.size**2 * np.exp(2 * self.spread**2)
            amount = int(self.ranges.bed * height * width / each)
            return [Body(*self._anywhere(), self._diameter(120)) for _ in range(amount)]
        for _ in range(int(self.rng.integers(0, 12))):
            diameter = self._diameter()
            bodies.append(Body(*self._anywhere(), diameter))
        return bodies

    def _agglomerate(self, budget: float, opened: float) -> list[Body]:
        """Particles that grow beside each other up to a summed area. opened: how seldom the place next to the middle
        is chosen."""
        rng, (height, width) = self.rng, self.shape
        middle = rng.uniform(0.1, 0.9) * height, rng.uniform(0.1, 0.9) * width
        stretch, turn = np.exp(rng.normal(0, 0.35)), rng.uniform(0, np.pi)

        def outside(body: Body) -> float:
            down, across = body.row - middle[0], body.column - middle[1]
            along = across * np.cos(turn) + down * np.sin(turn)
            aside = -across * np.sin(turn) + down * np.cos(turn)
            return (along / stretch) ** 2 + (aside * stretch) ** 2

        group: list[Body] = []
        area = tries = 0.0
        while area < budget and tries < 3000:
            tries += 1
            diameter = self._diameter()
            row, column = middle
            if group:
                picked = range(1 if rng.random() < opened else int(rng.integers(2, 5)))
                beside = min([group[int(rng.integers(len(group)))] for _ in picked], key=outside)
                angle = rng.uniform(0, 2 * np.pi)
                distance = (diameter + beside.diameter) / 2 * self._drawn(self.ranges.overlap)
                row, column = beside.row + distance * np.sin(angle), beside.column + distance * np.cos(angle)
            margin = diameter / 3
            if not (-margin < row < height + margin and -margin < column < width + margin):
                continue
            body = Body(row, column, diameter)
            if any(_buries(body, other) for other in group) and rng.random() < 0.9:
                continue
            group.append(body)
            area += np.pi / 4 * diameter * diameter * 0.75
        return group

    def _paint(self, body: Body) -> None:
        """Lay a cut-out over what is painted, with the shade of its edge on what lies behind."""
        height, width = self.shape
        fitting = [each for each in self.pool if body.diameter <= LARGEST_ENLARGEMENT * each.diameter]
        fitting = fitting or [c for c in self.cut_outs if body.diameter <= LARGEST_ENLARGEMENT * c.diameter]
        pixels, alpha = _resized(fitting[int(self.rng.integers(len(fitting)))], body.diameter, self.rng)
        top, left = round(body.row - alpha.shape[0] / 2), round(body.column - alpha.shape[1] / 2)
        pad = int(np.ceil(0.3 * body.diameter + 6))
        alpha, pixels = np.pad(alpha, pad), np.pad(pixels, pad, mode="edge")
        top, left = top - pad, left - pad
        rows = slice(max(top, 0), min(top + alpha.shape[0], height))
        columns = slice(max(left, 0), min(left + alpha.shape[1], width))
        if rows.stop - rows.start < 4 or columns.stop - columns.start < 4:
            return
        shown = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        alpha, pixels, window = alpha[shown], pixels[shown], (rows, columns)
        mask = alpha > 0.5
        if mask.sum() < 20:
            return
        level = float(np.exp(self.rng.normal(0, self.gain)))
        under = self.canvas[window]
        fall = np.exp(
            -ndimage.distance_transform_edt(~mask) / max(0.8, self.reach * min(body.diameter, self.size * 1.5))
        )
        crevice = under * (1 - self.gap * self.rng.uniform(0.6, 1.0) * fall)
        shadow = under - 0.3 * self.halo * fall * (under > -1)
        shade = np.where(mask, under, np.where(self.labels[window] > 0, crevice, shadow))
        tone = 1 + (pixels - 1) * self.texture
        self.canvas[window] = alpha * (level * tone) + (1 - alpha) * shade
        self.labels[window][mask] = len(self.whole)
        self.whole.append(int(mask.sum()))

    def _exposed(self) -> NDArray[np.uint8]:
        """The canvas as a micrograph: blurred, with noise that grows with the grey."""
        canvas = ndimage.gaussian_filter(self.canvas, self._drawn(self.ranges.blur))
        dark, bright = self.rng.uniform(20, 75), self.rng.uniform(140, 215)
        noise, correlated = self._drawn(self.ranges.noise), self.rng.uniform(0, 0.5)
        error = self.rng.normal(0, 1, self.shape)
        if correlated > 0.15:
            error = ndimage.gaussian_filter(error, correlated)
            error /= error.std()
        grey = canvas + noise * error * np.sqrt(np.clip(0.6 + 0.6 * canvas, 0.3, 2))
        return np.clip(np.rint(dark + (bright - dark) * grey), 0, 255).astype(np.uint8)


def _buries(body: Body, other: Body) -> bool:
    """Whether a particle lies on the middle of another."""
    small, large = sorted([body.diameter, other.diameter])
    least = 0.5 * small if small > 0.55 * large else 0.42 * large
    return (other.row - body.row) ** 2 + (other.column - body.column) ** 2 < least**2


def _resized(cut_out: CutOut, diameter: float, rng: np.random.Generator) -> tuple[Field, Field]:
    """The pixels and the opacity (0 to 1) of a cut-out at another size, turned and mirrored at random."""
    factor = diameter / cut_out.diameter
    height, width = cut_out.mask.shape
    size = (max(3, round(width * factor)), max(3, round(height * factor)))
    # Beyond the mask the nearest pixel of the particle, so that no substrate comes along.
    nearest = ndimage.distance_transform_edt(~cut_out.mask, return_distances=False, return_indices=True)
    filled = Image.fromarray(cut_out.pixels[tuple(nearest)])
    mask = Image.fromarray(cut_out.mask.astype(np.float32))
    filters = Image.Resampling
    alpha = np.asarray(mask.resize(size, filters.BOX if factor < 1 else filters.BILINEAR))
    pixels = np.asarray(filled.resize(size, filters.BOX if factor < 0.6 else filters.BICUBIC))
    quarters = int(rng.integers(4))
    alpha, pixels = np.rot90(alpha, quarters), np.rot90(pixels, quarters)
    if rng.integers(2):
        alpha, pixels = alpha[:, ::-1], pixels[:, ::-1]
    if rng.random() < 0.6:
        angle = rng.uniform(-45, 45)
        alpha = ndimage.rotate(alpha, angle, order=1, reshape=True)
        pixels = ndimage.rotate(pixels, angle, order=1, reshape=True, mode="nearest")
    return pixels, np.clip(alpha, 0, 1)


def visible(labels: Labels, whole: NDArray[np.int_]) -> Labels:
    """Each visible piece its own particle. What nobody could outline goes to the neighbour with most of its border.

    whole: (n + 1,) px of each particle with its hidden part.
    """
    pieces = np.zeros_like(labels)
    loose = np.zeros(labels.shape, bool)
    count = 0
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        parts, parts_count = ndimage.label(labels[box] == number)
        for part in range(1, parts_count + 1):
            piece = parts == part
            thickness = ndimage.distance_transform_edt(np.pad(piece, 1)).max()
            if piece.sum() < max(FEWEST_PX, LEAST_SHARE * whole[number]) or thickness < LEAST_THICKNESS:
                loose[box] |= piece
            else:
                count += 1
                pieces[box][piece] = count
    for box in ndimage.find_objects(ndimage.label(loose)[0]):
        window = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in box)
        part = loose[window]
        rim = ndimage.binary_dilation(part) & ~part
        around = pieces[window][rim]
        around = around[around > 0]
        if len(around) > 0.33 * rim.sum():
            pieces[window][part & (pieces[window] == 0)] = np.bincount(around).argmax()
    return pieces
