"""The API about the caller (account, token) and about the kinds of analysis of this site."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..core.network.cards import is_for_comparison
from ..forms.settings import models_by_task
from ..services.access.claiming import claim_results
from ..services.ground.callers import visitor_id
from .shared import schemas
from .shared.request_bodies import Claim, json_body, settings_fields
from .shared.routes import JSON, Routes, request_body

router = Routes(tags=["Site"])


@router.operation("GET", "/me", "me", schemas.Me)
def me(request: HttpRequest) -> Any:
    """The account and token of this request."""
    user = request.user
    account = user.get_username() if user.is_authenticated else None
    return {"account": account, "token": request.token, "staff": user.is_staff}


@router.operation("POST", "/me/claim", "claim", schemas.Claimed, (403, 422), request_body(Claim, JSON))
def claim(request: HttpRequest) -> Any:
    """Take over into the account what a script made without one."""
    visitor = visitor_id(json_body(request, Claim).secret)
    return {"claimed": claim_results(user=request.user, visitor=visitor)}


@router.operation("GET", "/tasks", "tasks", schemas.Tasks)
def tasks(request: HttpRequest) -> Any:
    """The kinds of analysis with a model on this site, their models and settings."""
    return {
        "tasks": [
            {
                **{name: getattr(task, name) for name in ("name", "title", "summary")},
                "models": [
                    {"name": name, "title": title, "comparison": is_for_comparison(name)} for name, title in models
                ],
                "quantities": list(task.quantities),
                "settings": settings_fields(task),
            }
            for task, models in models_by_task()
        ]
    }
