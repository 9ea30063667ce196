"""What a dataset's page shows of its trainings, asked by the fragments themselves."""

from __future__ import annotations

from typing import Any

from django import template

from ..models import Dataset
from ..presenters.training import TrainingView
from ..services.learning.suggestions import Suggestion, suggestions

register = template.Library()
MOST = 20


@register.simple_tag(takes_context=True)
def trainings_of(context: dict[str, Any], dataset: Dataset) -> list[TrainingView]:
    """The trainings on a dataset that this person may see, the newest first."""
    user = context["request"].user
    rows = dataset.trainings.select_related("dataset", "owner")[: 5 * MOST]
    return [TrainingView(row) for row in rows if row.is_visible_to(user)][:MOST]


@register.simple_tag(takes_context=True)
def suggestions_for(context: dict[str, Any], dataset: Dataset) -> list[Suggestion]:
    """The results of this person that would teach most."""
    user = context["request"].user
    return suggestions(dataset, user) if user.is_authenticated else []
