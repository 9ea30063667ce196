"""Models in the API: those that the caller may use, and the defaults, which are used where nobody chooses one."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.urls import reverse

from ..core.network.cards import ModelCard, UnknownModel
from ..learning import schemas as schemas
from ..models import Training
from ..services.results import models_offered
from .shared.request_bodies import Default, PreviousDefault, json_body
from .shared.routes import JSON, Routes, request_body

router = Routes(tags=["Models"])


@router.operation("GET", "", "models", list[schemas.Model])
def listed(request: HttpRequest) -> Any:
    """Every model that the account may use: of a release, installed, trained by it, or shared."""
    rows, cards = models_offered.trainings_by_model(), models_offered.offered_models(request.user)
    defaults = {models_offered.default_model(task, request.user) for task in {card.task for card in cards}}
    return [_model_entry(request, card, rows.get(card.name), card.name in defaults) for card in cards]


@router.operation("PUT", "/default", "model-default", schemas.Default, (403, 409), request_body(Default, JSON))
def set_default(request: HttpRequest) -> Any:
    """Make this model the default of the account, or, with `site`, of the whole site (staff only)."""
    body = json_body(request, Default)
    row = models_offered.set_default(name=body.model, user=request.user, site=body.site)
    return {"task": row.task, "model": row.model_name, "site": body.site}


@router.operation(
    "POST", "/default/back", "model-default-back", schemas.Default, (403, 409), request_body(PreviousDefault, JSON)
)
def back(request: HttpRequest) -> Any:
    """Make the default before this one the default again. Without an earlier one the choice is automatic."""
    body = json_body(request, PreviousDefault)
    name = models_offered.restore_default(task=body.task, user=request.user, site=body.site)
    return {"task": body.task, "model": name or None, "site": body.site}


@router.operation("GET", "/{str:name}", "model", schemas.Model, (404,))
def model(request: HttpRequest, name: str) -> Any:
    """One model, with the whole card."""
    try:
        card = models_offered.card_for(request.user, name)
    except UnknownModel:
        raise Http404 from None
    is_default = models_offered.default_model(card.task, request.user) == card.name
    return _model_entry(request, card, models_offered.trainings_by_model([name]).get(name), is_default)


def _model_entry(request: HttpRequest, card: ModelCard, row: Training | None, is_default: bool) -> dict[str, Any]:
    """The fields of `learning.Model`. row: the training that made the model, None for other models."""
    address = request.build_absolute_uri
    is_training_visible = row is not None and row.is_visible_to(request.user)
    return {
        "name": card.name,
        "title": card.title,
        "version": card.version,
        "task": card.task,
        "sha256": card.sha256,
        "default": is_default,
        "trained": row is not None,
        "offered": row is None or row.offered,
        "shared": row is None or row.shared,
        "overruled": row is not None and row.overruled_by_id is not None,
        "training": address(reverse("api:training", args=[row.pk])) if row and is_training_visible else None,
        "page": address(reverse("model", args=[card.name])),
        "weights": address(reverse("model-file", args=[card.weights.name])),
        "card": card.entries(),
    }
