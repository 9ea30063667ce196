"""Finds the kind of a picture in colour: grey values in false colours, a map of elements, or many colours.

A map of elements can be divided into its channels. Black pixels are not considered, because maps of elements are mostly
black.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grey import LUMINANCE, Array, bands

SAMPLED = 50_000  # number of pixels or blocks of a picture that are examined
BLOCK = 4  # px, side of the blocks that are compared: JPEG halves the resolution of colours
BLACK = 0.15  # share of the largest value in the picture: darker pixels are black
COLOURED = 0.15  # difference of the channels, as a share of the largest value: pixels with more are in colour
COLOURFUL = 0.3  # share of pixels in colour, from which on the picture is in colour
MOST_GROUPS = 64  # groups of blocks of nearly equal brightness or hue
# Largest spread of false colours within groups of equal brightness, and of equal hue, as a share of the whole spread.
# All of 90 micrographs in ten colour scales, as JPEG, are below one of the two; of 36 photographs six are, of one hue.
BY_BRIGHTNESS, BY_HUE = 0.18, 0.25
ONE_HUE = 0.998  # length of the mean of all hues as unit vectors, from which on there is one hue
# In a map of elements: share of black pixels, saturation of the others.
LEAST_BLACK, LEAST_SATURATION = 0.25, 0.6
CHANNEL_HALF_WIDTH, CHANNEL_DISTANCE = 8, 20  # degrees of hue
LEAST_CHANNEL, MOST_CHANNELS = 0.1, 4  # share of all colour in one channel; number of channels
HUES = {0: "red", 30: "orange", 60: "yellow", 120: "green", 180: "cyan", 240: "blue", 280: "violet", 300: "magenta"}
# The kinds of pictures in colour, as they are stored in the metadata.
FALSE_COLOURS, RAINBOW, MAP, MANY = "false colours", "rainbow of false colours", "map of elements", "many colours"
CHANNEL = "channel of a map of elements"
COLOURS, CHANNELS, CHANNEL_HERE = "colours", "channels", "channel"  # keys: the kind, all channels, the taken channel
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
    """The colours of a picture.

    share: share of pixels in colour among the pixels that are not black. kind: FALSE_COLOURS, RAINBOW, MAP or MANY.
    hues: hues in degrees of the channels of a map of elements; () for other kinds.
    """

    share: float
    kind: str
    hues: tuple[int, ...] = ()

    @property
    def channels(self) -> list[str]:
        """The names of the channels of a map of elements; [] for other kinds."""
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
    """The colours of a picture (H, W, 3 or more); None for a grey one, which may have bars, letters and drawings in
    colour."""
    step = max(1, round((pixels.shape[0] * pixels.shape[1] / SAMPLED) ** 0.5))
    sampled = pixels[::step, ::step, :3].reshape(-1, 3).astype(np.float64)
    sampled /= max(1.0, float(sampled.max()))
    brightest = sampled.max(1)
    spread, is_not_black = brightest - sampled.min(1), brightest > BLACK
    is_coloured = is_not_black & (spread > COLOURED)
    share = float(is_coloured.sum() / max(1, is_not_black.sum()))
    if share < COLOURFUL:
        return None
    chroma, coloured_spread = _chroma(sampled[is_coloured]), spread[is_coloured]
    strength = np.hypot(*chroma.T)
    hue_agreement = float(np.hypot(*chroma.sum(0)) / strength.sum())
    by_brightness, by_hue = _spreads(pixels)
    if hue_agreement >= ONE_HUE or by_brightness < BY_BRIGHTNESS:
        return Colours(share, FALSE_COLOURS)
    if by_hue < BY_HUE:
        return Colours(share, RAINBOW)
    purity = float(np.average(coloured_spread / brightest[is_coloured], weights=strength))
    may_be_map = 1 - float(is_not_black.mean()) >= LEAST_BLACK and purity >= LEAST_SATURATION
    hues = _hues(chroma, strength) if may_be_map else ()
    return Colours(share, MAP if len(hues) > 1 else MANY, hues)


def channel_of(pixels: Array, hues: tuple[int, ...], number: int) -> Array:
    """(H, W): the channel `number` (from 0) of a map of elements (H, W, 3 or more), with the same dtype: the amount of
    one hue per pixel. hues: those of all channels, in degrees.

    Mixtures of up to three hues are divided. If there are more, each pixel belongs to the channel with the nearest hue.
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
    """(..., 2): the chroma of colours (..., 3), a vector whose angle is the hue and whose length is the distance from
    grey."""
    red, green, blue = (colours[..., i] for i in range(3))
    return np.stack([red - (green + blue) / 2, np.sqrt(3) / 2 * (green - blue)], -1)


