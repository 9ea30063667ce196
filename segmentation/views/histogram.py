"""The bars of the result page's histogram, for the choices of its reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import IO, Any
from uuid import UUID
from zipfile import BadZipFile

import numpy as np
from django.core.files.storage import Storage
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from numpy.typing import NDArray

from ..core.measure import bins
from ..core.measure.bins import Floats
from ..core.measure.descriptors import DESCRIPTORS, measures_of
from ..core.measure.fitting import log_normal, unfit
from ..core.measure.table import Table
from ..http.access import row_of, visible
from ..models import Artifact, Job, Sample
from ..services.ground import bundles, tables

SIZE = "min_feret"  # of particles
SHAPES = (*DESCRIPTORS, "edge_weight")  # without a unit
WEIGHTINGS = ("number", "area", "volume")  # of particles; without areas "number" alone
STATISTICS = ("unit", "edge", "size", "screened")  # of a sample, on which its bars rest
LENGTH = "visible_length"  # of fibres, by which they are weighted in place of their volume
OPEN_AT_ONCE = 4  # results, and as many samples, whose sizes are kept in memory, 1.3 MB for 20,000 particles

NOT_A_NUMBER = "Type a number above 0, or leave the field empty."
TOO_MANY = f"That would be more than {bins.MOST_TYPED} bars; choose wider ones."
TOO_WIDE = "Such bars would not fit on any axis; choose narrower ones."


@dataclass(frozen=True, eq=False)
class Particles:
    """The sizes of n particles: columns by name, (n,) each, NaN if unknown; which are kept; their edge weights.

    pixel_size: the pixel size in `unit`; 0 of several images that differ in it. lengths: (n,) of fibres, else None.
    """

    unit: str
    pixel_size: float
    columns: dict[str, Floats]
    kept: NDArray[np.bool_]
    weights: Floats
    weighted: bool
    lengths: Floats | None = None

    @classmethod
    def read(cls, file: IO[bytes], size: str = SIZE) -> Particles:
        """The viewer's file without the outlines. Raises ValueError, KeyError or TypeError for another file."""
        parts, names = tables.parts(file), measures_of(size)
        head = next(parts)
        table = np.concatenate(
            [_numbers(part[tables.OBJECTS], [*names, LENGTH]) for part in chain([head], parts)]
        ).T.copy()
        *measures, lengths, is_counted, weights = table
        columns = {
            name: column
            for name, column in zip(names, measures, strict=True)
            if not len(column) or np.isfinite(column).any()
        }
        if size not in columns:
            raise ValueError("the particles have no sizes")
        missing = np.isnan(weights)
        return cls(
            str(head["unit"]),
            float(head["pixel_size"]),
            columns,
            is_counted > 0,
            np.where(missing, 1.0, weights),
            not missing.all(),
            lengths if np.isfinite(lengths).any() else None,
        )

    @classmethod
    def of(cls, object_tables: Sequence[Table], statistics: Mapping[str, Any]) -> Particles:
        """The objects in the tables of one image or of several, as far as they have the unit of their statistics."""
        unit, weighted = statistics["unit"], statistics["edge"] == "weight"
        size, screened = statistics["size"], statistics["screened"]
        same_unit = [table for table in object_tables if table.unit == unit]
        pixels = {table.nm_per_pixel or 1.0 for table in same_unit}
        pixel_size = pixels.pop() if len(pixels) == 1 else 0.0  # as of core.sample.SampleAnalysis, for equal bins

        def column(name: str) -> Floats:
            is_length = name not in SHAPES
            parts = [table.length(name) if is_length else table[name] for table in same_unit]
            return np.concatenate(parts) if parts else np.zeros(0)

        measures = {
            name: values for name in measures_of(size) if np.isfinite(values := column(name)).any() or not same_unit
        }
        is_counted = np.concatenate(
            [table.kept if screened else table.whole for table in same_unit] or [np.zeros(0, bool)]
        )
        weights = column("edge_weight")
        weights = np.where(weighted & np.isfinite(weights), weights, 1.0)
        of_fibres = bool(same_unit) and all(f"{LENGTH}_{unit}" in table.columns for table in same_unit)
        lengths = column(LENGTH) if of_fibres else None
        return cls(unit, pixel_size, measures, is_counted, weights, weighted, lengths)


def _numbers(rows: list[dict[str, Any]], names: Sequence[str]) -> Floats:
    """(n, columns): the measures, whether the size of the object counts, and its edge weight."""
    rows_read = [[*map(row.get, names), row["kept"] and not row.get("cut"), row.get("weight")] for row in rows]
    return np.array(rows_read, np.float64).reshape(len(rows), len(names) + 2)


