"""Base classes of the admin's lists. Staff can look at, retry, cancel and delete most rows, not edit them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import CASCADE, JSONField, Model, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat, truncatechars
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..core.report.wording import capital
from ..models import Micrograph, StoredFile
from ..services.access import links
from ..services.ground import staff_log
from ..services.ground.refusal import Refused
from ..services.results.corrections import steps

MOST_NAMES = 100  # names in the question before a deletion


class LoggedAdmin(admin.ModelAdmin):
    """Writes into the log of staff's changes which rows were added, changed and deleted, with their values.

    Where staff give rights, only rights on tables that the admin shows are offered.
    """

    def formfield_for_manytomany(self, db_field: Any, request: Any, **more: Any) -> Any:
        if db_field.related_model is Permission:
            tables = ContentType.objects.get_for_models(*filter(admin.site.is_registered, apps.get_models()))
            more["queryset"] = Permission.objects.filter(content_type__in=list(tables.values()))
        return super().formfield_for_manytomany(db_field, request, **more)

    def construct_change_message(self, request: Any, form: Any, formsets: Any, add: bool = False) -> Any:
        names = [name for name in form.changed_data if "password" not in name]
        request.logged_values = [{}, {}]  # before and after, for log_addition or log_change, which Django calls next
        for logged, values in zip(request.logged_values, (form.initial, form.cleaned_data), strict=True):
            for name in names:
                value = values.get(name)
                is_list = isinstance(value, list | tuple | QuerySet)
                logged[name] = ", ".join(sorted(str(item) for item in value)) if is_list else str(value)
        if "set_usable_password" in form.cleaned_data:
            usable = form.cleaned_data["set_usable_password"]
            request.logged_verb = "set a new password for" if usable else "switched off the password of"
        return super().construct_change_message(request, form, formsets, add)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capital(str(self.model._meta.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def log_addition(self, request: Any, obj: Any, message: Any) -> Any:
        staff_log.note(request.user, "added", obj, {}, getattr(request, "logged_values", ({}, {}))[1])
        return super().log_addition(request, obj, message)

    def log_change(self, request: Any, obj: Any, message: Any) -> Any:
        verb = getattr(request, "logged_verb", "changed")
        staff_log.note(request.user, verb, obj, *getattr(request, "logged_values", ({}, {})))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: Any, queryset: Any) -> Any:
        staff_log.note_deleted(request.user, queryset)
        return super().log_deletions(request, queryset)


def column(title: str, cell: Callable[[Any], Any], order: str | None = None) -> Callable[..., Any]:
    """A column of a list, or a line of a row's page, with `cell(row)` as its content. order: the field by which the
    list can be sorted."""
    return admin.display(lambda self, row: cell(row), description=title, ordering=order)


def page_link(view: str, words: str, pk: str = "pk") -> Callable[..., Any]:
    """A column with a link to the page of a row. view: the page's URL name. pk: the field with the id for this URL."""
    return column("page", lambda row: format_html('<a href="{}">{}</a>', reverse(view, args=[getattr(row, pk)]), words))


def action(title: str, service: Callable[..., Any], verb: str, *, argument: str = "") -> Callable[..., Any]:
    """An action of the admin that calls `service` with each selected row. It then says with how many rows that worked,
    and why it did not with others.

    verb: what was done to a row, for this sentence and for the log. argument: the service's name for the row; by
    default the name of the row's class in lower case, as in service(job=row).
    """

    def run(self: Any, request: HttpRequest, rows: QuerySet) -> None:
        count, meta = 0, self.model._meta
        for row in rows:
            before = staff_log.snapshot(row)
            try:
                service(**{argument or str(meta.model_name): row})
                count += 1
                staff_log.note(request.user, verb, row, before, staff_log.snapshot(row))
            except Refused as refused:
                name = getattr(getattr(row, "micrograph", row), "name", row)
                self.message_user(request, f"“{name}”: {refused.sentence}", messages.WARNING)
        if count:
            words = f"{meta.verbose_name} is" if count == 1 else f"{meta.verbose_name_plural} are"
            self.message_user(request, f"{count} {words} {verb}.", messages.SUCCESS)

    return admin.action(run, permissions=["change"], description=title)


