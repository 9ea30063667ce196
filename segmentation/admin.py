"""Django's admin for jobs, samples, datasets, uploads, segmentations: to look, retry, cancel, delete, not to edit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat, truncatechars
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from . import services
from .core import tasks
from .core.report.exports.viewer import THUMBNAILS
from .core.report.wording import calibration_words, capital
from .core.typed import settings_of_task
from .models import (
    Artifact,
    Dataset,
    Job,
    Micrograph,
    ModelDefault,
    Sample,
    SampleArtifact,
    Segmentation,
    Signature,
    StaffAction,
    StoredFile,
    Token,
    Training,
    TrainingFile,
    Webhook,
)
from .presenters.dataset import DatasetPage
from .presenters.result import main_number
from .presenters.training import sentence_of
from .services import links, staff_log, tokens
from .services.trainings import cancel_training, delete_training, retry_training

for private in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken):  # allauth's own: with secrets
    admin.site.unregister(private)
admin.site.site_header = admin.site.site_title = "DeepSegm"
admin.site.index_title = "Administration"
admin.site.enable_nav_sidebar = False  # so that the lists fit a screen 1280 px wide

FIGURE = "figure.png"


class Noted(admin.ModelAdmin):
    """What is added, changed and deleted here is written down with its values."""

    def construct_change_message(self, request: Any, form: Any, formsets: Any, add: bool = False) -> Any:
        names = [name for name in form.changed_data if "password" not in name]
        sides = form.initial, form.cleaned_data
        request.noted = [{name: _plain(side.get(name)) for name in names} for side in sides]
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: Any, obj: Any, message: Any) -> Any:
        staff_log.note(request.user, "added", obj, {}, getattr(request, "noted", ({}, {}))[1])
        return super().log_addition(request, obj, message)

    def log_change(self, request: Any, obj: Any, message: Any) -> Any:
        staff_log.note(request.user, "changed", obj, *getattr(request, "noted", ({}, {})))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: Any, queryset: Any) -> Any:
        for row in queryset:
            staff_log.note(request.user, "deleted", row, staff_log.snapshot(row))
        return super().log_deletions(request, queryset)


def _plain(value: Any) -> str:
    many = isinstance(value, list | tuple | QuerySet)
    return ", ".join(sorted(str(each) for each in value)) if many else str(value)


class LookOnly(admin.ModelAdmin):
    """Rows come from the site and change by the services only; deleting is allowed.

    summary_fields: what the page of a row says first, in words; below it, folded, stands the row as it is stored.
    files: its stored files, where it has such rows.
    """

    list_per_page = 50
    date_hierarchy = "created"
    summary_fields: tuple[str, ...] = ()
    files: type[StoredFile] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        if self.files is None:
            return rows
        field = self.model._meta.model_name
        own = self.files._default_manager.filter(**{field: OuterRef("pk")}).order_by().values(field)
        return rows.annotate(files_size=Subquery(own.annotate(all=Sum("size")).values("all")))

    def _each(self, request: HttpRequest, rows: QuerySet, service: Callable[..., Any], done: str) -> None:
        """Use a service on every row and say how many went, and why the others did not."""
        count, kind = 0, str(self.model._meta.model_name)
        for row in rows:
            before = staff_log.snapshot(row)
            try:
                service(**{kind: row})
                count += 1
                staff_log.note(request.user, done, row, before, staff_log.snapshot(row))
            except services.Refused as refused:
                name = getattr(getattr(row, "micrograph", row), "name", row)
                self.message_user(request, f"“{name}”: {refused.sentence}", messages.WARNING)
        if count:
            self.message_user(request, f"{count} {kind}{' is' if count == 1 else 's are'} {done}.", messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.summary_fields, "stored"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        stored = {"fields": ["stored"], "classes": ["collapse"], "description": "To look for a fault."}
        return [(None, {"fields": self.summary_fields}), ("The row as it is stored", stored)]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for row in queryset:
            self.delete_model(request, row)

    @admin.display(description="state", ordering="state")
    def status(self, row: Any) -> str:
        """What became of it, and why it failed."""
        state = capital(row.get_state_display())
        return f"{state}: {truncatechars(row.error, 60)}" if row.error else state

    @admin.display(description="files", ordering="files_size")
    def results(self, row: Any) -> str:
        return filesizeformat(row.files_size) if row.files_size else ""

    @admin.display(description="size", ordering="size")
    def bytes(self, row: Any) -> str:
        return filesizeformat(row.size)

    @admin.display(description="computing time")
    def took(self, row: Any) -> str:
        return _duration(row.duration)

    @admin.display(description="")
    def stored(self, row: Any) -> SafeString:
        fields = {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}
        return format_html("<pre>{}</pre>", json.dumps(fields, indent=2, ensure_ascii=False, default=str))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capital(str(self.model._meta.verbose_name_plural))
        extra = {"title": title, "storage_used": services.storage_used(), **(extra_context or {})}
        return super().changelist_view(request, extra)


class WithLink(LookOnly):
    """Results that have a private link."""

    @admin.display(description="private link")
    def link(self, row: Any) -> str:
        found = links.link_of(row)
        until = f", until {found.ends:%Y-%m-%d %H:%M}" if found and found.ends else ""
        return links.state_of(row) + until

    @admin.action(description="Switch off the links of the selected rows", permissions=["change"])
    def link_off(self, request: HttpRequest, rows: QuerySet) -> None:
        self._each(request, rows, lambda **row: links.change_link(row=row.popitem()[1], off=True), "without a link")

    @admin.action(description="Renew the links of the selected rows", permissions=["change"])
    def link_renew(self, request: HttpRequest, rows: QuerySet) -> None:
        renew = lambda **row: links.change_link(row=row.popitem()[1], renew=True)  # noqa: E731
        self._each(request, rows, renew, "known by a new link, which its page shows")


@admin.register(Job)
class JobAdmin(WithLink):
    list_display = (
        "thumbnail",
        "image",
        "owner",
        "status",
        "result",
        "results",
        "took",
        "created",
    )
    list_display_links = ("thumbnail", "image")
    list_filter = (
        "state",
        "model_name",
        "created",
        ("sample", admin.EmptyFieldListFilter),
        ("owner", admin.RelatedOnlyFieldListFilter),
    )
    search_fields = ("id", "micrograph__name", "micrograph__sha256", "owner__username", "error")
    search_help_text = "Number of the analysis, file name, sha256, user or error"
    summary_fields = (
        *("thumbnail", "page", "figure", "micrograph", "sample", "owner", "state", "stage", "error", "result"),
        *("words", "model_name", "dimensions", "size", "results", "link", "created", "started", "finished", "took"),
    )
    files = Artifact
    actions = ("retry", "cancel", "link_off", "link_renew")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        pictures = Artifact.objects.filter(name__in=(*THUMBNAILS, FIGURE))
        shown = Prefetch("artifacts", queryset=pictures, to_attr="pictures")
        return super().get_queryset(request).select_related("micrograph", "owner").prefetch_related(shown)

    @admin.display
    def result(self, job: Job) -> str:
        """Its numbers in a line."""
        if job.state != Job.State.DONE:
            return ""
        kept = (job.summary.get("statistics") or {}).get("n_kept")
        return ", ".join(filter(None, (f"{kept} kept" if kept is not None else "", main_number(job.summary))))

    @admin.display(description="settings")
    def words(self, job: Job) -> SafeString:
        asked = job.get_settings()
        values = asked.as_dict()
        lines = [(each.title, each.says(values[each.name])) for each in settings_of_task(tasks.find(asked.task))]
        return format_html_join(mark_safe("<br>"), "{}: {}", lines)

    @admin.display(description="")
    def thumbnail(self, job: Job) -> SafeString:
        address = _address(job, *THUMBNAILS)
        return _image(address) if address else _preview(job.micrograph)

    @admin.display(ordering="micrograph__name")
    def image(self, job: Job) -> str:
        return truncatechars(job.micrograph.name, 40)

    @admin.display(description="pixels")
    def dimensions(self, job: Job) -> str:
        return f"{job.micrograph.width} × {job.micrograph.height}"

    @admin.display(ordering="micrograph__size")
    def size(self, job: Job) -> str:
        return filesizeformat(job.micrograph.size)

    @admin.display
    def figure(self, job: Job) -> SafeString | str:
        address = _address(job, FIGURE)
        return format_html('<a href="{}">figure</a>', address) if address else ""

    @admin.display
    def page(self, job: Job) -> SafeString:
        return format_html('<a href="{}">open the result</a>', reverse("job", args=[job.pk]))

    @admin.action(description="Try selected jobs again", permissions=["change"])
    def retry(self, request: HttpRequest, jobs: QuerySet) -> None:
        self._each(request, jobs, services.retry_job, "waiting again")

    @admin.action(description="Cancel selected jobs", permissions=["change"])
    def cancel(self, request: HttpRequest, jobs: QuerySet) -> None:
        self._each(request, jobs, services.cancel_job, "cancelled")

    def delete_model(self, request: HttpRequest, obj: Job) -> None:
        services.delete_job(job=obj, signed=True)


@admin.register(Dataset)
class DatasetAdmin(LookOnly):
    list_display = ("name", "owner", "task", "status", "images", "shared", "created", "page")
    list_filter = ("task", "state", "shared", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "material", "instrument", "owner__username", "images__name", "images__sha256")
    search_help_text = "Name, material, instrument or user, or the name or sha256 of one of its images"
    summary_fields = (
        *("name", "page", "owner", "task", "material", "instrument", "licence", "shared", "state", "error"),
        *("counted", "errors", "warnings", "created"),
    )
    actions = ("again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("owner").annotate(images_count=Count("images"))

    @admin.display(ordering="images_count")
    def images(self, dataset: Any) -> int:
        return dataset.images_count

    @admin.display(description="holds")
    def counted(self, dataset: Dataset) -> str:
        return DatasetPage(dataset).counted

    @admin.display(description="must be corrected before a training")
    def errors(self, dataset: Dataset) -> str:
        return " ".join(DatasetPage(dataset).errors)

    @admin.display(description="worth a look")
    def warnings(self, dataset: Dataset) -> str:
        return " ".join(DatasetPage(dataset).warnings)

    @admin.display
    def page(self, dataset: Dataset) -> SafeString:
        return format_html('<a href="{}">open the dataset</a>', reverse("dataset-page", args=[dataset.pk]))

    @admin.action(description="Check selected datasets again", permissions=["change"])
    def again(self, request: HttpRequest, datasets: QuerySet) -> None:
        self._each(request, datasets, services.check_again, "waiting for the check")

    def delete_model(self, request: HttpRequest, obj: Dataset) -> None:
        services.delete_dataset(dataset=obj)


@admin.register(Sample)
class SampleAdmin(WithLink):
    list_display = ("name", "owner", "status", "images", "results", "created", "page")
    list_filter = ("state", "rule", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "owner__username", "error")
    search_help_text = "Number of the sample, its name, user or error"
    summary_fields = (
        *("name", "page", "owner", "state", "stage", "error", "images", "results", "rule", "typed", "value"),
        *("link", "created", "started", "finished"),
    )
    files = SampleArtifact
    actions = ("retry", "cancel", "link_off", "link_renew")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        own = super().get_queryset(request).select_related("owner")
        return own.annotate(image_count=Count("jobs__micrograph", distinct=True))

    @admin.display(ordering="image_count")
    def images(self, sample: Any) -> int:
        return sample.image_count

    @admin.display
    def page(self, sample: Sample) -> SafeString:
        return format_html('<a href="{}">open the sample</a>', reverse("sample-page", args=[sample.pk]))

    @admin.action(description="Try failed images of selected samples again, and pool", permissions=["change"])
    def retry(self, request: HttpRequest, samples: QuerySet) -> None:
        self._each(request, samples, services.retry_failed, "pooled anew, with the images that had failed")

    @admin.action(description="Cancel the remaining images of selected samples", permissions=["change"])
    def cancel(self, request: HttpRequest, samples: QuerySet) -> None:
        self._each(request, samples, services.cancel_sample, "cancelled")

    def delete_model(self, request: HttpRequest, obj: Sample) -> None:
        services.delete_sample(sample=obj, signed=True)


@admin.register(Micrograph)
class UploadAdmin(LookOnly):
    list_display = (
        "picture",
        "name",
        "owner",
        "status",
        "kind",
        "pixels",
        "bytes",
        "analyses",
        "created",
    )
    list_display_links = ("picture", "name")
    list_filter = ("state", "kind", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "sha256", "owner__username")
    summary_fields = (
        *("picture", "name", "owner", "state", "stage", "error", "kind", "width", "height", "bytes"),
        *("scale", "analyses", "sha256", "created"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("owner").annotate(analyses=Count("jobs"))

    @admin.display(description="")
    def picture(self, micrograph: Micrograph) -> SafeString:
        return _preview(micrograph)

    @admin.display(ordering="width")
    def pixels(self, micrograph: Micrograph) -> str:
        return f"{micrograph.width} × {micrograph.height}" if micrograph.width else ""

    @admin.display(description="scale in file or image")
    def scale(self, micrograph: Micrograph) -> str:
        return calibration_words(micrograph.own_calibration, detail=False)

    @admin.display(ordering="analyses")
    def analyses(self, micrograph: Any) -> int:
        return micrograph.analyses


@admin.register(Training)
class TrainingAdmin(LookOnly):
    list_display = (
        "dataset",
        "base",
        "owner",
        "status",
        "model_name",
        "version",
        "offered",
        "shared",
        "created",
        "page",
    )
    list_filter = ("state", "offered", "shared", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "dataset__name", "base", "model_name", "owner__username", "error")
    summary_fields = (
        *("page", "dataset", "base", "owner", "state", "stage", "error", "outcome", "model_name", "version"),
        *("offered", "overruled_by", "shared", "results", "created", "started", "finished"),
    )
    files = TrainingFile
    actions = ("retry", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("dataset", "owner")

    @admin.display
    def outcome(self, training: Training) -> str:
        return sentence_of(training)

    @admin.display
    def page(self, training: Training) -> SafeString:
        return format_html('<a href="{}">open the training</a>', reverse("training", args=[training.pk]))

    @admin.action(description="Try selected trainings again", permissions=["change"])
    def retry(self, request: HttpRequest, rows: QuerySet) -> None:
        self._each(request, rows, retry_training, "waiting again")

    @admin.action(description="Cancel selected trainings", permissions=["change"])
    def cancel(self, request: HttpRequest, rows: QuerySet) -> None:
        self._each(request, rows, cancel_training, "cancelled")

    def delete_model(self, request: HttpRequest, obj: Training) -> None:
        delete_training(training=obj)


@admin.register(ModelDefault)
class ModelDefaultAdmin(LookOnly):
    """Which model is used where nobody chooses one; deleting a row makes the choice automatic again."""

    date_hierarchy = "changed"
    list_display = ("task", "whose", "model_name", "changed")
    list_filter = ("task",)
    summary_fields = ("task", "whose", "model_name", "before", "changed")

    @admin.display(description="of")
    def whose(self, row: ModelDefault) -> str:
        return str(row.owner) if row.owner else "the site"


class GoesWithOthers(LookOnly):
    """Rows that are deleted only together with others."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        here = request.resolver_match.view_name.startswith(f"admin:segmentation_{self.model._meta.model_name}_")
        return not here and super().has_delete_permission(request, obj)


