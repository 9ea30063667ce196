"""The admin's lists of jobs, samples, uploaded images and signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Case, Count, Prefetch, QuerySet, When
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat, truncatechars
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from .. import models
from ..core.report.exports.viewer import THUMBNAIL_FILE
from ..core.report.wording import calibration_words
from ..presenters.listing import UNREADABLE, read_or_default
from ..presenters.progress import stage_times
from ..presenters.stored import count_words, headline, numbers_of
from ..services.ground.files import remove_files_together
from ..services.results import jobs, samples
from ..services.results.models_offered import title_of
from .base import AdminWithLink, ReadOnlyAdmin, action, column, image_tag, page_link, preview_tag


class ModelFilter(admin.AllValuesFieldListFilter):
    """The filter by model, which shows the models' titles instead of their names."""

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        for choice in super().choices(changelist):
            yield {**choice, "display": title_of(choice["display"])}


@admin.register(models.Job)
class JobAdmin(AdminWithLink):
    list_display = ("thumbnail", "image", "owner", "status", "result", "results", "took", "created")
    list_display_links = ("thumbnail", "image")
    list_filter = ("state", ("model_name", ModelFilter), "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "micrograph__name", "micrograph__sha256", "owner__username", "error")
    search_help_text = "Number of the analysis, file name, sha256, user or error"
    ordering = (Case(When(state=models.Job.State.FAILED, then=0), default=1), "-created")
    summary_fields = (
        *("thumbnail", "page", "micrograph", "sample", "owner", "state", "stage", "error", "result"),
        *("model_name", "dimensions", "size", "results", "link", "created", "started", "finished", "took", "spent"),
    )
    files = models.Artifact
    actions = ("retry", "cancel", "link_off", "link_renew")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        thumbnails = models.Artifact.objects.filter(name=THUMBNAIL_FILE)
        with_pictures = Prefetch("artifacts", queryset=thumbnails, to_attr="thumbnails")
        return super().get_queryset(request).select_related("micrograph", "owner").prefetch_related(with_pictures)

    @admin.display
    def result(self, job: models.Job) -> str:
        """The numbers of a job in one line, with short forms of its warnings."""
        return read_or_default(self._numbers, job, UNREADABLE) if job.is_done else ""

    def _numbers(self, job: models.Job) -> str:
        numbers = numbers_of(job.stored)
        return ", ".join(filter(None, (count_words(numbers), headline(numbers), job.stored.warning)))

    @admin.display(description="where its time went")
    def spent(self, job: models.Job) -> SafeString:
        return format_html_join(
            mark_safe("<br>"), "{}: {} s", ((part, f"{time:.1f}") for part, time in stage_times(job))
        )

    @admin.display(description="picture")
    def thumbnail(self, job: models.Job) -> SafeString:
        address = reverse("artifact", args=[job.pk, THUMBNAIL_FILE])
        return image_tag(address) if job.thumbnails else preview_tag(job.micrograph)

    image = column("image", lambda job: truncatechars(job.micrograph.name, 40), "micrograph__name")
    dimensions = column("pixels", lambda job: f"{job.micrograph.width} × {job.micrograph.height}")
    size = column("size", lambda job: filesizeformat(job.micrograph.size), "micrograph__size")

    page = page_link("job", "open the result")
    retry = action("Try selected analyses again", jobs.retry_job, "waiting again")
    cancel = action("Cancel selected analyses", jobs.cancel_job, "cancelled")

    def delete_model(self, request: HttpRequest, obj: models.Job) -> None:
        jobs.delete_job(job=obj, signed=True)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        jobs.delete_jobs([job.pk for job in queryset], signed=True)


@admin.register(models.Sample)
class SampleAdmin(AdminWithLink):
    list_display = ("name", "owner", "status", "images", "results", "created", "page")
    list_filter = ("state", "rule", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "owner__username", "error")
    search_help_text = "Number of the sample, its name, user or error"
    summary_fields = (
        *("name", "page", "owner", "state", "stage", "error", "images", "results", "rule", "typed", "value"),
        *("link", "created", "started", "finished"),
    )
    files = models.SampleArtifact
    actions = ("retry", "cancel", "link_off", "link_renew")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("owner")
        return rows.annotate(image_count=Count("jobs__micrograph", distinct=True))

    images = column("images", lambda sample: sample.image_count, "image_count")
    page = page_link("sample-page", "open the sample")
    retry = action("Try failed images of selected samples again", samples.retry_failed, "counted together anew")
    cancel = action("Cancel the remaining images of selected samples", samples.cancel_sample, "cancelled")

    def delete_model(self, request: HttpRequest, obj: models.Sample) -> None:
        samples.delete_sample(sample=obj, signed=True)


@admin.register(models.Micrograph)
class UploadAdmin(ReadOnlyAdmin):
    list_display = ("picture", "name", "owner", "status", "kind", "bytes", "analyses", "created")
    list_display_links = ("picture", "name")
    list_filter = ("state", "kind", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "sha256", "owner__username")
    summary_fields = (
        *("picture", "name", "owner", "state", "stage", "error", "kind", "width", "height", "bytes"),
        *("scale", "analyses", "sha256", "created"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("owner").annotate(analyses=Count("jobs"))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        with transaction.atomic(), remove_files_together():
            models.Micrograph.objects.filter(pk__in=[micrograph.pk for micrograph in queryset]).only("pk").delete()

    picture = column("picture", lambda micrograph: preview_tag(micrograph))
    scale = column("scale", lambda micrograph: calibration_words(micrograph.scale.in_use, detail=False))
    analyses = column("analyses", lambda micrograph: micrograph.analyses, "analyses")


@admin.register(models.Signature)
class SignatureAdmin(ReadOnlyAdmin):
    """Signatures. Nobody changes them, or deletes one alone: they are deleted with their result."""

    list_display = ("image", "meaning", "name", "account", "created", "page")
    list_filter = ("meaning", "created")
    search_fields = ("job__id", "job__micrograph__name", "account", "name")
    summary_fields = (
        *("image", "page", "meaning", "name", "account", "created"),
        *("labels_sha256", "result_sha256", "numbers_sha256"),
    )
    list_select_related = ("job__micrograph",)

    image = column("image", lambda signature: truncatechars(signature.job.micrograph.name, 40), "job__micrograph__name")
    page = page_link("job", "open the result", "job_id")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Django also asks this where a result is deleted; there the signatures may go.
        is_signature_page = request.resolver_match.view_name.startswith("admin:segmentation_signature_")
        return not is_signature_page and super().has_delete_permission(request, obj)