@require_safe
@never_cache
def histogram(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The bars for the choices in the query; 404 where the result has no particles' file that can be read."""
    job = visible(request, row_of(Job, pk))
    artifact = Artifact.objects.filter(job=job, name=tables.OUTLINES).first()
    if artifact is None:
        raise Http404
    size = (job.summary["statistics"] or {}).get("size", SIZE)
    try:
        particles = _stored_particles(artifact.file.storage, artifact.file.name, size)
    except (OSError, ValueError, KeyError, TypeError):
        raise Http404 from None
    return JsonResponse(bars(particles, request.GET))


@require_safe
@never_cache
def of_sample(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The same for the pooled particles of a sample."""
    sample = visible(request, Sample.objects.filter(pk=pk).first())
    artifacts = Artifact.objects.filter(job__in=sample.pooled.get("of", []), name=tables.NAME)
    names = tuple(sorted(artifacts.values_list("file", flat=True)))
    if not names:
        raise Http404
    try:
        storage = artifacts.model._meta.get_field("file").storage
        chosen = {name: sample.pooled[name] for name in STATISTICS if name in sample.pooled}
        particles = _pooled_particles(storage, names, *chosen.items())
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        raise Http404 from None
    return JsonResponse(bars(particles, request.GET))


@lru_cache(OPEN_AT_ONCE)
def _pooled_particles(storage: Storage, names: tuple[str, ...], *statistics: tuple[str, Any]) -> Particles:
    tables_read = []
    for name in names:
        with storage.open(name, "rb") as file:
            tables_read.append(tables.load(file)[0])
    return Particles.of(tables_read, dict(statistics))


@lru_cache(OPEN_AT_ONCE)
def _stored_particles(storage: Storage, name: str, size: str) -> Particles:
    """A file's name holds job and attempt: its content never changes."""
    with bundles.unpacked(storage, name) as file:
        return Particles.read(file, size)


def bars(particles: Particles, chosen: Mapping[str, str]) -> dict[str, Any]:
    """The histogram that was chosen, as plain JSON types.

    chosen: "measure" and "weighting" by name; "log" and "all" (include objects set aside) if not empty; "bins": the
    width of a bar, or on a logarithmic axis the bars per decade, "" for automatic bins; "from" and "to": a range of
    sizes. Unknown values are ignored.

    {"unit", "measures" and "weightings": those that can be chosen, "weighted": whether particles are weighted for the
    frame, "n": particles, "edges" (k + 1,), "counts" (k,), "heights" and of these "aside" (k,): particles, or shares of
    length, area or volume, "shares" and "cumulative" (k,): of all, "fit": the log-normal law or null, "unfit": why it
    is not drawn, else "", "problem": what is wrong with "bins", else "", "range": "count" and "share" of the range,
    whose upper end is left out as a bar's is, or null}; without a particle "edges" is empty.
    """
    weightings = WEIGHTINGS if "area" in particles.columns else WEIGHTINGS[:1]
    if particles.lengths is not None:
        weightings = ("number", "length", "area")
    measure = _one_of(list(particles.columns), chosen.get("measure"))
    weighting = _one_of(weightings, chosen.get("weighting"))
    sizes = particles.columns[measure]
    weights = particles.weights * _weights(particles, weighting)
    is_shown = (sizes > 0) & np.isfinite(sizes) & (particles.kept | bool(chosen.get("all")))
    sizes, weights, by_number = sizes[is_shown], weights[is_shown], particles.weights[is_shown]
    is_counted = particles.kept[is_shown]
    answer = {
        "unit": particles.unit,
        "measures": list(particles.columns),
        "weightings": list(weightings),
        "weighted": particles.weighted,
        "n": len(sizes),
    }
    if not len(sizes):
        return {**answer, "edges": [], "problem": ""}
    pixel = (particles.unit, particles.pixel_size) if measure not in (*SHAPES, "area") else ("", 0.0)
    automatic = bins.log_edges(sizes) if chosen.get("log") else bins.auto_edges(sizes, *pixel)
    edges, problem = _edges(sizes, automatic, bool(chosen.get("log")), chosen.get("bins", ""))
    heights = bins.histogram(sizes, weights, edges)
    aside = bins.histogram(sizes[~is_counted], weights[~is_counted], edges)
    # Edge weights change how particles share in the bars, and not their number.
    weight_of_one = weights.mean() if weighting == "number" else weights.sum()
    order = np.argsort(sizes)
    fit = log_normal(sizes[order], weights[order])
    # The law by number is one by area and volume, too, where the few largest sizes hide that they do not follow it.
    poor = unfit(log_normal(sizes[order], by_number[order])) or unfit(fit)
    return {
        **answer,
        "edges": edges.tolist(),
        "counts": heights.counts.tolist(),
        "heights": (heights.sums / weight_of_one).tolist(),
        "aside": (aside.sums / weight_of_one).tolist(),
        "shares": heights.shares.tolist(),
        "cumulative": heights.cumulative.tolist(),
        "fit": {"median": fit["median"], "gsd": fit["gsd"]} if fit and not poor else None,
        "unfit": poor if measure not in SHAPES else "",
        "problem": problem,
        "range": _range(sizes, weights, edges[-1], chosen),
    }


def _range(sizes: Floats, weights: Floats, last: float, chosen: Mapping[str, str]) -> dict[str, float] | None:
    try:
        low, high = float(chosen["from"]), float(chosen["to"])
    except (KeyError, ValueError):
        return None
    inside = (sizes >= low) & ((sizes < high) | ((sizes == high) & (high >= last)))
    return {"count": int(inside.sum()), "share": float(weights[inside].sum() / weights.sum())}


def _one_of(allowed: Sequence[str], requested: str | None) -> str:
    return requested if requested in allowed else allowed[0]


def _weights(particles: Particles, weighting: str) -> Floats:
    """How much each particle counts by a weighting, (n,), before its edge weight."""
    if weighting == "area":
        return particles.columns["area"]
    if weighting == "length" and particles.lengths is not None:
        return np.nan_to_num(particles.lengths)
    return particles.columns["ecd"] ** 3 if weighting == "volume" else np.ones(len(particles.kept))


def _edges(sizes: Floats, automatic: Floats, log: bool, typed: str) -> tuple[Floats, str]:
    """Edges for sizes (n,), and what is wrong with what was typed where they are the automatic ones instead."""
    if not typed:
        return automatic, ""
    try:
        number = float(typed)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        return automatic, NOT_A_NUMBER
    edges = (bins.ratio_edges if log else bins.typed_edges)(sizes, number)
    if edges is None:
        return automatic, TOO_MANY
    return (edges, "") if np.isfinite(edges).all() else (automatic, TOO_WIDE)
