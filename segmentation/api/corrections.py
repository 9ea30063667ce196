"""The corrections of a job in the API: its outlines after all corrections, and the log of corrections."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
from django.http import HttpRequest
from ninja import Query, Status

from ..core.labels.corrections.operations import redoable_steps, steps_from_first_undone, steps_in_effect
from ..http.access import changeable, row_of, visible
from ..http.serving import serve_compressed, serve_labels, serve_log
from ..models import Job
from ..services.ground.limits import edit_slot
from ..services.ground.refusal import Refused
from ..services.results.corrections import edits as edits_service
from ..services.results.corrections import standing as standing_service
from ..services.results.corrections.edits import Outdated
from .shared import schemas
from .shared.auth import key_of
from .shared.request_bodies import Corrections, json_body
from .shared.routes import JSON, LABELS, Routes, file_answer, request_body

SINCE = "Only the edits after this number."
ROWS_SINCE = "Only the objects that edits after this number changed."
router = Routes(tags=["Jobs"])


@router.operation("GET", "/{uuid:pk}/labels", "labels", schemas.Objects, (404, 409, 422), LABELS)
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
    left to right. format=objects: the values of each object.
    """
    analysed = visible(request, row_of(Job, pk))
    corrections = edits_service.corrections_of(analysed)
    outlines, base = corrections.now, len(corrections.steps)
    if format == "objects":
        operations = [corrections.steps[number - 1].operation for number in steps_in_effect(corrections.steps)]
        undone = steps_from_first_undone(corrections.steps)
        return {"base": base, "operations": operations, "undone": undone, **outlines.as_dict()}
    if format == "tiff":
        response = serve_labels(outlines, analysed.micrograph.name)
        response["X-Edits-Base"] = str(base)
        return response
    height = outlines.shape[0]
    bottom = height if bottom is None else bottom
    if not top <= bottom <= height:
        raise Refused(f"top and bottom are rows from 0 to {height}, and top is not larger than bottom.", 422)
    ids, lengths = outlines.every_run(top, bottom)
    header = np.array([outlines.width, height, top, bottom, base, outlines.next_id], "<i4")
    return serve_compressed(request, header.tobytes() + np.column_stack([ids, lengths]).astype("<i4").tobytes())


@router.operation("GET", "/{uuid:pk}/similar", "similar", schemas.Similar, (404, 409, 422))
def similar(
    request: HttpRequest,
    pk: UUID,
    ids: Annotated[
        list[int], Query(..., min_length=1, max_length=100, description="Ids of the objects to compare with.")
    ],
    alike: float = Query(0.6, ge=0, le=1, description="The least similarity, from 0 to 1."),
) -> Any:
    """The objects that resemble the named ones in size, shape, contrast and contact with others.

    They are compared as they were last measured: a corrected object by its automatic outline, a drawn object only in
    the result that measures the corrections.
    """
    similarity_by_id = standing_service.similarities(visible(request, row_of(Job, pk)), ids)
    similar_enough = {number: round(value, 4) for number, value in similarity_by_id.items() if value >= alike}
    return {"ids": list(similar_enough), "alike": list(similar_enough.values())}


@router.operation("GET", "/{uuid:pk}/offer", "offer", schemas.OffersElsewhere, (404, 409, 422, 429))
def offer(request: HttpRequest, pk: UUID) -> Any:
    """What three corrections of one sort would do in the other images of the sample.

    To accept the offer for an image, send its `operation` and `base` to the `edits` of that image, where it becomes a
    correction. Results that are signed, shared or named never change, so nothing is offered for them.
    """
    analysed = visible(request, row_of(Job, pk))
    who = {"user": request.user, "visitor": request.visitor}
    with edit_slot("offers", address=request.address_hash, **who):
        question, offers = standing_service.offers_in_sample(analysed, **who)
    return {"question": question, "others": offers}


@router.operation("GET", "/{uuid:pk}/edits", "edits", schemas.Edits, (404, 422))
def edits(request: HttpRequest, pk: UUID, since: int = Query(0, ge=0, description=SINCE)) -> Any:
    """The corrections so far, in their order, at most 100 in an answer. Each holds the hash of the one before."""
    return edits_service.log_state(visible(request, row_of(Job, pk)), since)


@router.operation(
    "POST",
    "/{uuid:pk}/edits",
    "edits",
    {200: schemas.Edited, 409: schemas.Outdated},
    (403, 404, 413, 422),
    request_body(Corrections, JSON),
    leave_out_unset=True,
)
def edit(request: HttpRequest, pk: UUID) -> Any:
    """Correct the outlines of a finished result. If base is old: 409 with the edits since, and nothing is changed.

    With a header Idempotency-Key the same request sent twice is made once, and gets the same answer. Send one request
    at a time: 429 while another one of yours, or two of other people, are being made.
    """
    analysed = changeable(request, row_of(Job, pk))
    who = {"user": request.user, "visitor": request.visitor}
    try:
        with edit_slot(address=request.address_hash, **who):
            body = json_body(request, Corrections)
            fields = {"base": body.base, "operations": body.operations, "key": key_of(request)}
            rows = edits_service.edit_job(job=analysed, **fields, **who)
    except Outdated as old:
        return Status(409, old)
    steps = edits_service.steps_made(analysed, rows)
    answer = {
        "base": rows[-1].sequence,
        "made": [step.patch.ids_left for step in steps],
        "checks": [step.patch.check for step in steps],
    }
    if body.patches:
        answer["patches"] = [step.patch.as_lists() for step in steps]
        answer["before"] = [step.before.as_lists() for step in steps]
    if body.since is not None:
        answer["standing"] = standing_service.standing(analysed, body.since)
    return answer


@router.operation("GET", "/{uuid:pk}/standing", "standing", schemas.Standings, (404, 409, 422))
def standing_objects(request: HttpRequest, pk: UUID, since: int = Query(0, ge=0, description=ROWS_SINCE)) -> Any:
    """The result after the corrections so far: objects that edits after `since` changed, numbers, outlines to check."""
    analysed = visible(request, row_of(Job, pk))
    corrections = edits_service.corrections_of(analysed)
    edits_service.preload_maps(corrections)  # the editor has just been opened, and its tools need the maps
    operations = [corrections.steps[number - 1].operation for number in steps_in_effect(corrections.steps)]
    undone = [corrections.steps[number - 1].operation for number in redoable_steps(corrections.steps)]
    outlines = corrections.now
    history = {"base": len(corrections.steps), "operations": operations, "undone": undone}
    names = {"classes": outlines.class_names, "maps": [*outlines.maps]}
    return {**history, **names, "standing": standing_service.standing(analysed, since)}


@router.operation("GET", "/{uuid:pk}/edits.csv", "edits-csv", {}, (404,), file_answer("text/csv"))
def edits_csv(request: HttpRequest, pk: UUID) -> Any:
    """The corrections so far as CSV."""
    return serve_log(visible(request, row_of(Job, pk)), "csv")