def _spreads(pixels: Array) -> tuple[float, float]:
    """(by brightness, by hue): the spread of chroma within groups of equal brightness, and of colours within groups of
    equal hue, as shares of the whole spread. The first is small if a colour scale has one colour for each brightness,
    the second if it has one for each hue."""
    rows, columns = (n // BLOCK for n in pixels.shape[:2])
    stride = max(1, round((rows * columns / SAMPLED) ** 0.5))
    sums = np.zeros((-(-rows // stride), -(-columns // stride), 3))
    for down in range(BLOCK):
        for across in range(BLOCK):
            sums += pixels[down : rows * BLOCK : stride * BLOCK, across : columns * BLOCK : stride * BLOCK, :3]
    blocks = sums.reshape(-1, 3)
    chroma = _chroma(blocks)
    deviations = blocks - blocks.mean(0)
    hue = np.arctan2(chroma[:, 1], chroma[:, 0])
    return _spread_within(chroma, chroma, blocks @ np.array(LUMINANCE)), _spread_within(blocks, deviations, hue)


def _spread_within(values: Floats, deviations: Floats, key: Floats) -> float:
    """The root mean square deviation of values (n, k) from the mean of their group, divided by that of `deviations`
    (n, k). A group has nearly the same key (n,)."""
    parts = np.array_split(values[np.argsort(key)], min(MOST_GROUPS, len(values)))
    within = sum(float(((part - part.mean(0)) ** 2).sum()) for part in parts)
    return float((within / max(float((deviations**2).sum()), 1e-9)) ** 0.5)


def _hues(chroma: Floats, strength: Floats) -> tuple[int, ...]:
    """The hues of the channels, in degrees: those around which most colour lies."""
    degrees = np.rint(np.degrees(np.arctan2(chroma[:, 1], chroma[:, 0]))).astype(int) % 360
    histogram = np.bincount(degrees, weights=strength, minlength=360) / strength.sum()
    hues = list[int]()
    while len(hues) < MOST_CHANNELS:
        around = sum(np.roll(histogram, shift) for shift in range(-CHANNEL_HALF_WIDTH, CHANNEL_HALF_WIDTH + 1))
        hue = int(np.argmax(around))
        if around[hue] < LEAST_CHANNEL:
            break
        offsets = np.arange(-CHANNEL_HALF_WIDTH, CHANNEL_HALF_WIDTH + 1)
        mean_offset = np.average(offsets, weights=histogram[(hue + offsets) % 360])
        hues.append(round(hue + float(mean_offset)) % 360)
        histogram[np.arange(hue - CHANNEL_DISTANCE, hue + CHANNEL_DISTANCE + 1) % 360] = 0
    hues.sort(key=lambda hue: (hue + CHANNEL_HALF_WIDTH) % 360)  # red first, even if its hue is just below 360
    return tuple(hues)


def _pure(hue: int) -> Floats:
    """Red, green and blue (3,) of a hue in degrees, the largest 1 and the smallest 0."""
    places = (np.array([5, 3, 1]) + hue / 60) % 6
    return np.asarray(1 - np.clip(np.minimum(places, 4 - places), 0, 1))


def _name(hue: int) -> str:
    """The name of the nearest of HUES."""
    nearest = min([*HUES, 360], key=lambda degrees: abs(degrees - hue))
    return HUES[nearest % 360]
