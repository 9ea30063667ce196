"""Django's admin: to look, retry, cancel and delete; of ours only quotas are edited."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Permission
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from ..core.report.wording import capital
from ..services.access.second_factor import is_limited

NAMES = {"segmentation.job": "analysis", "segmentation.micrograph": "uploaded image", "auth.user": "account",
         "segmentation.modeldefault": "default model", "segmentation.staffaction": "staff change",
         "axes.accessattempt": "failed sign-in", "socialaccount.socialaccount": "OpenID account"}  # fmt: skip
for label, name in NAMES.items():
    meta = apps.get_model(label)._meta
    meta.verbose_name, meta.verbose_name_plural = name, "analyses" if name == "analysis" else f"{name}s"
# allauth's own have secrets; the last two of axes are never written here.
for private in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, AccessFailureLog, AccessLog):
    admin.site.unregister(private)
tried = type(admin.site.get_model_admin(AccessAttempt))
tried.list_filter, tried.list_display = ["attempt_time"], ["attempt_time", "username", "ip_address", "status"]
Permission.__str__ = lambda right: f"{capital(str(right.content_type.name))}: {right.codename.partition('_')[0]}"
admin.site.site_header = admin.site.site_title = "DeepSegm"
admin.site.index_title = "All tables"
for package, words in {"auth": "People", "axes": "Signing in", "socialaccount": "Signing in by OpenID"}.items():
    apps.get_app_config(package).verbose_name = words
admin.site.enable_nav_sidebar = False  # so that the lists fit a screen 1280 px wide


@login_not_required
def sign_in(request: HttpRequest) -> HttpResponse:
    """The admin takes no password: the site's sign-in does, and asks for the second factor."""
    return redirect("mfa_index") if is_limited(request.user) else _staff_only(request)


_staff_only = secure_admin_login(lambda request: redirect("admin:index"))

from . import access, learning, methods, results  # noqa: E402  (each registers its lists, after those of allauth are gone)
from .base import Noted  # noqa: E402

# The log of staff's changes covers every registered model, ours and those of packages.
for model in filter(admin.site.is_registered, apps.get_models()):
    registered = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(model, type(registered.__name__, (Noted, registered), {}))
