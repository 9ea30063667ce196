"""The form of a study: which results are chosen, and the conditions of each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import QueryDict

from ..core.quality.study_report import CONDITIONS


def chosen(data: QueryDict) -> dict[UUID, dict[str, str]]:
    """The labels of each ticked result (`result`), by its id; fields are named CONDITION-ID."""
    labels: dict[UUID, dict[str, str]] = {}
    for text in data.getlist("result"):
        try:
            pk = UUID(text)
        except ValueError:
            continue
        labels[pk] = {name: data.get(f"{name}-{text}", "") for name in CONDITIONS}
    return labels


def with_typed(candidates: list[Any], data: QueryDict) -> list[tuple[Any, bool]]:
    """The results of the form with what was typed, and whether each is ticked."""
    ticked = set(data.getlist("result"))
    rows = []
    for candidate in candidates:
        pk = str(candidate.row.pk)
        labels = {name: (title, data.get(f"{name}-{pk}", known)) for name, (title, known) in candidate.labels.items()}
        rows.append((candidate._replace(labels=labels), pk in ticked))
    return rows
