"""The signatures of a result, as its page shows them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ...core.report.signatures import digests
from ...models import Job
from ...services.access.links import is_open
from ...services.results.corrections.signing import meanings_for


def signatures_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Context of the page: `signatures`, their checksums as `digests`, `meanings` with which the caller may sign, and
    the caller's `printed_name`."""
    signatures = [signature.printed for signature in job.signatures.all()]
    user: Any = request.user
    name = {} if not user.is_authenticated else {"printed_name": user.get_full_name() or user.get_username()}
    meanings = meanings_for(job, user, request.visitor) if is_open(job, user, request.visitor) else []
    return {"signatures": signatures, "digests": digests(signatures), "meanings": meanings, **name}
