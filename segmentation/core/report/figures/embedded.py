"""A picture in a figure. In PDF and SVG it is embedded as a JPEG or PNG file, so that it keeps its
own pixels.

`panels` adds it to a figure; `figure` writes SVG, `pdf` writes PDF. In a PNG of the figure
matplotlib resamples the picture.
"""

from __future__ import annotations

import io
from base64 import b64encode
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image

QUALITY = 95  # of JPEG, without chroma subsampling: grey values differ by 1 in the median
ENLARGED_PX = 1000  # of the longer side, if pixels are shown as squares: each pixel is repeated


class EmbeddedPicture(AxesImage):
    """A picture (h, w) or (h, w, 3) uint8 that fills `extent` (left, right, bottom, top) of the
    Axes.

    squares: whether an enlarged picture shows its pixels as squares instead of interpolating.
    """

    def __init__(
        self, ax: Axes, pixels: NDArray[np.uint8], extent: tuple[float, float, float, float], *, squares: bool
    ) -> None:
        self.pixels, self.squares = pixels, squares
        interpolation = "nearest" if squares else "auto"
        style: dict[str, Any] = {"cmap": "gray", "norm": Normalize(0, 255), "interpolation": interpolation, "zorder": 0}
        super().__init__(ax, extent=extent, resample=True, **style)
        self.set_data(pixels)
        self.set_clip_path(ax.patch)
        ax.add_image(self)

    def draw(self, renderer: Any) -> None:
        """In SVG and PDF embed the picture file itself; in PNG let matplotlib draw the pixels."""
        if not hasattr(renderer, "draw_picture"):
            super().draw(renderer)
            return
        left, right, bottom, top = self.get_extent()
        corners = self.axes.transData.transform([(left, bottom), (right, top)])
        renderer.draw_picture(self.content, Bbox(corners))

    @cached_property
    def content(self) -> bytes:
        """The picture file: JPEG, or PNG if pixels are shown as squares, whose edges must stay
        sharp."""
        file = io.BytesIO()
        if self.squares:
            times = -(-ENLARGED_PX // max(self.pixels.shape[:2]))
            Image.fromarray(self.pixels.repeat(times, 0).repeat(times, 1)).save(file, "PNG", compress_level=1)
        else:
            Image.fromarray(self.pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
        return file.getvalue()


class Svg(RendererSVG):
    """matplotlib's SVG renderer, with pictures as embedded files."""

    def draw_picture(self, content: bytes, box: Bbox) -> None:
        """Draw a picture file (JPEG or PNG) that fills the box."""
        kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
        position = {"x": box.x0, "y": self.height - box.y1, "width": box.width, "height": box.height}
        link = {"xlink:href": f"data:image/{kind};base64,{b64encode(content).decode()}"}
        attributes = {name: f"{value:.3f}" for name, value in position.items()} | {"preserveAspectRatio": "none"}
        writer: Any = self.writer
        writer.element("image", attrib=attributes | link)
