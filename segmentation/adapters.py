"""Our adapters for django-allauth: who gets an account, who is staff, how often a code of a second
factor is accepted (once), and how its secret is stored (encrypted)."""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from .accounts import client_network
from .http.access import refusal_page
from .http.errors import LOCKED_OUT
from .services.access import second_factor
from .services.access.claiming import count_claimable
from .services.ground.refusal import Refused

logger = logging.getLogger(__name__)
CLOSED = "This account is closed: ask the administrator."
NO_ACCOUNT = (
    "No account of this site belongs to you at {name}: sign in with your password and connect both on your account"
    " page, or ask the administrator."
)
FAILED = "The sign-in with {name} did not work: begin again on the sign-in page."
DOWN = "The sign-in service of {name} does not answer as it should: try again later, or sign in with your password."
CANCELLED = "You cancelled the sign-in with {name}."
OTHER_KEY = (
    "Your second factor cannot be read, because the secret key of this site was changed: ask the administrator to reset"
    " the factor."
)
WRONG_CODE = "This code is wrong, was used already or has expired: type the one that your app shows now."
LAST_WAY = "This identity is your only way to sign in, so it stays: ask the administrator for a password first."


class Accounts(DefaultAccountAdapter):
    """Sign-in with a password. Nobody can make an account on the sign-in page. Wrong passwords are
    counted by django-axes, in the database."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The username or the password is wrong. Capital letters matter in both.",
        "incorrect_password": "This password is wrong.",
        "too_many_login_attempts": LOCKED_OUT,
        "rate_limited": LOCKED_OUT,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Do nothing. allauth would count wrong passwords by name alone, so that a stranger could
        lock anybody out."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_network(request)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The page after sign-in: the results, if this browser has results that the account can
        take over, else the usual page."""
        has_claims = count_claimable(user=request.user, visitor=request.visitor)
        return reverse("results" if has_claims else settings.LOGIN_REDIRECT_URL)

    get_signup_redirect_url = get_login_redirect_url

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account")

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """How a person confirms who he is before changing a second factor: with that factor, if
        there is one, because the password alone must not be enough."""
        methods = super().get_reauthentication_methods(user)
        return [method for method in methods if method["id"] == "mfa_reauthenticate"] or methods

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        return provider_refused(request, CLOSED, 403)


class Identities(DefaultSocialAccountAdapter):
    """Sign-in by an OpenID provider. The settings DEEPSEGM_OIDC_ACCOUNTS, DEEPSEGM_OIDC_STAFF and
    DEEPSEGM_OIDC_MATCH_EMAIL decide who gets an account, and who is staff."""

    error_messages = {**DefaultSocialAccountAdapter.error_messages, "no_password": LAST_WAY}

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Update whether the person is staff, if the provider tells. Connect the person to an
        account with the same verified e-mail address, if the site allows it. Raises
        ImmediateHttpResponse if there is no account and none may be made."""
        is_staff = _is_staff(sociallogin)
        if sociallogin.is_existing and is_staff is not None:
            accounts = get_user_model().objects.filter(pk=sociallogin.user.pk, is_superuser=False)
            if accounts.exclude(is_staff=is_staff).update(is_staff=is_staff):
                logger.info("By the provider account %s is staff: %s.", sociallogin.user.pk, is_staff)
        if sociallogin.state.get("process") == "connect" or sociallogin.is_existing:
            return
        mail = _verified_address(sociallogin) if settings.DEEPSEGM_OIDC_MATCH_EMAIL else ""
        owners = list(get_user_model().objects.filter(email__iexact=mail)[:2]) if mail else []
        if len(owners) == 1 and not owners[0].is_staff:  # the staff's accounts are connected by hand
            sociallogin.connect(request, owners[0])
            logger.info("A person of the provider was connected to account %s by e-mail.", owners[0].pk)
        elif settings.DEEPSEGM_OIDC_ACCOUNTS != "new":
            raise ImmediateHttpResponse(provider_refused(request, NO_ACCOUNT, 403))
        else:  # a new account: `populate_user` has decided on its address
            sociallogin.email_addresses = []

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return settings.DEEPSEGM_OIDC_ACCOUNTS == "new"

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> Any:
        """Fill in a new account. Its e-mail address is stored only if the provider verified it
        (else it may belong to somebody else), and if no account has it."""
        user = super().populate_user(request, sociallogin, data)
        user.is_staff, user.email = bool(_is_staff(sociallogin)), _verified_address(sociallogin)
        if user.email and get_user_model().objects.filter(email__iexact=user.email).exists():
            user.email = ""
        return user

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("account")

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        from requests import RequestException

        logger.warning("The provider's sign-in failed: %s %s", error, exception)
        is_down = isinstance(exception, RequestException)
        sentence = CANCELLED if error == "cancelled" else DOWN if is_down else FAILED
        raise ImmediateHttpResponse(provider_refused(request, sentence, 502 if is_down else 400))


class Factors(DefaultMFAAdapter):
    """Second factors. Their secrets are stored encrypted, so that a copy of the database is not
    enough to sign in."""

    error_messages = {**DefaultMFAAdapter.error_messages, "incorrect_code": WRONG_CODE}

    def is_mfa_enabled(self, user: Any, types: Any = None) -> bool:
        return second_factor.is_on() and super().is_mfa_enabled(user, types)

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return _fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            raise ImmediateHttpResponse(refusal_page(context.request, Refused(OTHER_KEY, 409))) from None

    def get_totp_issuer(self) -> str:
        return f"DeepSegm {self._get_site_name()}"


class CodeOnce:
    """A form that accepts a code only once. A code is valid for 90 seconds, but allauth remembers a
    used one for 30 seconds, in one process only."""

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        digits = "".join(filter(str.isdigit, code))
        with transaction.atomic():
            factor = Authenticator.objects.select_for_update().get(pk=self.authenticator.pk)  # type: ignore[attr-defined]
            used = factor.data.get("used", [])
            if digits in used:
                raise Factors().validation_error("incorrect_code")
            factor.data["used"] = [digits, *used][:9]  # more codes than are valid at one time
            factor.save(update_fields=["data"])
        return code


class SignInForm(CodeOnce, AuthenticateForm):
    """The second step of signing in: the code of the second factor."""


class CodeAgainForm(CodeOnce, ReauthenticateForm):
    """A person who is signed in gives the code, before changing the second factor, or after a
    sign-in without it."""


def provider_refused(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    """The page that refuses a sign-in by the provider. sentence: may contain {name}, for the
    provider's name."""
    sentence = sentence.format(name=settings.DEEPSEGM_OIDC_NAME)
    return refusal_page(request, Refused(sentence, status), reverse(settings.LOGIN_URL))


def _fernet() -> Any:
    """The cipher for secrets of second factors; its key follows from the site's SECRET_KEY."""
    from cryptography.fernet import Fernet

    key = hashlib.sha256(b"segmentation.second-factor" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _is_staff(login: SocialLogin) -> bool | None:
    """Whether the provider says that this person is staff; None if DEEPSEGM_OIDC_STAFF is not
    set."""
    claim, _, wanted = settings.DEEPSEGM_OIDC_STAFF.partition("=")
    values = [login.account.extra_data.get(part, {}).get(claim) for part in ("id_token", "userinfo")]
    groups = [group for value in values for group in (value if isinstance(value, list) else [value])]
    return wanted in groups if wanted else None


def _verified_address(sociallogin: SocialLogin) -> str:
    """The e-mail address that the provider has verified; "" without one."""
    return next((address.email for address in sociallogin.email_addresses if address.verified is True), "")
