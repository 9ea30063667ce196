"""Django's admin for staff: they look at rows, retry, cancel and delete. Of our own tables they edit only quotas."""

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

# The names of tables in the admin.
NAMES = {"segmentation.job": "analysis", "segmentation.micrograph": "uploaded image", "auth.user": "account",
         "segmentation.modeldefault": "default model", "segmentation.staffaction": "staff change",
         "axes.accessattempt": "failed sign-in", "socialaccount.socialaccount": "OpenID account"}  # fmt: skip
for label, name in NAMES.items():
    meta = apps.get_model(label)._meta
    meta.verbose_name, meta.verbose_name_plural = name, "analyses" if name == "analysis" else f"{name}s"
# Not listed: tables of allauth, because they contain secrets, and the last two, of axes, because they stay empty.
for hidden_table in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, AccessFailureLog, AccessLog):
    admin.site.unregister(hidden_table)
attempt_admin = type(admin.site.get_model_admin(AccessAttempt))
attempt_admin.list_filter = ["attempt_time"]
attempt_admin.list_display = ["attempt_time", "username", "ip_address", "status"]
# The name of a right, such as "Account: change".
Permission.__str__ = lambda right: f"{capital(str(right.content_type.name))}: {right.codename.partition('_')[0]}"
admin.site.site_header = admin.site.site_title = "DeepSegm"
admin.site.index_title = "All tables"
for package, title in {"auth": "People", "axes": "Signing in", "socialaccount": "Signing in by OpenID"}.items():
    apps.get_app_config(package).verbose_name = title
admin.site.enable_nav_sidebar = False  # so that the lists fit a screen 1280 px wide


@login_not_required
def sign_in(request: HttpRequest) -> HttpResponse:
    """Redirects to the site's sign-in, because the admin itself takes no password. Staff who have not used their second
    factor are redirected to the page where they set it up or use it."""
    return redirect("mfa_index") if is_limited(request.user) else _staff_only(request)


_staff_only = secure_admin_login(lambda request: redirect("admin:index"))

from ..learning import admin as learning  # noqa: E402  (each registers its lists, after those of allauth are gone)
from ..quality import admin as methods  # noqa: E402  (each registers its lists, after those of allauth are gone)
from . import access, results  # noqa: E402  (each registers its lists, after those of allauth are gone)
from .base import LoggedAdmin  # noqa: E402

# The log of staff's changes covers every registered model, ours and those of packages.
for model in filter(admin.site.is_registered, apps.get_models()):
    admin_class = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(model, type(admin_class.__name__, (LoggedAdmin, admin_class), {}))
