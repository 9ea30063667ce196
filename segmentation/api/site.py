"""Who asks, and what this site can analyse."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from ..core.network.cards import for_comparison
from ..forms.settings import models_by_task
from ..services.access.claiming import claim_results
from ..services.ground.callers import visitor_of
from . import schemas
from .sending import JSON, Claim, json_body, refusals, settings_fields, takes

router = Router(tags=["Site"])


@router.api_operation(["GET", "HEAD"], "/me", url_name="me", response={200: schemas.Me, **refusals()})
def me(request: HttpRequest) -> Any:
    """Whose requests these are."""
    user = request.user
    account = user.get_username() if user.is_authenticated else None
    return {"account": account, "token": request.token, "staff": user.is_staff}


@router.post(
    "/me/claim",
    url_name="claim",
    response={200: schemas.Claimed, **refusals(403, 422)},
    openapi_extra=takes(Claim, JSON),
)
def claim(request: HttpRequest) -> Any:
    """Keep in the account what a script made without an account."""
    visitor = visitor_of(json_body(request, Claim).secret)
    return {"claimed": claim_results(user=request.user, visitor=visitor)}


@router.api_operation(["GET", "HEAD"], "/tasks", url_name="tasks", response={200: schemas.Tasks, **refusals()})
def tasks(request: HttpRequest) -> Any:
    """The kinds of analysis that have a model here, with their models and settings."""
    return {
        "tasks": [
            {
                **{name: getattr(task, name) for name in ("name", "title", "summary")},
                "models": [
                    {"name": name, "title": title, "comparison": for_comparison(name)} for name, title in models
                ],
                "quantities": list(task.quantities),
                "settings": settings_fields(task),
            }
            for task, models in models_by_task()
        ]
    }
