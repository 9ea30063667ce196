"""The picture in a figure: in PDF and SVG it is embedded as a file of its own pixels, compressed once.

`panels` places it, `figure` writes SVG, `pdf` PDF; in a PNG of the figure matplotlib resamples it.
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

QUALITY = 95  # of JPEG, without coarser colours: a grey value differs by 1 in the median
ENLARGED = 1000  # px: of a picture shown as squares each pixel is repeated until its longer side has so many


class EmbeddedPicture(AxesImage):
    """Pixels (h, w) or (h, w, 3) uint8 that fill `extent` of the Axes.

    squares: whether single pixels are to be seen, where the picture is enlarged.
    """

    def __init__(
        self, ax: Axes, pixels: NDArray[np.uint8], extent: tuple[float, float, float, float], *, squares: bool
    ) -> None:
        self.pixels, self.squares = pixels, squares
        how = "nearest" if squares else "auto"
        style: dict[str, Any] = {"cmap": "gray", "norm": Normalize(0, 255), "interpolation": how, "zorder": 0}
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
        """JPEG; PNG of squares, whose edges stay sharp."""
        file = io.BytesIO()
        if self.squares:
            times = -(-ENLARGED // max(self.pixels.shape[:2]))
            Image.fromarray(self.pixels.repeat(times, 0).repeat(times, 1)).save(file, "PNG", compress_level=1)
        else:
            Image.fromarray(self.pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
        return file.getvalue()


class Svg(RendererSVG):
    """matplotlib's SVG, in which pictures are files of their own."""

    def draw_picture(self, content: bytes, box: Bbox) -> None:
        """A picture file that fills the box."""
        kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
        place = {"x": box.x0, "y": self.height - box.y1, "width": box.width, "height": box.height}
        content_within = {"xlink:href": f"data:image/{kind};base64,{b64encode(content).decode()}"}
        attributes = {name: f"{value:.3f}" for name, value in place.items()} | {"preserveAspectRatio": "none"}
        writer: Any = self.writer
        writer.element("image", attrib=attributes | content_within)
