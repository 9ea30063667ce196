"""The admin's lists of methods and studies."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..admin.base import ReadOnlyAdmin, action, column, page_link
from ..models import Method, Study
from .methods import services as methods
from .studies.services import end_study


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
        return super().get_queryset(request).with_versions()

    versions_and_states = column(
        "versions", lambda method: ", ".join(f"{row.number} {row.state}" for row in method.versions.all())
    )
    page = page_link("method", "open the method")

    def delete_model(self, request: HttpRequest, obj: Method) -> None:
        methods.delete_method(method=obj, user=request.user)


@admin.register(Study)
class StudyAdmin(ReadOnlyAdmin):
    """Studies. A worker makes each once; staff cancel and delete them."""

    list_display = ("title", "method", "author", "status", "analyses", "created", "page")
    list_filter = ("state", "created")
    search_fields = ("id", "title", "author", "method__name", "error")
    search_help_text = "Number of the study, its name, method, author or error"
    summary_fields = ("title", "page", "method", "author", "state", "stage", "error", "analyses", "created", "finished")
    list_select_related = ("method",)
    actions = ("cancel",)

    page = page_link("study", "open the study")
    cancel = action("Cancel selected studies", end_study, "cancelled")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("rows", "result", "outcomes", "pdf")
