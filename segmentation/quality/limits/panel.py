"""The specification and the reference material of a result, as its page shows them: limits, decision, comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from ...core.quality.specification import Specification
from ...core.report.file_options import CONFORMITY
from ...forms.laboratory import has_quality
from ...http.access import address_of
from ...models import Job, Reference, Sample
from ...views.job.signatures import signatures_context
from .forms import SpecificationForm
from .words import comparison_of, conformity_statement_of, deletion_words, limitable_quantities


def quality_context(request: HttpRequest, row: Job | Sample, sent: SpecificationForm | None = None) -> dict[str, Any]:
    """Context of the page of a result: the decision, the form of its limits, the comparison with a reference material,
    and the signatures (a signed result keeps its limits). sent: a refused form of limits, to show again."""
    is_signed = isinstance(row, Job) and bool(row.signature_hash)
    may_change = row.is_changeable_by(request.user, request.visitor) and not is_signed
    certificate = conformity_statement_of(row)
    references = Reference.objects.listed_for(request.user, request.visitor).order_by("name")
    return {
        **(signatures_context(request, row) if isinstance(row, Job) else {}),
        "certificate": certificate,
        "limits_form": (sent or specification_form(row)) if may_change else None,
        "limits_open": sent is not None,
        "quality": has_quality(request),
        "comparison": comparison_of(row),
        "reference_deleted": deletion_words(row),
        "references": references if may_change else [],
        "may_judge": may_change,
        "conformity_page": f"{address_of(row)}conformity/",
        "conformity_file": f"{address_of(row)}files/{CONFORMITY}",
        "method": row.stored.method,
    }


def specification_form(row: Job | Sample, data: Mapping[str, str] | None = None) -> SpecificationForm:
    """The form of the limits of a result."""
    specification = Specification.read(row.specification) if row.specification else None
    return SpecificationForm(data, limitable_quantities(row.stored.values), specification)
