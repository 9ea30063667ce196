"""The admin's lists of accounts, quotas, tokens, webhooks, OpenID accounts, and the log of what staff changed."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.contrib.auth.admin import User, UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from ..models import Quota, StaffAction, Token, Webhook
from ..services.access import tokens
from ..services.ground import staff_log
from ..services.ground.limits import quota_of
from .base import ReadOnlyAdmin, action, column

admin.site.unregister(User)
for name, title in {"is_active": "may sign in", "is_staff": "staff", "is_superuser": "administrator"}.items():
    User._meta.get_field(name).verbose_name = title  # in forms, lists and filters
HINTS = {
    "username": "The name to sign in with.",
    "is_active": "Take the tick away to deactivate the account. Its results stay.",
    "is_staff": "Staff see the page The site, and there what their rights allow.",
    "is_superuser": "An administrator has all rights.",
    "groups": "Each group gives its rights and its quota.",
}


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Who may sign in, and what each may do. Staff invite people elsewhere, on the page “The site”."""

    list_display = ("username", "email", "is_active", "is_staff", "last_login")
    fieldsets = [
        (None, {"fields": ["username", "first_name", "last_name", "email", "is_active", "password"]}),
        ("Rights", {"fields": ["is_staff", "is_superuser", "groups"]}),
        ("Single rights", {"fields": ["user_permissions"], "classes": ["collapse"]}),
    ]

    def get_form(self, *args: Any, **kwargs: Any) -> Any:
        return super().get_form(*args, help_texts=HINTS, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("username",) if obj else ()  # signatures, methods and logs name an account by it


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):
    """How much storage and computing people and groups may use. Staff can edit these rows."""

    list_display = ("__str__", "stored_gb", "megapixels_a_day")
    description = "For a person, or for each person of a group. An empty field leaves the usual limit; 0: no limit."
    fieldsets = [(None, {"fields": ["user", "group", "stored_gb", "megapixels_a_day"], "description": description})]
    list_select_related = autocomplete_fields = ("user", "group")
    search_fields = ("user__username", "group__name")

    def get_form(self, *args: Any, **kwargs: Any) -> Any:
        usual = quota_of(None)
        names = ("stored_gb", "megapixels_a_day")
        hints = {name: f"The usual limit: {getattr(usual, name) or 'none'}." for name in names}
        return super().get_form(*args, help_texts=hints, **kwargs)


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    """Tokens of scripts, to look at and to revoke; nobody can read the token itself."""

    list_display = summary_fields = ("name", "start", "owner", "read_only", "created", "expires", "used", "revoked")
    list_filter = ("read_only", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "start", "owner__username")
    actions = ("revoke",)

    revoke = action("Revoke the selected tokens", tokens.revoke_token, "revoked")
    stored = column("columns", lambda token: "not shown")  # the row as it is stored holds the hash of the token


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Addresses of webhooks, without their secrets."""

    list_display = ("url", "owner", "created", "failing", "stopped")
    list_filter = (("owner", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("id", "url", "owner__username")
    summary_fields = ("url", "owner", "created", "failing", "stopped", "last")

    @admin.display(description="last messages")
    def last(self, webhook: Webhook) -> SafeString:
        lines = (
            (f"{delivery.created:%Y-%m-%d %H:%M}", delivery.event, delivery.get_state_display(), delivery.answer)
            for delivery in webhook.deliveries.all()[:20]
        )
        return format_html_join("", "<div>{} {}: {} {}</div>", lines)

    stored = column("columns", lambda webhook: "not shown")  # the row as it is stored holds the secret


@admin.register(SocialAccount)
class IdentityAdmin(ReadOnlyAdmin):
    """Each row lets a user of the OpenID provider sign in to one account here, until the row is deleted."""

    date_hierarchy = "date_joined"
    list_display = summary_fields = ("uid", "user", "date_joined", "last_login")
    search_fields = ("uid", "user__username")


@admin.register(StaffAction)
class StaffActionAdmin(ReadOnlyAdmin):
    """What staff changed. Superusers may read it and export it as CSV; nobody can delete a row."""

    list_display = ("created", "account", "action", "kind", "name", "changes")
    list_filter = ("created", "kind", "account")
    search_fields = ("account", "action", "target", "name")
    summary_fields = ("created", "account", "action", "kind", "name", "target", "changes")
    actions = ("export",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser

    has_module_permission = has_view_permission

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission

    @admin.display(description="before and after")
    def changes(self, row: StaffAction) -> SafeString:
        pairs = ((name, row.before.get(name, ""), row.after.get(name, "")) for name in {**row.before, **row.after})
        return format_html_join(mark_safe("<br>"), "{}: {} → {}", pairs)

    @admin.action(description="Export the selected rows as CSV", permissions=["view"])
    def export(self, request: HttpRequest, rows: QuerySet) -> HttpResponse:
        headers = {"Content-Disposition": 'attachment; filename="staff-actions.csv"'}
        return HttpResponse(
            staff_log.log_as_csv(rows.iterator()), content_type="text/csv; charset=utf-8", headers=headers
        )
