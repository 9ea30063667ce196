"""Sign-in with the institute's OpenID provider. Only a site with a provider imports this module and its libraries."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import BoundedSemaphore
from typing import Any

import jwt
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.socialaccount.views import connections
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from requests import RequestException

from ..accounts import CROWDED
from ..adapters import DOWN, FAILED, provider_refused

PROVIDER = "oidc"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
MOST_SKEW_SECONDS = 60  # difference of the provider's clock from ours
# A provider that does not answer must not block all threads of the site.
_requests = BoundedSemaphore(3)

View = Callable[[HttpRequest], HttpResponse]


class Provider(OpenIDConnectOAuth2Adapter):
    """The provider of DEEPSEGM_OIDC_URL. allauth trusts an id_token because it comes over a TLS connection; here its
    signature must be valid, too."""

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> SocialLogin:
        id_token, config = kwargs["response"].get("id_token") or "", self.openid_config
        expected = {"audience": app.client_id, "issuer": config["issuer"], "leeway": MOST_SKEW_SECONDS}
        try:
            keys = jwt.PyJWKClient(config["jwks_uri"], timeout=settings.SOCIALACCOUNT_REQUESTS_TIMEOUT)
            key = keys.get_signing_key_from_jwt(id_token)
            claims = jwt.decode(id_token, key, algorithms=ALGORITHMS, options={"require": ["exp", "sub"]}, **expected)
        except jwt.PyJWTError as error:
            raise OAuth2Error(f"invalid id_token: {error}") from error
        try:
            login = super().complete_login(request, app, token, **kwargs)
        except ImproperlyConfigured as error:  # a `sub` longer than the standard and the column of the database allow
            raise OAuth2Error(str(error)) from error
        if login.account.uid != str(claims["sub"]):
            raise OAuth2Error("userinfo of somebody else")
        return login


def _asks_provider(view: View) -> View:
    """A decorator of views that send requests to the provider: a fault of the provider becomes one sentence."""

    @require_GET
    @never_cache
    @login_not_required
    @wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:  # kwargs: from `urlpatterns`, not needed
        if not _requests.acquire(blocking=False):
            return provider_refused(request, CROWDED, 429)
        try:
            return view(request)
        except IntegrityError:  # two tabs at the same moment
            return provider_refused(request, FAILED, 409)
        except (RequestException, OAuth2Error, LookupError, TypeError, ValueError, AttributeError):
            return provider_refused(request, DOWN, 502)
        finally:
            _requests.release()

    return answer


@_asks_provider
def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider, to sign in, or to connect an identity with the account that is signed in."""
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):  # another site must not start it
        return redirect(settings.LOGIN_URL)
    next_url, is_connecting = get_next_redirect_url(request), "connect" in request.GET
    if is_connecting != request.user.is_authenticated:
        return redirect(next_url or ("home" if request.user.is_authenticated else settings.LOGIN_URL))
    provider = get_adapter(request).get_provider(request, PROVIDER)
    return provider.redirect(request, "connect" if is_connecting else "login", next_url=next_url)


@_asks_provider
def arrive(request: HttpRequest) -> HttpResponse:
    """The provider sends the browser back to this address, with a code that signs the person in."""
    return OAuth2CallbackView.adapter_view(Provider(request, PROVIDER))(request)


urlpatterns = [
    path("", start, name="oidc"),
    path("callback/", arrive, {"provider_id": PROVIDER}, name="openid_connect_callback"),
    path("identities/", connections, name="socialaccount_connections"),
]
