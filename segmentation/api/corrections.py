"""The corrections of a job for scripts: its outlines as they are now, and each step that changed them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
from django.http import HttpRequest
from ninja import Query, Status

from ..core.labels.operations import redoable, since_first_undone, steps_in_effect
from ..http.access import changeable, row_of, visible
from ..http.serving import serve_labels, serve_log, serve_packed
from ..models import Job
from ..services.ground.limits import one_edit
from ..services.ground.refusal import Refused
from ..services.results import edits as edits_service
from ..services.results import standing as standing_service
from ..services.results.edits import Outdated
from . import schemas
from .auth import key_of
from .routes import JSON, LABELS, Routes, a_file, takes
from .sending import Corrections, json_body

SINCE = "Only the edits after this number."
ROWS_SINCE = "Only the objects that edits after this number changed."
router = Routes(tags=["Jobs"])


@router.does("GET", "/{uuid:pk}/labels", "labels", schemas.Objects, (404, 409, 422), LABELS)
def labels(
    request: HttpRequest,
    pk: UUID,
    format: Literal["tiff", "runs", "objects"] = Query("tiff", description="A TIFF, runs of pixels, or the objects."),
    top: int = Query(0, ge=0, description="For runs: the first row."),
    bottom: int | None = Query(None, ge=0, description="For runs: the row after the last one. Default: all rows."),
) -> Any:
    """The outlines with the corrections so far, counted or left out.

    format=tiff (the default): a TIFF of 32 bits with the ids of the table, 0 for background. The header X-Edits-Base
    is the number of the last edit. format=runs: int32, little-endian: width, height, top, bottom, number of the last
    edit, next free id; then pairs of an id and its number of pixels, for the rows from top to bottom (exclusive), from
    left to right. format=objects: the facts about each object.
    """
    analysed = visible(request, row_of(Job, pk))
    corrections = edits_service.corrections_of(analysed)
    now, base = corrections.now, len(corrections.steps)
    if format == "objects":
        operations = [corrections.steps[number - 1].operation for number in steps_in_effect(corrections.steps)]
        undone = since_first_undone(corrections.steps)
        return {"base": base, "operations": operations, "undone": undone, **now.as_dict()}
    if format == "tiff":
        answer = serve_labels(now, analysed.micrograph.name)
        answer["X-Edits-Base"] = str(base)
        return answer
    height = now.shape[0]
    bottom = height if bottom is None else bottom
    if not top <= bottom <= height:
        raise Refused(f"top and bottom are rows from 0 to {height}, and top is not larger than bottom.", 422)
    ids, counts = now.every_run(top, bottom)
    head = np.array([now.width, height, top, bottom, base, now.next_id], "<i4")
    return serve_packed(request, head.tobytes() + np.column_stack([ids, counts]).astype("<i4").tobytes())


@router.does("GET", "/{uuid:pk}/similar", "similar", schemas.Similar, (404, 409, 422))
def similar(
    request: HttpRequest,
    pk: UUID,
    ids: Annotated[
        list[int], Query(..., min_length=1, max_length=100, description="Ids of the objects to compare with.")
    ],
    alike: float = Query(0.6, ge=0, le=1, description="The least similarity, from 0 to 1."),
) -> Any:
    """The objects that resemble these in size, shape, contrast and contact with others.

    They are compared as they were measured: corrected objects by their automatic outlines, drawn ones in the
    result that measures the corrections.
    """
    near = standing_service.alike_in(visible(request, row_of(Job, pk)), ids)
    chosen = {number: round(value, 4) for number, value in near.items() if value >= alike}
    return {"ids": list(chosen), "alike": list(chosen.values())}


@router.does("GET", "/{uuid:pk}/offer", "offer", schemas.OffersElsewhere, (404, 409, 422))
def offer(request: HttpRequest, pk: UUID) -> Any:
    """What three corrections of one sort would do in the other images of the sample.

    Sent to `edits` with its `base`, the `operation` of an image makes it there, as a correction of its own. Results
    that are signed, shared or named stay as they are and are not looked at.
    """
    analysed = visible(request, row_of(Job, pk))
    words, offers = standing_service.offers_elsewhere(analysed, request.user, request.visitor)
    return {"question": words, "others": offers}


@router.does("GET", "/{uuid:pk}/edits", "edits", schemas.Edits, (404, 422))
def edits(request: HttpRequest, pk: UUID, since: int = Query(0, ge=0, description=SINCE)) -> Any:
    """The corrections so far, in their order, at most 100 in an answer. Each holds the hash of the one before."""
    return edits_service.log_of(visible(request, row_of(Job, pk)), since)


@router.does(
    "POST",
    "/{uuid:pk}/edits",
    "edits",
    {200: schemas.Edited, 409: schemas.Outdated},
    (403, 404, 413, 422),
    takes(Corrections, JSON),
    sparse=True,
)
def edit(request: HttpRequest, pk: UUID) -> Any:
    """Correct the outlines of a finished result. If base is old: 409 with the edits since, and nothing is changed.

    With a header Idempotency-Key the same request sent twice is made once, and gets the same answer. Send one request
    at a time: 429 while another one of yours, or two of other people, are being made.
    """
    analysed = changeable(request, row_of(Job, pk))
    who = {"user": request.user, "visitor": request.visitor}
    try:
        with one_edit(address=request.address_hash, **who):
            body = json_body(request, Corrections)
            fields = {"base": body.base, "operations": body.operations, "key": key_of(request)}
            rows = edits_service.edit_job(job=analysed, **fields, **who)
    except Outdated as old:
        return Status(409, old)
    steps = edits_service.steps_made(analysed, rows)
    answer = {
        "base": rows[-1].sequence,
        "made": [s.patch.ids_left for s in steps],
        "checks": [s.patch.check for s in steps],
    }
    if body.patches:
        answer["patches"] = [step.patch.as_lists() for step in steps]
        answer["before"] = [step.before.as_lists() for step in steps]
    return {**answer, "standing": standing_service.standing(analysed, body.since)} if body.since is not None else answer


@router.does("GET", "/{uuid:pk}/standing", "standing", schemas.Standings, (404, 409, 422))
def standing_objects(request: HttpRequest, pk: UUID, since: int = Query(0, ge=0, description=ROWS_SINCE)) -> Any:
    """What the corrections so far leave: the objects that those after `since` changed, numbers, and what to check."""
    analysed = visible(request, row_of(Job, pk))
    corrections = edits_service.corrections_of(analysed)
    edits_service.read_maps_ahead(corrections)  # the editor asks this when it is opened
    operations = [corrections.steps[number - 1].operation for number in steps_in_effect(corrections.steps)]
    undone, now = [corrections.steps[number - 1].operation for number in redoable(corrections.steps)], corrections.now
    history = {"base": len(corrections.steps), "operations": operations, "undone": undone}
    facts = {"classes": now.class_names, "maps": [*now.maps]}
    return {**history, **facts, "standing": standing_service.standing(analysed, since)}


@router.does("GET", "/{uuid:pk}/edits.csv", "edits-csv", {}, (404,), a_file("text/csv"))
def edits_csv(request: HttpRequest, pk: UUID) -> Any:
    """The corrections so far as CSV."""
    return serve_log(visible(request, row_of(Job, pk)), "csv")
