"""The form of a study of a method's precision: which results it uses, and under which conditions each was made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import QueryDict

from ...core.quality.fitness import FIGURES
from ...core.quality.study_report import CONDITIONS
from ...core.typed import number_of


def ticked_labels(data: QueryDict) -> dict[UUID, dict[str, str]]:
    """The labels of every ticked result, by its id: what was typed for each of CONDITIONS.

    data: the sent form; "result" has the ids of ticked results, and the fields of labels are named CONDITION-ID.
    """
    labels: dict[UUID, dict[str, str]] = {}
    for text in data.getlist("result"):
        try:
            pk = UUID(text)
        except ValueError:
            continue
        labels[pk] = {name: data.get(f"{name}-{text}", "") for name in CONDITIONS}
    return labels


def sent_rows(candidates: list[Any], data: QueryDict) -> list[tuple[Any, bool, bool]]:
    """(candidate, is ticked, counts all the same) for each `quality.studies.words.Candidate`, with the typed labels;
    for a
    form that is shown again after an error."""
    ticked, agreed = set(data.getlist("result")), set(data.getlist("agreed"))
    rows = []
    for candidate in candidates:
        pk = str(candidate.row.pk)
        labels = {name: (title, data.get(f"{name}-{pk}", text)) for name, (title, text) in candidate.labels.items()}
        rows.append((candidate._replace(labels=labels), pk in ticked, pk in agreed))
    return rows


def sent_requirements(data: QueryDict) -> dict[str, Any]:
    """What was typed as requirements of the method's use, as `core.quality.fitness.Requirements` reads it."""
    typed = {name: data.get(f"required-{name}", "").strip() for name in FIGURES}
    return {"use": data.get("use", "").strip(), **{name: number_of(text) for name, text in typed.items() if text}}
