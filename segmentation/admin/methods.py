"""The admin's list of methods."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..models import Method
from ..services.results import methods
from .base import ReadOnlyAdmin, column, page_link


@admin.register(Method)
class MethodAdmin(ReadOnlyAdmin):
    """Methods and their versions. People approve and withdraw versions on the method's page. If a method is deleted
    here, its results keep their numbers."""

    list_display = ("name", "group", "owner", "versions_and_states", "created", "page")
    list_filter = ("group", "versions__state", "created")
    search_fields = ("id", "name", "owner__username", "versions__checksum")
    search_help_text = "Name, user, or the checksum of a version"
    summary_fields = ("name", "page", "group", "owner", "versions_and_states", "created")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("group", "owner").prefetch_related("versions")

    versions_and_states = column(
        "versions", lambda method: ", ".join(f"{row.number} {row.state}" for row in method.versions.all())
    )
    page = page_link("method", "open the method")

    def delete_model(self, request: HttpRequest, obj: Method) -> None:
        methods.delete_method(method=obj, user=request.user)