@admin.register(Signature)
class SignatureAdmin(GoesWithOthers):
    """Signatures: nobody changes them, and they go with their result."""

    list_display = ("image", "meaning", "name", "account", "created", "page")
    list_filter = ("meaning", "created")
    search_fields = ("job__id", "job__micrograph__name", "account", "name")
    summary_fields = (
        *("image", "page", "meaning", "name", "account", "created"),
        *("labels_sha256", "result_sha256", "numbers_sha256"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("job__micrograph")

    @admin.display(ordering="job__micrograph__name")
    def image(self, signature: Signature) -> str:
        return truncatechars(signature.job.micrograph.name, 40)

    @admin.display
    def page(self, signature: Signature) -> SafeString:
        return format_html('<a href="{}">open the result</a>', reverse("job", args=[signature.job_id]))


@admin.register(Segmentation)
class SegmentationAdmin(GoesWithOthers):
    """What was found: it goes with its micrograph or the last job that measures it, never by itself."""

    list_display = ("image", "task", "model_name", "bytes", "created", "measured")
    list_filter = ("task", "model_name", "created")
    search_fields = ("id", "micrograph__name", "micrograph__sha256", "model_name", "weights")
    summary_fields = ("image", "task", "model_name", "weights", "bytes", "measured", "created")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("micrograph").annotate(measured=Count("jobs"))

    @admin.display(ordering="micrograph__name")
    def image(self, found: Segmentation) -> str:
        return truncatechars(found.micrograph.name, 40)

    @admin.display(description="jobs", ordering="measured")
    def measured(self, found: Any) -> int:
        return found.measured


@admin.register(Token)
class TokenAdmin(LookOnly):
    """Tokens of scripts, to look at and to revoke; nobody can read the token itself."""

    list_display = ("name", "start", "owner", "read_only", "created", "expires", "used", "revoked")
    list_filter = ("read_only", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "start", "owner__username")
    summary_fields = ("name", "start", "owner", "read_only", "created", "expires", "used", "revoked")
    actions = ("revoke",)

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet) -> None:
        self._each(request, rows, tokens.revoke_token, "revoked")

    @admin.display(description="")
    def stored(self, token: Token) -> str:
        return ""


@admin.register(Webhook)
class WebhookAdmin(LookOnly):
    """Addresses that are told of what is done; their secrets are not shown."""

    list_display = ("url", "owner", "created", "failing", "stopped")
    list_filter = (("owner", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("id", "url", "owner__username")
    summary_fields = ("url", "owner", "created", "failing", "stopped", "last")

    @admin.display(description="last messages")
    def last(self, webhook: Webhook) -> SafeString:
        rows = webhook.deliveries.all()[:20]
        said = ((f"{each.created:%Y-%m-%d %H:%M}", each.event, each.get_state_display(), each.answer) for each in rows)
        return format_html_join("", "<div>{} {}: {} {}</div>", said)

    @admin.display(description="")
    def stored(self, webhook: Webhook) -> str:
        return ""


@admin.register(SocialAccount)
class IdentityAdmin(LookOnly):
    """Who may sign in by the OpenID provider, and as whom here; deleting a row ends that."""

    date_hierarchy = "date_joined"
    list_display = ("uid", "user", "date_joined", "last_login")
    search_fields = ("uid", "user__username")
    summary_fields = ("uid", "user", "date_joined", "last_login")


@admin.register(StaffAction)
class StaffActionAdmin(LookOnly):
    """What staff changed; superusers look at it and take it away as CSV, and nobody deletes a row."""

    list_display = ("created", "account", "action", "kind", "name", "changes")
    list_filter = ("created", "kind", "account")
    search_fields = ("account", "action", "target", "name")
    summary_fields = ("created", "account", "action", "kind", "name", "target", "changes")
    actions = ("export",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="before and after")
    def changes(self, row: StaffAction) -> SafeString:
        pairs = ((name, row.before.get(name, ""), row.after.get(name, "")) for name in {**row.before, **row.after})
        return format_html_join(mark_safe("<br>"), "{}: {} → {}", pairs)

    @admin.action(description="Export the selected rows as CSV", permissions=["view"])
    def export(self, request: HttpRequest, rows: QuerySet) -> HttpResponse:
        response = HttpResponse(staff_log.as_csv(rows.iterator()), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="staff-actions.csv"'
        return response


def _address(job: Any, *names: str) -> str | None:
    """Where the first of these pictures that a job has is served, None when it has none."""
    there = [artifact.name for artifact in job.pictures]
    return next((reverse("artifact", args=[job.pk, name]) for name in names if name in there), None)


def _preview(micrograph: Micrograph) -> SafeString | str:
    """The preview of an upload that has been read."""
    return _image(reverse("upload-preview", args=[micrograph.pk])) if micrograph.preview else ""


def _image(address: str) -> SafeString:
    return format_html('<img src="{}" alt="" width="64" loading="lazy">', address)


def _duration(took: timedelta | None) -> str:
    if took is None:
        return ""
    seconds = took.total_seconds()
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


# Whatever is registered, by us or by others, is noted.
for known, registered in list(admin.site._registry.items()):
    admin.site.unregister(known)
    admin.site.register(known, type(type(registered).__name__, (Noted, type(registered)), {}))
