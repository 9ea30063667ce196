"""A picture that fills its Axes, placed in every format at little cost.

matplotlib's own images are scaled and compressed anew for each format, which took most of the time of a figure.
"""

from __future__ import annotations

import base64
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from .png import Deflated, deflated

FINEST = 1100  # px; over 200 dpi in a panel of the figure
SMALL = 400  # px; pictures up to this are enlarged as squares, so that single pixels stay visible


class Print:
    """A picture (h, w) grey or (h, w, 3) colour, uint8, compressed once however often it is pasted."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    @cached_property
    def packed(self) -> Deflated:
        """For vector files: no side over FINEST px, so that they stay small."""
        rows, columns = self.pixels.shape[:2]
        ratio = FINEST / max(rows, columns)
        if ratio >= 1:
            return deflated(self.pixels)
        size = (max(1, round(columns * ratio)), max(1, round(rows * ratio)))
        return deflated(np.asarray(Image.fromarray(self.pixels).resize(size, Image.Resampling.BICUBIC)))


class Pasted(Artist):
    """A print over the whole of its Axes, under everything else."""

    def __init__(self, ax: Axes, picture: Print) -> None:
        super().__init__()
        self.picture = picture
        self.set_zorder(0.0)
        ax.add_artist(self)

    def draw(self, renderer: Any) -> None:
        assert self.axes is not None
        if not self.get_visible():
            return
        box = self.axes.bbox
        if hasattr(renderer, "place"):
            renderer.place(self.picture.packed, box.x0, box.y0, box.width, box.height)
        elif renderer.option_scale_image():
            self._into_svg(renderer, box)
        else:
            self._onto_pixels(renderer, box)
        self.stale = False

    def _onto_pixels(self, renderer: Any, box: Any) -> None:
        left, bottom, right, top = (round(value) for value in box.extents)
        size = (max(1, right - left), max(1, top - bottom))
        pixels = self.picture.pixels
        squares = size[0] > pixels.shape[1] and max(pixels.shape[:2]) <= SMALL
        way = Image.Resampling.NEAREST if squares else Image.Resampling.BICUBIC
        scaled = Image.fromarray(pixels).resize(size, way).convert("RGBA")
        renderer.draw_image(renderer.new_gc(), left, bottom, np.asarray(scaled)[::-1])

    def _into_svg(self, renderer: Any, box: Any) -> None:
        picture = base64.b64encode(self.picture.packed.png()).decode("ascii")
        renderer.writer.element(
            "image",
            x=f"{box.x0:.4f}",
            y=f"{renderer.height - box.y1:.4f}",
            width=f"{box.width:.4f}",
            height=f"{box.height:.4f}",
            preserveAspectRatio="none",
            attrib={"xlink:href": f"data:image/png;base64,{picture}"},
        )
