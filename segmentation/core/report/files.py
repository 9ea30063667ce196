"""All the files of an analysis in one folder."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from ..analysis import Analysis
from . import bundle, coco, contents, figure, geojson, labels, pages, result, rois, table, viewer, xlsx
from .charts import Distribution
from .panels import Scene
from .png import Deflated
from .rings import Polygon, polygons
from .wording import calibration_words, model_words

Progress = Callable[[str, float], None]
Writer = Callable[[Path], object]
FOR_THE_PAGE = ("outlines.json", "image.png", "thumbnail.png", "segmentation.npz")
WITH_SET_ASIDE = {
    "labels.tif": "label image of all particles, set-aside ones too, with the size of a pixel; 0 is background",
    "labels-all.tif": "the same",
    "rois.zip": "outlines of all particles for ImageJ's ROI Manager, those that were set aside in red",
    "rois-all.zip": "the same",
}


def write_all(
    analysis: Analysis,
    folder: Path,
    *,
    for_the_page: bool = True,
    keep_all: bool = False,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write every file a user takes away into `folder` (made if need be): file name -> path.

    for_the_page: whether those that only the result page needs are written, too.
    keep_all: whether labels.tif and rois.zip have the particles that were set aside, too; README.txt says so.
    progress(stage, fraction): told before each file, fraction being the part of this writing that is done;
    it may raise to stop. An exception leaves the files written so far.
    """
    written: dict[str, Path] = {}
    described = {**contents.IMAGE, **(WITH_SET_ASIDE if keep_all else {})}
    count = len(described) + (len(FOR_THE_PAGE) if for_the_page else 0) + 1

    def write(name: str, writer: Writer) -> None:
        if progress is not None:
            stage = "drawing the figure" if name.startswith("figure") else "writing the files"
            progress(stage, len(written) / count)
        writer(folder / name)
        written[name] = folder / name

    folder.mkdir(parents=True, exist_ok=True)
    with _uncollected(), ThreadPoolExecutor(1) as packing:
        drawing = Drawing(analysis, packing)
        for name, writer in _writers(analysis, drawing, keep_all).items():
            if for_the_page or name not in FOR_THE_PAGE:
                write(name, writer)
        sums = {name: bundle.sha256(path) for name, path in written.items() if name in described}
        write("report.pdf", lambda path: pages.write_report(analysis, drawing.panels, sums, path))
        sums["report.pdf"] = bundle.sha256(written["report.pdf"])
        write("bundle.zip", lambda path: bundle.write_bundle(written, sums, described, _about(analysis), path))
    return written


class Drawing:
    """What several files share, made once. Pictures are compressed in a thread, while the next file is made."""

    def __init__(self, analysis: Analysis, packing: Executor) -> None:
        self.analysis = analysis
        self.scene = Scene.of(analysis)
        self.figure = figure.draw(analysis, self.scene)
        self.pixels = figure.rendered(self.figure)
        # Cut before the thread begins: writing a vector file changes the figure's resolution for a while.
        pictures = {
            "figure.png": self.pixels,
            **figure.panels(self.figure, self.pixels),
            "panel-histogram.png": figure.rendered(figure.draw_distribution(Distribution.of(analysis))),
        }
        self._pictures = packing.submit(lambda: {name: figure.packed(each) for name, each in pictures.items()})

    @property
    def panels(self) -> dict[str, Deflated]:
        return self._pictures.result()

    @cached_property
    def shapes(self) -> list[list[Polygon]]:
        rows = self.analysis.segmentation.rows
        return polygons(self.analysis.segmentation.dense[:rows], len(self.analysis.table), self.scene.cracks)

    def write_figure(self, path: Path) -> None:
        figure.write(self.figure, path, "svg" if path.suffix == ".svg" else "pdf", self.pixels)

    def write_picture(self, path: Path) -> None:
        path.write_bytes(figure.as_png(self.panels[path.name]))


def _writers(analysis: Analysis, drawing: Drawing, keep_all: bool) -> dict[str, Writer]:
    pictures = [name for name in contents.IMAGE if name.endswith(".png")]
    return {
        **dict.fromkeys(("figure.svg", "figure.pdf"), drawing.write_figure),
        "particles.csv": lambda path: write_table(analysis, path),
        "particles.xlsx": lambda path: xlsx.write_xlsx(analysis, path),
        "labels.tif": lambda path: labels.write_tiff(analysis, path, all=keep_all),
        "labels-all.tif": lambda path: labels.write_tiff(analysis, path, all=True),
        "rois.zip": lambda path: rois.write_rois(analysis, drawing.shapes, path, all=keep_all),
        "rois-all.zip": lambda path: rois.write_rois(analysis, drawing.shapes, path, all=True),
        "coco.json": lambda path: write_json(coco.as_dict(analysis, drawing.shapes), path),
        "particles.geojson": lambda path: write_json(geojson.as_dict(analysis, drawing.shapes), path),
        "result.json": lambda path: write_json(result.as_dict(analysis), path, indent=2),
        "result.schema.json": lambda path: path.write_bytes(result.SCHEMA.read_bytes()),
        "outlines.json": lambda path: write_json(viewer.outlines(analysis, drawing.scene.outlines), path),
        "image.png": lambda path: path.write_bytes(viewer.image_png(analysis)),
        "thumbnail.png": lambda path: path.write_bytes(viewer.thumbnail_png(analysis)),
        "segmentation.npz": lambda path: analysis.segmentation.save(path),
        **dict.fromkeys(pictures, drawing.write_picture),
    }


def _about(analysis: Analysis) -> list[str]:
    rows, columns = analysis.micrograph.shape
    return [
        f"Particles in {analysis.micrograph.name}",
        f"{columns} x {rows} px, {calibration_words(analysis.calibration)}",
        f"SHA-256 of the image: {analysis.micrograph.sha256}",
        f"Model: {model_words(analysis)}",
    ]


def write_table(analysis: Analysis, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table.write_csv(analysis, file)


def write_json(data: dict[str, Any], path: Path, indent: int | None = None) -> None:
    separators = None if indent else (",", ":")
    text = json.dumps(data, indent=indent, separators=separators, ensure_ascii=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for unreachable objects, which with the networks in memory takes a tenth of a second each
    time; what it would find waits until the files are written."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
