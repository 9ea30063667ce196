"""The histogram of a result or of a sample, as JSON for the page's script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import IO, Any, cast
from uuid import UUID
from zipfile import BadZipFile

import numpy as np
from django.core.files.storage import Storage
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ...core import tasks
from ...core.measure.histograms import LENGTH, Population, pieces_table
from ...core.measure.objects.filters import only_sized
from ...core.measure.quantities import Unit
from ...core.measure.results import Statistics
from ...core.measure.shape.descriptors import measures_of
from ...core.measure.sizes.distribution import Edge, Floats
from ...core.measure.table import REASON_TYPE, Table, column_name
from ...http.access import row_of, visible
from ...models import Artifact, Job, Sample
from ...presenters.histogram import histogram_content
from ...services.ground import bundles, tables

SIZE = "min_feret"  # the size of particles, for results that do not store which size they have
MOST_CACHED = 4  # results, and as many samples, whose sizes stay in memory; 20,000 particles need 1.3 MB
# Sizes and probabilities of the pieces into which possible cuts would divide outlines (`Statistics.pieces`).
Pieces = Mapping[str, Sequence[float]]


@dataclass(frozen=True, eq=False)
class StoredObjects:
    """The objects of a result, read from its outlines.json.

    table: a row for each object; its column "kept" says whether the size distribution counts the object. size: the name
    of the size. pixel_size: in the unit of the table. edge: how objects at the frame are treated.
    """

    table: Table
    size: str
    pixel_size: float
    edge: Edge

    @classmethod
    def read(cls, file: IO[bytes], size: str = SIZE) -> StoredObjects:
        """The objects in an outlines.json; the outlines themselves are not kept. Raises ValueError, KeyError or
        TypeError for another file."""
        parts = tables.read_in_parts(file)
        head = next(parts)
        unit, pixel_size = cast(Unit, str(head["unit"])), float(head["pixel_size"])
        entries = dict.fromkeys([*measures_of(size), LENGTH, "chance", "weight"])
        numbers = np.concatenate([_numbers(part[tables.OBJECTS_KEY], list(entries)) for part in chain([head], parts)])
        *measured, is_counted = numbers.T.copy()
        columns = dict(zip(entries, measured, strict=True))
        columns["edge_weight"] = columns.pop("weight")
        filled = {name: values for name, values in columns.items() if not len(values) or np.isfinite(values).any()}
        if size not in filled:
            raise ValueError("the particles have no sizes")
        table_columns = {column_name(name, unit): values for name, values in filled.items()}
        table_columns |= {"kept": is_counted > 0, "reason": np.zeros(len(is_counted), REASON_TYPE)}
        edge: Edge = "weight" if np.isfinite(columns["edge_weight"]).any() else "exclude"
        return cls(Table(table_columns, pixel_size if unit == "nm" else None), size, pixel_size, edge)

    def population(self, pieces: Pieces | None = None) -> Population:
        """All that the histogram may show. pieces: those of its outlines, if hidden particles are counted too (a
        result of an older version has none)."""
        return Population.of(
            [self.table],
            [pieces_table(pieces or {}, self.table.nm_per_pixel)],
            size=self.size,
            edge=self.edge,
            unit=self.table.unit,
            pixel_size=self.pixel_size,
        )


def _numbers(rows: list[dict[str, Any]], names: Sequence[str]) -> Floats:
    """(n, len(names) + 1) the entries of these names, and 1 or 0: whether the size of the object is counted."""
    rows_read = [[*map(row.get, names), row["kept"] and not row.get("cut")] for row in rows]
    return np.array(rows_read, np.float64).reshape(len(rows), len(names) + 1)


def pooled_population(
    object_tables: Sequence[Table], statistics: Statistics, pieces: Sequence[Pieces | None] = ()
) -> Population:
    """The objects of several images together, without images whose unit is not that of the statistics. pieces: for each
    image, see `StoredObjects.population`."""
    places = [i for i, table in enumerate(object_tables) if table.unit == statistics.unit]
    same_unit = [object_tables[i] for i in places]
    pixels = {table.nm_per_pixel or 1.0 for table in same_unit}
    return Population.of(
        [only_sized(table, screened=statistics.screened) for table in same_unit],
        [pieces_table(pieces[i] or {}, object_tables[i].nm_per_pixel) for i in places] if pieces else (),
        size=statistics.size,
        edge=statistics.edge,
        unit=statistics.unit,
        pixel_size=pixels.pop()
        if len(pixels) == 1
        else 0.0,  # as in core.sample.SampleAnalysis, so that the bins are equal
    )


@require_safe
@never_cache
def histogram(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The histogram of a result for the choices in the query; 404 if it has no readable outlines.json."""
    job = visible(request, row_of(Job, pk))
    artifact = Artifact.objects.filter(job=job, name=tables.OUTLINES_FILE).first()
    if artifact is None:
        raise Http404
    statistics = job.stored.statistics
    try:
        size = statistics.size if statistics else SIZE
        objects = _stored_objects(artifact.file.storage, artifact.file.name, size)
        # Pieces count where the numbers are of all particles, hidden ones too.
        pieces = statistics.pieces if statistics and statistics.counted == "all" else None
        population = objects.population(pieces)
    except (OSError, ValueError, KeyError, TypeError):
        raise Http404 from None
    return JsonResponse(histogram_content(population, request.GET, tasks.find(job.get_settings().task)))


@require_safe
@never_cache
def sample_histogram(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The histogram of the particles of all images of a sample that count."""
    sample = visible(request, Sample.objects.filter(pk=pk).first())
    stored = sample.stored
    counting = stored.counted_ids
    artifacts = Artifact.objects.filter(job__in=counting, name=tables.TABLE_FILE)
    names = {str(key): file for key, file in artifacts.values_list("job", "file")}
    if not names or stored.statistics is None:
        raise Http404
    keys = [key for key in counting if key in names]
    jobs = Job.objects.filter(pk__in=keys).with_stored("measurand", "pieces")
    stored_pieces = {
        str(key): pieces if measurand == "all" else None
        for key, measurand, pieces in jobs.values_list("pk", "measurand", "pieces")
    }
    try:
        storage = artifacts.model._meta.get_field("file").storage
        object_tables = _stored_tables(storage, tuple(names[key] for key in keys))
        population = pooled_population(object_tables, stored.statistics, [stored_pieces[key] for key in keys])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        raise Http404 from None
    return JsonResponse(histogram_content(population, request.GET, tasks.find(sample.settings["task"])))


@lru_cache(MOST_CACHED)
def _stored_tables(storage: Storage, names: tuple[str, ...]) -> list[Table]:
    """The tables in these files. They can be cached by name: a name holds job and attempt, so its content never
    changes."""
    tables_read = []
    for name in names:
        with storage.open(name, "rb") as file:
            tables_read.append(tables.load(file)[0])
    return tables_read


@lru_cache(MOST_CACHED)
def _stored_objects(storage: Storage, name: str, size: str) -> StoredObjects:
    """The objects in an outlines.json, cached like `_stored_tables`."""
    with bundles.open_compressed(storage, name) as file:
        return StoredObjects.read(file, size)
