"""Signing in: by password, by the institute's OpenID provider, and with a second factor."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.decorators import login_stage_required
from allauth.account.utils import perform_login
from allauth.mfa.adapter import get_adapter as factors
from allauth.mfa.totp.internal.auth import clear_totp_secret, get_totp_secret
from allauth.socialaccount.models import SocialAccount
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from ..adapters import SecondFactorStage
from ..http.access import ask_to_delete, refused, see_other
from ..services import Refused
from ..services.access import second_factor
from ..services.access.second_factor import FACTOR
from ..services.ground import staff_log
from ..services.results.signing import LOCKED_OUT, check_password

LAST_WAY = "This identity is your only way to sign in, so it stays: ask the administrator for a password first."
WRONG_PASSWORD = "The password is wrong, so no second factor was set up."
POSTS = require_http_methods(["GET", "HEAD", "POST"])

View = Callable[..., HttpResponse]


class SignIn(LoginView):
    """Django's own form; who has a second factor is asked for it next."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        if self.request.user.is_authenticated:  # on the admin's page: somebody else
            logout(self.request)
        return perform_login(self.request, form.get_user(), redirect_url=self.get_redirect_url() or None)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        provider = settings.DEEPSEGM_OIDC_NAME if settings.DEEPSEGM_OIDC_URL else ""
        return super().get_context_data(**kwargs, site_closed=settings.DEEPSEGM_REQUIRE_LOGIN, provider=provider)


class SignInAsStaff(SignIn):
    """The admin's sign-in page: the same, also for who is signed in without being staff."""

    redirect_authenticated_user = False

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if second_factor.is_limited(request.user):
            return redirect("second-factor")
        if request.user.is_authenticated and request.user.is_staff:
            return HttpResponseRedirect(self.get_redirect_url() or reverse("admin:index"))
        return super().get(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")


def staff_only(view: View) -> View:
    """A page for staff: others sign in, show their second factor, or are refused."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if second_factor.is_limited(user):
            return redirect("second-factor")
        if user.is_authenticated and not user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return login_required(answer)


def _of_provider(name: str) -> View:
    """A view of `openid`. A site without a provider never loads it, nor the libraries that it needs."""

    @require_GET
    @never_cache
    @login_not_required
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not settings.DEEPSEGM_OIDC_URL:
            raise Http404
        from . import openid

        view: View = getattr(openid, name)
        return view(request)

    return answer


start, arrive = _of_provider("start"), _of_provider("arrive")


@POSTS
@login_required
def disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then forget an identity."""
    user: Any = request.user
    identity = get_object_or_404(SocialAccount, pk=pk, user=user)
    others = SocialAccount.objects.filter(user=user).exclude(pk=pk)
    if not user.has_usable_password() and not others.exists():
        return refused(request, Refused(LAST_WAY, 409), reverse("account"))
    if request.method == "POST":
        identity.delete()
        return see_other(reverse("account"))
    sentence = f"You can no longer sign in with {settings.DEEPSEGM_OIDC_NAME}."
    return ask_to_delete(request, "Disconnect this identity?", sentence, back=reverse("account"), verb="Disconnect")


@POSTS
@sensitive_post_parameters("code")
@login_stage_required(stage=SecondFactorStage.key, redirect_urlname="login")
def ask(request: HttpRequest) -> HttpResponse:
    """The second step of signing in."""
    stage = request._login_stage  # type: ignore[attr-defined]
    user, refusal = stage.login.user, None
    if request.method == "POST":
        try:
            _check_code(request, user)
            request.session[FACTOR] = second_factor.factor_of(user)
            return stage.exit()
        except Refused as found:
            refusal = found
    context = {"refusal": refusal and refusal.sentence}
    return render(request, "accounts/second_factor_ask.html", context, status=refusal.status if refusal else 200)


def _of_staff(view: View) -> View:
    """A page about the second factor: of staff, or of who has one."""

    @POSTS
    @sensitive_post_parameters("code", "password")
    @login_required
    @never_cache
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        if not second_factor.is_on() or not (
            user.is_staff or second_factor.is_limited(user) or second_factor.factor_of(user)
        ):
            raise Http404
        if request.method != "POST":
            return _factor_page(request)
        try:
            return view(request)
        except Refused as refusal:
            return _factor_page(request, status=refusal.status, refusal=refusal.sentence)

    return answer


@_of_staff
def factor(request: HttpRequest) -> HttpResponse:
    """Set up a second factor; or show the one that there is in a session that began without it."""
    user: Any = request.user
    if second_factor.factor_of(user) is not None:
        _check_code(request, user)
        request.session[FACTOR] = second_factor.factor_of(user)
        request.session.cycle_key()
        return see_other(reverse("account"))
    if user.has_usable_password():
        check_password(request, request.POST.get("password", ""), WRONG_PASSWORD)
    request.session[FACTOR], codes = second_factor.set_up(user, get_totp_secret(), request.POST.get("code", ""))
    staff_log.note(user, "second factor set up", user)
    clear_totp_secret(request)
    request.session.cycle_key()
    return _factor_page(request, codes=codes)


@_of_staff
def codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes."""
    _check_code(request, request.user)
    return _factor_page(request, codes=second_factor.new_codes(request.user))


@_of_staff
def remove(request: HttpRequest) -> HttpResponse:
    """Remove the second factor."""
    _check_code(request, request.user)
    second_factor.remove(request.user)
    staff_log.note(request.user, "second factor removed", request.user)
    request.session.pop(FACTOR, None)
    messages.success(request, "Your second factor is removed.")
    return see_other(reverse("account"))


def _check_code(request: HttpRequest, user: Any) -> None:
    """Raises Refused (403 wrong, 429 too many wrong ones: they count as wrong passwords do)."""
    guesser = {"username": user.get_username()}
    if not AxesProxyHandler.is_allowed(request, guesser):
        raise Refused(LOCKED_OUT, 429)
    if not second_factor.accepts(user, request.POST.get("code", "")):
        AxesProxyHandler.user_login_failed(__name__, guesser, request)
        raise Refused(second_factor.WRONG, 403)


def _factor_page(request: HttpRequest, status: int = 200, **extra: Any) -> HttpResponse:
    user: Any = request.user
    has = second_factor.factor_of(user)
    context = {"has": has is not None, "shown": has == request.session.get(FACTOR), **extra}
    if has is None:
        secret = get_totp_secret()
        picture = factors().build_totp_svg(factors().build_totp_url(user, secret)).encode()
        context |= {"secret": secret, "picture": f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}"}
    else:
        context["left"] = second_factor.left(user)
    context["required"] = settings.DEEPSEGM_STAFF_SECOND_FACTOR == "required"
    return render(request, "accounts/second_factor.html", context, status=status)
