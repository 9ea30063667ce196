"""Django's admin: to look, retry, cancel and delete; of ours only quotas are edited."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from ..services.access.second_factor import is_limited

for private in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken):  # allauth's own: with secrets
    admin.site.unregister(private)
admin.site.site_header = admin.site.site_title = "DeepSegm"
admin.site.index_title = "Administration"
for package, words in {"auth": "People", "axes": "Signing in", "socialaccount": "Signing in by OpenID"}.items():
    apps.get_app_config(package).verbose_name = words
admin.site.enable_nav_sidebar = False  # so that the lists fit a screen 1280 px wide


@login_not_required
def sign_in(request: HttpRequest) -> HttpResponse:
    """The admin takes no password: the site's sign-in does, and asks for the second factor."""
    return redirect("mfa_index") if is_limited(request.user) else _staff_only(request)


_staff_only = secure_admin_login(lambda request: redirect("admin:index"))

from . import access, learning, results  # noqa: E402  (each registers its lists, after those of allauth are gone)
from .base import Noted  # noqa: E402

# The log of staff's changes covers every registered model, ours and those of packages.
for model in filter(admin.site.is_registered, apps.get_models()):
    registered = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(model, type(registered.__name__, (Noted, registered), {}))
