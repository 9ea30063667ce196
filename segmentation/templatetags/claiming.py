"""Whether a page should offer to keep what this browser made before signing in."""

from __future__ import annotations

from typing import Any

from django import template

from ..services.claiming import claimable as count
from ..views.claiming import LEFT

register = template.Library()


@register.simple_tag(takes_context=True)
def claimable(context: dict[str, Any]) -> int:
    """How many results could be kept; 0 where that was declined."""
    request = context["request"]
    if request.session.get(LEFT) == str(request.visitor):
        return 0
    return count(user=request.user, visitor=request.visitor)
