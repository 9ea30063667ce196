"""The bars of a histogram on the page of a result or of a sample."""

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

from ..core import tasks
from ..core.measure.descriptors import measures_of
from ..core.measure.distribution import Edge, Floats
from ..core.measure.filters import sized
from ..core.measure.histograms import LENGTH, Population, pieces_table
from ..core.measure.quantities import Unit
from ..core.measure.table import REASON_TYPE, Table, column_name
from ..http.access import row_of, visible
from ..models import Artifact, Job, Sample
from ..presenters.histogram import histogram_content
from ..services.ground import bundles, tables

SIZE = "min_feret"  # of particles
OPEN_AT_ONCE = 4  # results, and as many samples, whose sizes are kept in memory, 1.3 MB for 20,000 particles
# Sizes and probabilities of the pieces into which possible cuts would divide outlines (`Statistics.pieces`).
Pieces = Mapping[str, Sequence[float]]


@dataclass(frozen=True, eq=False)
class StoredObjects:
    """The objects of a result as its outlines.json has them; kept is what the size distribution counts."""

    table: Table
    size: str
    pixel_size: float
    edge: Edge

    @classmethod
    def read(cls, file: IO[bytes], size: str = SIZE) -> StoredObjects:
        """What outlines.json says of them, without the outlines. Raises ValueError, KeyError or TypeError for another
        file."""
        parts = tables.parts(file)
        head = next(parts)
        unit, pixel_size = cast(Unit, str(head["unit"])), float(head["pixel_size"])
        entries = dict.fromkeys([*measures_of(size), LENGTH, "chance", "weight"])
        numbers = np.concatenate([_numbers(part[tables.OBJECTS], list(entries)) for part in chain([head], parts)])
        *measured, is_counted = numbers.T.copy()
        columns = dict(zip(entries, measured, strict=True))
        columns["edge_weight"] = columns.pop("weight")
        filled = {name: values for name, values in columns.items() if not len(values) or np.isfinite(values).any()}
        if size not in filled:
            raise ValueError("the particles have no sizes")
        named = {column_name(name, unit): values for name, values in filled.items()}
        named |= {"kept": is_counted > 0, "reason": np.zeros(len(is_counted), REASON_TYPE)}
        edge: Edge = "weight" if np.isfinite(columns["edge_weight"]).any() else "exclude"
        return cls(Table(named, pixel_size if unit == "nm" else None), size, pixel_size, edge)

    def population(self, pieces: Pieces | None = None) -> Population:
        """All that its histogram may show. pieces: those of its outlines, where all particles are counted; an older
        result has none."""
        return Population.of(
            [self.table],
            [pieces_table(pieces or {}, self.table.nm_per_pixel)],
            size=self.size,
            edge=self.edge,
            unit=self.table.unit,
            pixel_size=self.pixel_size,
        )


def _numbers(rows: list[dict[str, Any]], names: Sequence[str]) -> Floats:
    """(n, columns): the entries of these names, and whether the size of the object counts."""
    rows_read = [[*map(row.get, names), row["kept"] and not row.get("cut")] for row in rows]
    return np.array(rows_read, np.float64).reshape(len(rows), len(names) + 1)


def pooled_population(
    object_tables: Sequence[Table], statistics: Mapping[str, Any], pieces: Sequence[Pieces | None] = ()
) -> Population:
    """The objects in the tables of several images, as far as they have the unit of their statistics. pieces: of each
    image, see `StoredObjects.population`."""
    alike = [at for at, table in enumerate(object_tables) if table.unit == statistics["unit"]]
    same_unit = [object_tables[at] for at in alike]
    pixels = {table.nm_per_pixel or 1.0 for table in same_unit}
    return Population.of(
        [sized(table, screened=statistics["screened"]) for table in same_unit],
        [pieces_table(pieces[at] or {}, object_tables[at].nm_per_pixel) for at in alike] if pieces else (),
        size=statistics["size"],
        edge=statistics["edge"],
        unit=statistics["unit"],
        pixel_size=pixels.pop() if len(pixels) == 1 else 0.0,  # as of core.sample.SampleAnalysis, for equal bins
    )


def _counted_pieces(counted: str | None, pieces: Pieces | None) -> Pieces | None:
    """The stored pieces of an image, where its numbers are of all particles."""
    return pieces if counted == "all" else None


@require_safe
@never_cache
def histogram(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The bars for the choices in the query; 404 where the result has no outlines.json that can be read."""
    job = visible(request, row_of(Job, pk))
    artifact = Artifact.objects.filter(job=job, name=tables.OUTLINES).first()
    if artifact is None:
        raise Http404
    statistics = job.summary["statistics"] or {}
    try:
        objects = _stored_objects(artifact.file.storage, artifact.file.name, statistics.get("size", SIZE))
        population = objects.population(_counted_pieces(statistics.get("counted"), statistics.get("pieces")))
    except (OSError, ValueError, KeyError, TypeError):
        raise Http404 from None
    return JsonResponse(histogram_content(population, request.GET, tasks.find(job.get_settings().task)))


@require_safe
@never_cache
def sample_histogram(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The same for the pooled particles of a sample: those of the images that count."""
    sample = visible(request, Sample.objects.filter(pk=pk).first())
    # "of": the jobs whose numbers are pooled, in the order of "images".
    rows = zip(sample.pooled.get("of", []), sample.pooled.get("images", []), strict=False)
    counting = [key for key, row in rows if not row.get("excluded")]
    artifacts = Artifact.objects.filter(job__in=counting, name=tables.NAME)
    names = {str(key): file for key, file in artifacts.values_list("job", "file")}
    if not names:
        raise Http404
    keys = [key for key in counting if key in names]
    entries = ("summary__statistics__counted", "summary__statistics__pieces")
    stored_pieces = {
        str(key): _counted_pieces(*counts)
        for key, *counts in Job.objects.filter(pk__in=keys).values_list("pk", *entries)
    }
    try:
        storage = artifacts.model._meta.get_field("file").storage
        stored = _stored_tables(storage, tuple(names[key] for key in keys))
        population = pooled_population(stored, sample.pooled, [stored_pieces[key] for key in keys])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        raise Http404 from None
    return JsonResponse(histogram_content(population, request.GET, tasks.find(sample.settings["task"])))


@lru_cache(OPEN_AT_ONCE)
def _stored_tables(storage: Storage, names: tuple[str, ...]) -> list[Table]:
    """A file's name holds job and attempt: its content never changes."""
    tables_read = []
    for name in names:
        with storage.open(name, "rb") as file:
            tables_read.append(tables.load(file)[0])
    return tables_read


@lru_cache(OPEN_AT_ONCE)
def _stored_objects(storage: Storage, name: str, size: str) -> StoredObjects:
    with bundles.unpacked(storage, name) as file:
        return StoredObjects.read(file, size)
