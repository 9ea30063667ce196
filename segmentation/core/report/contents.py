"""What each file of the bundle holds, in the order in which they are listed."""

from __future__ import annotations

IMAGE = {
    "report.pdf": "report of two to four pages, for filing",
    "figure.png": "image, segmentation, doubts and size distribution on one page, 300 dpi",
    "figure.svg": "the same as lines and text, to edit",
    "figure.pdf": "the same, to print",
    "panel-image.png": "the image alone, with its scale bar",
    "panel-outlines.png": "the particles in colour alone",
    "panel-possibly-wrong.png": "the outlines alone: kept solid and green, possibly wrong dashed and red",
    "panel-histogram.png": "the size distribution alone",
    "particles.csv": "summary and one row per particle",
    "particles.xlsx": "the same as a workbook: particles, summary with intervals, metadata",
    "labels.tif": "label image of the kept particles for ImageJ, with the size of a pixel; 0 is background",
    "labels-all.tif": "the same with the particles that were set aside",
    "rois.zip": "outlines of the kept particles for ImageJ's ROI Manager",
    "rois-all.zip": "the same with the particles that were set aside, in red",
    "coco.json": "the particles as COCO annotations",
    "particles.geojson": "the particles as polygons in pixels, with their measures",
    "result.json": "settings, statistics with intervals, calibration, model and versions, for programs",
    "result.schema.json": "the JSON Schema of result.json",
}

SAMPLE = {
    "report.pdf": "report on the sample, for filing",
    "figure.png": "pooled size distribution and one small histogram per image, 300 dpi",
    "figure.svg": "the same as lines and text, to edit",
    "figure.pdf": "the same, to print",
    "particles.csv": "one row per particle with the name of its image",
    "images.csv": "one row per image",
    "sample.xlsx": "images, summary with intervals, metadata, notes",
    "result.json": "pooled statistics with intervals and one entry per image, for programs",
    "result.schema.json": "the JSON Schema of result.json",
}
