"""How django-allauth signs people in here: by our own pages, accounts by decision of the site, secrets encrypted."""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.stages import LoginStage
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from .http.access import refused
from .services import Refused
from .services.access import second_factor
from .services.access.claiming import claimable

logger = logging.getLogger(__name__)
CLOSED = "This account is closed: ask the administrator."
NO_ACCOUNT = (
    "No account of this site belongs to you at {name}: sign in with your password and connect both on your account"
    " page, or ask the administrator."
)
OTHERS = "This identity at {name} belongs to another account of this site."
CONNECTED = "You can sign in with {name} from now on."
FAILED = "The sign-in with {name} did not work: begin again on the sign-in page."
DOWN = "The sign-in service of {name} does not answer as it should: try again later, or sign in with your password."
OTHER_KEY = (
    "Your second factor cannot be read, because the secret key of this site was changed: ask the administrator to reset"
    " the factor."
)
CANCELLED = "You cancelled the sign-in with {name}."


class Accounts(DefaultAccountAdapter):
    """Our sign-in page makes no accounts, and the only further step is the second factor."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        return ["segmentation.adapters.SecondFactorStage"]

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """By default: the results of this browser that the account could keep, if there are any."""
        found = claimable(user=request.user, visitor=request.visitor)
        return reverse("results" if found else settings.LOGIN_REDIRECT_URL)

    get_signup_redirect_url = get_login_redirect_url

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        return _refused(request, CLOSED, 403)

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """No messages of allauth's own."""

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Nor mails."""


class SecondFactorStage(LoginStage):
    """Who has a second factor is asked for it, however he signs in."""

    key = "second-factor"
    urlname = "second-factor-ask"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        asked = self.login.user is not None and second_factor.factor_of(self.login.user) is not None
        return (HttpResponseRedirect(reverse(self.urlname)) if asked else None), True


class Identities(DefaultSocialAccountAdapter):
    """Who gets an account by the provider: the settings DEEPSEGM_OIDC_ACCOUNTS and DEEPSEGM_OIDC_MATCH_EMAIL say."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Connect, where somebody who is signed in asked for it, or where a verified e-mail address may do so."""
        if sociallogin.state.get("process") == "connect":
            raise ImmediateHttpResponse(_connect(request, sociallogin))
        if not sociallogin.is_existing and settings.DEEPSEGM_OIDC_MATCH_EMAIL:
            known = _with_mail(_verified(sociallogin))
            if known is not None:
                sociallogin.connect(request, known)
                logger.info("%s of the provider was connected to %s by e-mail.", sociallogin.account.uid, known)
        if not sociallogin.is_existing:
            if settings.DEEPSEGM_OIDC_ACCOUNTS != "new":
                raise ImmediateHttpResponse(_refused(request, NO_ACCOUNT, 403))
            sociallogin.email_addresses = []

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return settings.DEEPSEGM_OIDC_ACCOUNTS == "new"

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> Any:
        """An address is stored only if the provider verified it. Otherwise it may belong to somebody else."""
        user = super().populate_user(request, sociallogin, data)
        user.email = _verified(sociallogin)
        if user.email and get_user_model().objects.filter(email__iexact=user.email).exists():
            user.email = ""
        return user

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return False

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        from requests import RequestException

        logger.warning("The provider's sign-in failed: %s %s", error, exception)
        down = isinstance(exception, RequestException)
        sentence = CANCELLED if error == "cancelled" else DOWN if down else FAILED
        raise ImmediateHttpResponse(_refused(request, sentence, 502 if down else 400))


class Factors(DefaultMFAAdapter):
    """Secrets of second factors are stored encrypted, so that a copy of the database alone opens nothing."""

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return _fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            raise Refused(OTHER_KEY, 409) from None

    def get_totp_label(self, user: Any) -> str:
        return user.get_username()

    def get_totp_issuer(self) -> str:
        return f"DeepSegm {self._get_site_name()}"


def _refused(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    return refused(request, Refused(sentence.format(name=settings.DEEPSEGM_OIDC_NAME), status), reverse("login"))


def _fernet() -> Any:
    from cryptography.fernet import Fernet

    key = hashlib.sha256(b"segmentation.second-factor" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _verified(sociallogin: SocialLogin) -> str:
    """The e-mail address that the provider says it has verified, "" without one."""
    return next((each.email for each in sociallogin.email_addresses if each.verified is True), "")


def _with_mail(mail: str) -> Any:
    """The only account with this address; none of the staff, whose accounts are connected by hand."""
    found = list(get_user_model().objects.filter(email__iexact=mail)[:2]) if mail else []
    return found[0] if len(found) == 1 and not found[0].is_staff else None


def _connect(request: HttpRequest, sociallogin: SocialLogin) -> HttpResponse:
    """Connect an identity with the account that is signed in."""
    account = sociallogin.account
    if not request.user.is_authenticated:
        return HttpResponseRedirect(reverse("login"))
    owner = SocialAccount.objects.filter(provider=account.provider, uid=account.uid).first()
    if owner is not None and owner.user_id != request.user.pk:
        return _refused(request, OTHERS, 409)
    if owner is None:
        sociallogin.connect(request, request.user)
        logger.info("%s of the provider was connected to %s.", account.uid, request.user)
    messages.success(request, CONNECTED.format(name=settings.DEEPSEGM_OIDC_NAME))
    return HttpResponseRedirect(reverse("account"))
