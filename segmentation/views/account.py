"""The account page: tokens for scripts, webhooks, and links to change the password."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from allauth.mfa.utils import is_mfa_enabled
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ..http.access import ask_to_delete, see_other
from ..models import Token, Webhook
from ..services.access import second_factor, tokens, webhooks
from ..services.ground.refusal import Refused
from ..services.results.usage import spent_by
from .forms import to_uuid

MOST_DELIVERIES = 5  # messages of a webhook that the page lists, the last ones
NEVER = "never"
EXPIRIES = [(str(days), "1 year" if days == 365 else f"{days} days") for days in tokens.EXPIRY_DAYS] + [
    (NEVER, "never")
]
# A form is sent by POST. GET leads back to the account page, because a browser may open the address again.
FORM_METHODS = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Tokens and webhooks of the account."""
    return _page(request)


def make_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it; it is shown only in this answer."""
    fields = {name: request.POST.get(name, "") for name in ("name", "days", "read_only")}

    def make(**owner: Any) -> str:
        days_by_choice = {NEVER: None, **{str(days): days for days in tokens.EXPIRY_DAYS}}
        if fields["days"] not in days_by_choice:
            raise Refused("Choose when the token expires.")
        options = {"days": days_by_choice[fields["days"]], "read_only": fields["read_only"] == "on"}
        return tokens.create_token(name=fields["name"], **options, **owner)[1]

    return _make(request, make, "token", fields)


@FORM_METHODS
@login_required
def revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Revoke a token, after a page that asks for confirmation."""
    token = get_object_or_404(Token, pk=pk, owner=request.user)
    if request.method == "POST":
        tokens.revoke_token(token=token)
        return _back_to_account("tokens")
    sentence = f"Scripts that use the token “{token.name}” stop working at once."
    return ask_to_delete(request, "Revoke this token?", sentence, back=reverse("account"), verb="Revoke")


def make_webhook(request: HttpRequest) -> HttpResponse:
    """Make a webhook and show its secret; it is shown only in this answer."""
    url = request.POST.get("url", "")
    return _make(request, partial(webhooks.create_webhook, url=url), "webhook", url)


# `make_token` and `make_webhook` need no decorators of their own: they only read the form, then call this view.
@FORM_METHODS
@login_required
@never_cache
def _make(request: HttpRequest, make: Callable[..., Any], kind: str, fields: Any) -> HttpResponse:
    """Make a token or a webhook from a form, and show the account page. A form that is sent twice makes only one row.
    kind: "token" or "webhook". fields: what was sent; the page shows it again if the form is refused."""
    if request.method != "POST":
        return _back_to_account()
    try:
        row = make(user=request.user, pk=to_uuid(request.POST.get("form", "")) or uuid4())
    except IntegrityError:
        return _back_to_account()
    except Refused as refusal:
        return _page(request, status=refusal.status, **{kind: fields, f"{kind}_error": refusal.sentence})
    return _page(request, **{f"new_{kind}": row})


@FORM_METHODS
@login_required
def test_webhook(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send a test message."""
    webhook = get_object_or_404(Webhook, pk=pk, owner=request.user)
    if request.method == "POST":
        try:
            webhooks.send_test(webhook=webhook)
        except Refused as refusal:
            messages.warning(request, refusal.sentence)
        else:
            messages.success(request, "The test message is on its way. Reload this page to see the answer.")
    return _back_to_account("webhooks")


@FORM_METHODS
@login_required
def start_webhook(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Start a stopped webhook again."""
    webhook = get_object_or_404(Webhook, pk=pk, owner=request.user)
    if request.method == "POST":
        webhooks.restart_webhook(webhook=webhook)
    return _back_to_account("webhooks")


@FORM_METHODS
@login_required
def delete_webhook(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a webhook with its messages, after a page that asks for confirmation."""
    webhook = get_object_or_404(Webhook, pk=pk, owner=request.user)
    if request.method == "POST":
        webhook.delete()
        return _back_to_account("webhooks")
    sentence = f"{webhook.url} gets no more messages. Messages that still wait are not sent."
    return ask_to_delete(request, "Delete this webhook?", sentence, back=reverse("account"))


def _back_to_account(fragment: str = "") -> HttpResponse:
    return see_other(reverse("account") + (f"#{fragment}" if fragment else ""))


def _page(request: HttpRequest, *, status: int = 200, **extra: Any) -> HttpResponse:
    """The account page. extra: further entries of the context, such as a refused form or the new token."""
    user: Any = request.user
    context = {
        "identities": SocialAccount.objects.filter(user=user) if settings.DEEPSEGM_OIDC_URL else [],
        "provider": settings.DEEPSEGM_OIDC_NAME if settings.DEEPSEGM_OIDC_URL else "",
        "second_factor": second_factor.is_on(),
        "has_factor": is_mfa_enabled(user),
        "limited": second_factor.is_limited(user),
        "spent": spent_by(user),
        "tokens": [{"row": token, "state": _state(token)} for token in user.tokens.all()],
        "webhooks": [
            {"row": webhook, "last": list(webhook.deliveries.all()[:MOST_DELIVERIES])}
            for webhook in user.webhooks.all()
        ],
        "expiries": EXPIRIES,
        "form": uuid4(),
        "token": {"days": "90"},
        **extra,
    }
    return render(request, "accounts/account.html", context, status=status)


def _state(token: Token) -> str:
    """Why a token cannot be used any more; "" if it can."""
    if token.revoked:
        return "revoked"
    return "expired" if token.expires and token.expires <= timezone.now() else ""
