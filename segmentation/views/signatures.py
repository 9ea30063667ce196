"""The signatures under a result, as its page shows them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..core.report.signatures import digests
from ..models import Job
from ..services.access.links import is_open
from ..services.results.signing import meanings_for


def signatures_of(request: HttpRequest, job: Job) -> dict[str, Any]:
    """The signatures under a result, and what the caller may sign."""
    signed = [signature.printed for signature in job.signatures.all()]
    user: Any = request.user
    printed = {} if not user.is_authenticated else {"printed_name": user.get_full_name() or user.get_username()}
    may = meanings_for(job, user) if is_open(job, user, request.visitor) else []
    return {"signatures": signed, "digests": digests(signed), "meanings": may, **printed}