class ReadOnlyAdmin(admin.ModelAdmin):
    """A list whose rows staff can only look at and delete; the site makes rows, and services change them.

    summary_fields: what the page of a row shows first; all stored columns follow in a closed section.
    files: the table with the stored files of a row; None without one.
    """

    list_per_page = 50
    date_hierarchy = "created"
    summary_fields: tuple[str, ...] = ()
    files: type[StoredFile] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        if request.method == "POST":  # an action may take thousands of rows
            long_columns = (field.name for field in self.model._meta.concrete_fields if isinstance(field, JSONField))
            rows = rows.defer(*long_columns)
        if self.files is None:
            return rows
        field = self.model._meta.model_name
        files_of_row = self.files._default_manager.filter(**{field: OuterRef("pk")}).order_by().values(field)
        return rows.annotate(files_size=Subquery(files_of_row.annotate(all=Sum("size")).values("all")))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.summary_fields, "stored"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldset = {"fields": ["stored"], "classes": ["collapse"], "description": "To look for a fault."}
        return [(None, {"fields": self.summary_fields}), ("The row as it is stored", fieldset)]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for row in queryset:
            self.delete_model(request, row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What Django asks before a deletion: the names of the rows, how many rows are deleted with them, and which
        rights are missing. (Django's own method reads all these rows.)"""
        rows = self.model._base_manager.filter(pk__in=[row.pk for row in objs])
        counts, missing_rights = {str(self.opts.verbose_name_plural): rows.count()}, set()
        for model, count in counts_deleted_with(rows):
            title = str(model._meta.verbose_name_plural)
            counts[title] = counts.get(title, 0) + count
            if admin.site.is_registered(model):
                may_delete = admin.site.get_model_admin(model).has_delete_permission(request)
                missing_rights |= set() if may_delete else {str(model._meta.verbose_name)}
        if not self.has_delete_permission(request):
            missing_rights.add(str(self.opts.verbose_name))
        names = [str(row) for row, _ in zip(objs, range(MOST_NAMES), strict=False)]
        if len(objs) > MOST_NAMES:
            names.append(f"and {len(objs) - MOST_NAMES} more")
        return names, counts, missing_rights, []

    @admin.display(description="state", ordering="state")
    def status(self, row: Any) -> str:
        """The state of a row, and its error if it failed."""
        state = capital(row.get_state_display())
        return f"{state}: {truncatechars(row.error, 60)}" if row.error else state

    results = column("files", lambda row: filesizeformat(row.files_size) if row.files_size else "", "files_size")
    bytes = column("size", lambda row: filesizeformat(row.size), "size")
    took = column("computing time", lambda row: f"{row.duration.total_seconds():.1f} s" if row.duration else "")

    @admin.display(description="columns")
    def stored(self, row: Any) -> SafeString:
        fields = {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}
        return format_html("<pre>{}</pre>", json.dumps(fields, indent=2, ensure_ascii=False, default=str))

    def render_change_form(self, request: Any, context: dict[str, Any], *args: Any, **more: Any) -> HttpResponse:
        context |= {"title": capital(str(self.opts.verbose_name)), "show_save": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **more)


def counts_deleted_with(rows: QuerySet) -> Iterator[tuple[type[Model], int]]:
    """(table, number of its rows) for each table with rows that are deleted together with `rows`. No row is read."""
    for relation in rows.model._meta.get_fields(include_hidden=True):
        if getattr(relation, "on_delete", None) is CASCADE and relation.auto_created:
            related = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": rows.values("pk")})
            if count := related.count():
                yield relation.related_model, count
                yield from counts_deleted_with(related)


class AdminWithLink(ReadOnlyAdmin):
    """A list of results, which may have private links."""

    @admin.display(description="private link")
    def link(self, row: Any) -> str:
        link_of_row = links.link_of(row)
        until = f", until {link_of_row.ends:%Y-%m-%d %H:%M}" if link_of_row and link_of_row.ends else ""
        return links.state_of(row) + until

    link_off = action(
        "Switch off the links", partial(steps.change_private_link, off=True), "without a link", argument="row"
    )
    link_renew = action(
        "Renew the links", partial(steps.change_private_link, renew=True), "opened by a new link", argument="row"
    )


def preview_tag(micrograph: Micrograph) -> SafeString | str:
    """The HTML of the small picture of an uploaded image; "" until the image has been read."""
    return image_tag(reverse("upload-preview", args=[micrograph.pk])) if micrograph.preview else ""


def image_tag(address: str) -> SafeString:
    """The HTML of a small picture."""
    return format_html('<img src="{}" alt="" width="64" loading="lazy">', address)
