"""What the colours of a picture say: one scale of colours that stands for grey, a map of elements, or a photograph.

Colour is judged on pixels that are not black, because maps of elements are mostly black.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grey import LUMINANCE, Array, bands

SAMPLED = 50_000  # pixels or blocks that are looked at
BLOCK = 4  # px: JPEG halves the resolution of colours, so blocks are compared
BLACK = 0.15  # of the brightest value, under which a pixel is black
COLOURED = 0.15  # difference of the channels, as a share of the brightest, from which a pixel is in colour
COLOURFUL = 0.3  # share of such pixels
PARTS = 64  # of equally many blocks, within which the colours of one scale are alike
# Spread of the colours of equal brightness, and of equal hue, as a share of all. Of 90 micrographs in ten scales of
# colours, as JPEG, the smaller one is under these in all; of 36 photographs in six, of one hue.
BY_BRIGHTNESS, BY_HUE = 0.18, 0.25
ONE_HUE = 0.998  # length of the mean direction of hue, from which on there is one
GROUND, PURE = 0.25, 0.6  # share of black pixels and saturation of the others, from which on it is a map of elements
NEAR, APART = 8, 20  # degrees around a hue that are one channel, and between two channels
LEAST_CHANNEL, MOST_CHANNELS = 0.1, 4  # share of all colour in a channel
HUES = {0: "red", 30: "orange", 60: "yellow", 120: "green", 180: "cyan", 240: "blue", 280: "violet", 300: "magenta"}
# The kinds, as they stand in the metadata.
FALSE_COLOURS, RAINBOW, MAP, MANY = "false colours", "rainbow of false colours", "map of elements", "many colours"
CHANNEL = "channel of a map of elements"
COLOURS, CHANNELS, CHANNEL_HERE = "colours", "channels", "channel"  # names in the metadata: the kind, names, one name
IN_COLOUR = "The picture is in colour, but electron micrographs are grey. "
NOTES = {
    FALSE_COLOURS: "We turned it to grey by its brightness.",
    RAINBOW: "We turned it to grey by its brightness, which these colours do not follow: export it in grey.",
    MAP: "It looks like a map of elements. Take each channel as an image: pages {pages}.",
    MANY: "Is it the right file?",
}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Colours:
    """Of a picture in colour. share: of the pixels that are not black. kind: FALSE_COLOURS, RAINBOW, MAP or MANY.
    hues: of the channels of a map, in degrees."""

    share: float
    kind: str
    hues: tuple[int, ...] = ()

    @property
    def channels(self) -> list[str]:
        """The names of the channels of a map; [] of other pictures."""
        names = [_name(hue) for hue in self.hues]
        return [
            f"{name} {1 + names[:number].count(name)}" if names.count(name) > 1 else name
            for number, name in enumerate(names)
        ]

    @property
    def note(self) -> str:
        """A sentence for the user."""
        return IN_COLOUR + NOTES[self.kind].format(pages=f"1-{len(self.hues)}")


def colours_of(pixels: Array) -> Colours | None:
    """What the colours of a picture (H, W, 3 or more) say; None of a grey one, which may have bars, letters and
    drawings in colour."""
    step = max(1, round((pixels.shape[0] * pixels.shape[1] / SAMPLED) ** 0.5))
    sampled = pixels[::step, ::step, :3].reshape(-1, 3).astype(np.float64)
    sampled /= max(1.0, float(sampled.max()))
    brightest = sampled.max(1)
    spread, lit = brightest - sampled.min(1), brightest > BLACK
    coloured = lit & (spread > COLOURED)
    share = float(coloured.sum() / max(1, lit.sum()))
    if share < COLOURFUL:
        return None
    chroma, among = _chroma(sampled[coloured]), spread[coloured]
    strength = np.hypot(*chroma.T)
    direction = float(np.hypot(*chroma.sum(0)) / strength.sum())
    by_brightness, by_hue = _spreads(pixels)
    if direction >= ONE_HUE or by_brightness < BY_BRIGHTNESS:
        return Colours(share, FALSE_COLOURS)
    if by_hue < BY_HUE:
        return Colours(share, RAINBOW)
    purity = float(np.average(among / brightest[coloured], weights=strength))
    hues = _hues(chroma, strength) if 1 - float(lit.mean()) >= GROUND and purity >= PURE else ()
    return Colours(share, MAP if len(hues) > 1 else MANY, hues)


def channel_of(pixels: Array, hues: tuple[int, ...], number: int) -> Array:
    """One channel (H, W) of a map (H, W, 3 or more), in its type: how much of one hue is in each pixel.

    Up to three hues that differ are told apart where they mix; of more each pixel belongs to the nearest.
    """
    pure = np.stack([_pure(hue) for hue in hues])
    unmixed = np.linalg.pinv(pure.astype(np.float32))[:, number]
    is_whole = pixels.dtype.kind in "ui"
    top = float(np.iinfo(pixels.dtype).max) if is_whole else np.inf
    channel = np.empty(pixels.shape[:2], pixels.dtype)
    for band in bands(channel):
        colours = pixels[band, :, :3].astype(np.float32)
        if len(hues) <= 3:
            amounts = colours @ unmixed
        else:
            nearest = (_chroma(colours) @ _chroma(pure).T).argmax(-1)
            amounts = np.where(nearest == number, colours.max(-1), 0)
        channel[band] = np.clip(np.rint(amounts) if is_whole else amounts, 0, top)
    return channel


def _chroma(colours: Array) -> Floats:
    """(..., 2): how far colours (..., 3) are from grey, on the plane in which the angle is the hue."""
    red, green, blue = (colours[..., i] for i in range(3))
    return np.stack([red - (green + blue) / 2, np.sqrt(3) / 2 * (green - blue)], -1)


def _spreads(pixels: Array) -> tuple[float, float]:
    """The spread of chroma among blocks of equal brightness, and of colours among those of equal hue, as shares of the
    whole: a scale of colours has one for each brightness, or for each hue."""
    rows, columns = (n // BLOCK for n in pixels.shape[:2])
    stride = max(1, round((rows * columns / SAMPLED) ** 0.5))
    sums = np.zeros((-(-rows // stride), -(-columns // stride), 3))
    for down in range(BLOCK):
        for across in range(BLOCK):
            sums += pixels[down : rows * BLOCK : stride * BLOCK, across : columns * BLOCK : stride * BLOCK, :3]
    blocks = sums.reshape(-1, 3)
    chroma = _chroma(blocks)
    off = blocks - blocks.mean(0)
    hue = np.arctan2(chroma[:, 1], chroma[:, 0])
    return _within(chroma, chroma, blocks @ np.array(LUMINANCE)), _within(blocks, off, hue)


def _within(values: Floats, off: Floats, key: Floats) -> float:
    """Root mean square of values (n, k) from the means of those with nearly the same key (n,), divided by that of
    `off` (n, k)."""
    parts = np.array_split(values[np.argsort(key)], min(PARTS, len(values)))
    within = sum(float(((part - part.mean(0)) ** 2).sum()) for part in parts)
    return float((within / max(float((off**2).sum()), 1e-9)) ** 0.5)


def _hues(chroma: Floats, strength: Floats) -> tuple[int, ...]:
    """The hues, in degrees, around which most colour lies."""
    degrees = np.rint(np.degrees(np.arctan2(chroma[:, 1], chroma[:, 0]))).astype(int) % 360
    histogram = np.bincount(degrees, weights=strength, minlength=360) / strength.sum()
    hues = list[int]()
    while len(hues) < MOST_CHANNELS:
        around = sum(np.roll(histogram, shift) for shift in range(-NEAR, NEAR + 1))
        hue = int(np.argmax(around))
        if around[hue] < LEAST_CHANNEL:
            break
        near = np.arange(hue - NEAR, hue + NEAR + 1) % 360
        off = np.average(np.arange(-NEAR, NEAR + 1), weights=histogram[near])
        hues.append(round(hue + float(off)) % 360)
        histogram[np.arange(hue - APART, hue + APART + 1) % 360] = 0
    hues.sort(key=lambda hue: (hue + NEAR) % 360)  # red first, though a little of it lies below 0
    return tuple(hues)


def _pure(hue: int) -> Floats:
    """Red, green and blue (3,) of a hue in degrees, the largest 1 and the smallest 0."""
    places = (np.array([5, 3, 1]) + hue / 60) % 6
    return np.asarray(1 - np.clip(np.minimum(places, 4 - places), 0, 1))


def _name(hue: int) -> str:
    nearest = min([*HUES, 360], key=lambda degrees: abs(degrees - hue))
    return HUES[nearest % 360]
