"""The private link of a result: what its owner is shown of it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..models import Job, Sample
from ..services.access import links
from .access import address_of


def link_page(request: HttpRequest, row: Job | Sample) -> dict[str, Any]:
    """State, address and end of a link."""
    link, state = links.link_of(row), links.state_of(row)
    secret = f"?link={links.secret_of(link)}" if link and link.number else ""
    address = request.build_absolute_uri(address_of(row) + secret)
    return {"state": state, "address": address if state == "open" else None, "ends": link and link.ends}
