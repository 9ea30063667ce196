"""Trainings in the API: a training of a base model on a dataset makes a new model."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Query, Status

from ...api.shared.auth import identify, key_of
from ...api.shared.request_bodies import NewTraining, Offer, RunAgain, Share, json_body
from ...api.shared.routes import JSON, Routes, error_answers, file_answer, page_of, request_body
from ...http.access import changeable, row_of, visible
from ...http.serving import serve_stored
from ...models import Dataset, Training
from ...services.ground.refusal import Refused
from ...services.results.reruns import rerun_results, results_to_rerun
from .. import schemas as schemas
from ..datasets.suggestions import MOST_SHOWN, suggestions
from . import services as trainings

A_PAGE = 50  # trainings
MOST_SUGGESTED = 50
router = Routes(tags=["Trainings"])
TRAINING_ANSWERS = {200: schemas.Training, **error_answers(403, 404, 409)}


@router.operation("POST", "", "trainings", {202: schemas.Training}, (404, 409, 422), request_body(NewTraining, JSON))
def start(request: HttpRequest, response: HttpResponse) -> Any:
    """Train a base model further on a dataset. Some images are held out to judge the result."""
    body = json_body(request, NewTraining)
    dataset = visible(request, Dataset.objects.filter(pk=body.dataset).first())
    who = identify(request)
    row = trainings.create_training(
        dataset=dataset,
        base=body.base,
        options=body.model_dump(include={"title", "learning_curve", "composed"}),
        user=who["user"],
        address=who["address"],
        key=key_of(request),
    )
    response["Location"] = reverse("api:training", args=[row.pk])
    return Status(202, row)


@router.operation("GET", "", "trainings", list[schemas.Training], (404, 422))
def listed(
    request: HttpRequest,
    dataset: Annotated[UUID | None, Query(description="Only those on this dataset.")] = None,
    page: int = Query(1, ge=1, description=f"From 1; {A_PAGE} trainings a page."),
) -> Any:
    """The trainings of the account, the newest first."""
    rows = Training.objects.visible_to(request.user, None).order_by("-created", "pk")
    rows = rows.select_related("dataset").prefetch_related("artifacts")
    if dataset is not None:
        rows = rows.filter(dataset=dataset)
    return page_of(rows, page, A_PAGE)


@router.operation("GET", "/{uuid:pk}", "training", schemas.Training, (404,))
def training(request: HttpRequest, pk: UUID) -> Any:
    """Progress and outcome of a training."""
    return visible(request, row_of(Training, pk))


@router.operation("DELETE", "/{uuid:pk}", "training", {204: None}, (403, 404))
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a training with its files and its model. Results of the model stay."""
    trainings.delete_training(training=changeable(request, row_of(Training, pk), "delete"))
    return Status(204, None)


@router.operation("POST", "/{uuid:pk}/cancel", "training-cancel", TRAINING_ANSWERS)
def cancel(request: HttpRequest, pk: UUID) -> Any:
    """Stop a training."""
    return trainings.cancel_training(training=changeable(request, row_of(Training, pk)))


@router.operation("POST", "/{uuid:pk}/retry", "training-retry", TRAINING_ANSWERS)
def retry(request: HttpRequest, pk: UUID) -> Any:
    """Continue a failed or cancelled training."""
    return trainings.retry_training(training=changeable(request, row_of(Training, pk)))


@router.operation("POST", "/{uuid:pk}/offer", "training-offer", TRAINING_ANSWERS, (), request_body(Offer, JSON))
def offer(request: HttpRequest, pk: UUID) -> Any:
    """Put the model of a training into the list of models of its owner. If its error on held-out images did not fall,
    send overrule = true; the card of the model then says so."""
    row, body = changeable(request, row_of(Training, pk)), _body_or_defaults(request, Offer)
    return trainings.offer_model(training=row, user=request.user, overrule=body.overrule)


@router.operation("POST", "/{uuid:pk}/withdraw", "training-withdraw", TRAINING_ANSWERS)
def withdraw(request: HttpRequest, pk: UUID) -> Any:
    """Withdraw the model. Its results stay."""
    return trainings.withdraw_model(training=changeable(request, row_of(Training, pk)))


@router.operation("POST", "/{uuid:pk}/share", "training-share", TRAINING_ANSWERS, (), request_body(Share, JSON))
def share(request: HttpRequest, pk: UUID) -> Any:
    """Let every account use the model, or only its owner. Staff only."""
    row, body = changeable(request, row_of(Training, pk)), _body_or_defaults(request, Share)
    return trainings.share_model(training=row, user=request.user, shared=body.shared)


@router.operation(
    "POST",
    "/{uuid:pk}/revisions",
    "training-revisions",
    {202: schemas.RunAgain},
    (403, 404, 409, 422),
    request_body(RunAgain, JSON),
)
def run_again(request: HttpRequest, pk: UUID) -> Any:
    """Run finished results again with the model of a training, each as a new version.

    Without jobs: all uncorrected results of the account that another model of this kind made.
    """
    row, body = visible(request, row_of(Training, pk)), _body_or_defaults(request, RunAgain)
    rows = results_to_rerun(row.model_name, request.user) if row.offered else None
    if rows is None:
        raise Refused(trainings.NO_MODEL, 409)
    if body.jobs is not None:
        rows = rows.filter(pk__in=body.jobs)
    jobs_made = rerun_results(model=row.model_name, jobs=list(rows), **identify(request))
    page = request.build_absolute_uri(f"{reverse('results-again')}?model={row.model_name}")
    return Status(202, {"jobs": jobs_made.jobs, "left_out": jobs_made.notes, "page": page})


@router.operation("GET", "/{uuid:pk}/files/{str:name}", "training-file", {}, (404,), file_answer())
def file(request: HttpRequest, pk: UUID, name: str) -> Any:
    """A picture, a table, the card or the weights of a training."""
    artifact = get_object_or_404(visible(request, row_of(Training, pk)).artifacts, name=name)
    return serve_stored(request, artifact, download=True)


datasets_router = Routes(tags=["Datasets"])


@datasets_router.operation("GET", "/{uuid:pk}/suggestions", "suggestions", list[schemas.Suggestion], (404, 422))
def suggested(request: HttpRequest, pk: UUID, most: int = Query(MOST_SHOWN, ge=1, le=MOST_SUGGESTED)) -> Any:
    """The uncorrected results of the account from which a model would learn most, the best first."""
    dataset = visible(request, Dataset.objects.filter(pk=pk).first())
    return suggestions(dataset, request.user, most)


def _body_or_defaults(request: HttpRequest, body: Any) -> Any:
    """The JSON body of a request; without a body, one with the defaults of all fields."""
    return json_body(request, body) if request.body.strip() else body()
