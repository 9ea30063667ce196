"""Signing in by the institute's OpenID provider."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import BoundedSemaphore
from typing import Any

from allauth.core.internal.deferred import jwt
from allauth.socialaccount.adapter import get_adapter as identities
from allauth.socialaccount.internal.jwtkit import fetch_key, lookup_kid_jwk
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from requests import RequestException

from ..accounts import CROWDED
from ..adapters import DOWN, FAILED
from ..http.access import refused
from ..services import Refused

PROVIDER = "oidc"
SIGNED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SKEW = 60  # seconds by which the provider's clock may differ
CONFIGURATION_SECONDS = 600
# A provider that does not answer must not take all threads of the site.
_room = BoundedSemaphore(3)

View = Callable[..., HttpResponse]


class Provider(OpenIDConnectOAuth2Adapter):
    """The provider of DEEPSEGM_OIDC_URL: its answers are believed if its key has signed them."""

    @property
    def openid_config(self) -> Any:
        key = f"oidc-{settings.DEEPSEGM_OIDC_URL.geturl()}"
        return cache.get(key) or cache.get_or_set(key, super().openid_config, CONFIGURATION_SECONDS)

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> SocialLogin:
        if "id_token" not in kwargs["response"]:
            raise OAuth2Error("no id_token")
        login = super().complete_login(request, app, token, **kwargs)
        data = login.account.extra_data
        if data["userinfo"]["sub"] != data["id_token"]["sub"]:
            raise OAuth2Error("userinfo of somebody else")
        return login

    def _decode_id_token(self, app: Any, id_token: str) -> Any:
        try:
            algorithm, key = fetch_key(id_token, self.openid_config["jwks_uri"], lookup_kid_jwk)
            said = {"audience": app.client_id, "issuer": self.openid_config["issuer"], "leeway": SKEW}
            if algorithm not in SIGNED:
                raise OAuth2Error(f"signed with {algorithm}")
            return jwt.decode(id_token, key, algorithms=[algorithm], options={"require": ["exp", "sub"]}, **said)
        except jwt.PyJWTError as error:
            raise OAuth2Error("Invalid id_token") from error


def _asks_provider(view: View) -> View:
    """A view that asks the provider. Each fault of the provider becomes one sentence."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        sentence, status = DOWN, 502
        if not _room.acquire(blocking=False):
            return refused(request, Refused(CROWDED, 429), reverse("login"))
        try:
            return view(request)
        except IntegrityError:  # two tabs at the same moment
            sentence, status = FAILED, 409
        except (RequestException, OAuth2Error, LookupError, TypeError, ValueError, AttributeError):
            pass
        finally:
            _room.release()
        return refused(request, Refused(sentence.format(name=settings.DEEPSEGM_OIDC_NAME), status), reverse("login"))

    return answer


@_asks_provider
def start(request: HttpRequest) -> HttpResponse:
    """To the provider, to sign in or to connect an identity with the account that is signed in."""
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return redirect("login")
    after, connect = _safe(request, request.GET.get("next", "")), "connect" in request.GET
    if connect != request.user.is_authenticated:
        return HttpResponseRedirect(after or reverse("home" if request.user.is_authenticated else "login"))
    provider = identities(request).get_provider(request, PROVIDER)
    provider.oauth2_adapter_class = Provider
    return provider.redirect(request, "connect" if connect else "login", next_url=after or None)


@_asks_provider
def arrive(request: HttpRequest) -> HttpResponse:
    """Back from the provider."""
    return OAuth2CallbackView.adapter_view(Provider(request, PROVIDER))(request)


def _safe(request: HttpRequest, address: str) -> str:
    """An address of this site, else ""."""
    known = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if known else ""
