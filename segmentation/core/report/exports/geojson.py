"""The export `particles.geojson`: objects as polygons with their measures, for GIS and image
programs.

Coordinates are pixels, and y points down, as programs for images expect. GeoJSON (RFC 7946)
officially has only degrees, so a map program must be told to use the coordinates as plain numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import tasks
from ...analysis import Analysis, ExportedObjects
from ...measure.shape.descriptors import measures_of
from ...measure.table import column_name
from ..outlines import NO_WHOLES, Points, Polygon
from ..wording import version, write_json
from .base import Export
from .viewer import rounded_values

DIGITS = 7  # significant digits of measured numbers


def as_dict(
    analysis: Analysis, object_polygons: list[list[Polygon]], wholes: Mapping[int, Points] = NO_WHOLES
) -> dict[str, Any]:
    """The content of the file in plain JSON types: one feature per object, with its main measures
    as properties.

    object_polygons: the polygons of each object. wholes: the outlines of completed objects by their index, each a
    further feature with the property "whole_of". A measure that is not finite is None. Rings obey
    the right-hand rule in (x, y) and repeat their first corner at the end.
    """
    objects, table = ExportedObjects.of(analysis), analysis.table
    task = tasks.find(analysis.segmentation.provenance.task)
    measures = ("kept", "reason", *measures_of(task.size), "confidence") if len(table) == len(object_polygons) else ()
    names = [column_name(measure, table.unit) for measure in measures]
    table_columns = {name: table[name] for name in names if name in table.columns}
    columns = {
        "label": objects.ids.tolist(),
        **{
            name: rounded_values(column, DIGITS) if column.dtype.kind == "f" else column.tolist()
            for name, column in table_columns.items()
        },
        **({"class": objects.classes} if len(analysis.segmentation.class_names) > 1 else {}),
    }
    features = [
        {
            "type": "Feature",
            "id": int(objects.ids[i]),
            "properties": {name: values[i] for name, values in columns.items()},
            "geometry": _geometry(polygons),
        }
        for i, polygons in enumerate(object_polygons)
    ]
    features += [
        {
            "type": "Feature",
            "properties": {"whole_of": int(objects.ids[i])},
            "geometry": {"type": "Polygon", "coordinates": [[*line.round(2).tolist(), line[0].round(2).tolist()]]},
        }
        for i, line in wholes.items()
    ]
    return {
        "type": "FeatureCollection",
        "generator": version(),
        "image": dict(zip(("name", "sha256"), analysis.micrograph.shown_file, strict=True)),
        "coordinates": "pixels, x to the right and y down from the top left corner",
        "nm_per_pixel": analysis.table.nm_per_pixel,
        "features": features,
    }


def _geometry(polygons: list[Polygon]) -> dict[str, Any]:
    pieces = [[[*ring.tolist(), ring[0].tolist()] for ring in (polygon.outer, *polygon.holes)] for polygon in polygons]
    if len(pieces) == 1:
        return {"type": "Polygon", "coordinates": pieces[0]}
    return {"type": "MultiPolygon", "coordinates": pieces}


EXPORTS = (
    Export(
        "{table}.geojson",
        "Outlines, GeoJSON",
        place=160,
        write=lambda context, path: write_json(
            as_dict(context.analysis, context.object_polygons, context.wholes), path
        ),
        image="the {things} as polygons in pixels, with their measures",
    ),
)
