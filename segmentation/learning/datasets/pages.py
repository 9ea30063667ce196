"""The pages of datasets: the list, the page of one dataset with its images, and the forms that change it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from ...core import tasks
from ...http.access import (
    PAGES,
    address_of,
    ask_to_delete,
    button_view,
    change,
    changeable,
    deletion_view,
    reload_if_gone,
    row_of,
    see_other,
    visible,
)
from ...http.serving import file_stem, serve_dataset, serve_image
from ...models import Dataset, DatasetImage, Job, Sample, Training
from ...services.access.links import check_open
from ...services.ground import callers
from ...services.ground.callers import may_train
from ...services.ground.refusal import Refused
from ...views.forms import to_uuid
from ..trainings.words import TrainingView
from . import services as datasets_service
from .suggestions import suggestions
from .words import DatasetPage

TEXT_FIELDS = ("name", "material", "instrument", "licence")
NEW, WHOLE = "new", "whole"  # values of the form: a new dataset, and the whole image
SIDES = ("top", "left", "bottom", "right")
MOST_TRAININGS = 20  # on the page of a dataset
NOT_FOUND = "This dataset is gone: choose another one."
NOTHING_TICKED = "Tick the images first that models may learn from."
NO_FILE = "Choose the ZIP archive first."
UNREADABLE = "The form is not complete: choose a dataset, and whether the whole image or a rectangle was checked."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def datasets(request: HttpRequest) -> HttpResponse:
    """The list of datasets, the newest first. POST makes a new one."""
    if request.method == "POST":
        request.back = reverse("datasets")
        task, names = request.POST.get("task", ""), request.POST.get("class_names", "").split(",")
        row = datasets_service.create_dataset(user=request.user, task=task, class_names=names, **_typed_texts(request))
        return see_other(address_of(row))
    shared = Q(shared=True) if request.user.is_authenticated else Q(pk=None)
    own_rows = Dataset.objects.visible_to(request.user, None)
    visible_rows = Dataset.objects.filter(Q(pk__in=own_rows.values("pk")) | shared).annotate(count=Count("images"))
    if not visible_rows:
        callers.check_may_train(request.user)
    rows = [(dataset, tasks.find(dataset.task).title) for dataset in visible_rows.select_related("owner")]
    context = {"rows": rows, "may_train": may_train(request.user), "kinds": tasks.every()}
    return render(request, "datasets/list.html", context)


@require_safe
@never_cache
def dataset(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a dataset: its images, findings of the check, newest trainings, and results that it should get
    next."""
    row, user = visible(request, row_of(Dataset, pk)), request.user
    trainings = row.trainings.select_related("dataset", "owner")[: 5 * MOST_TRAININGS]
    context = {
        "dataset": row,
        "page": DatasetPage(row),
        "may_change": row.is_changeable_by(user),
        "may_train": may_train(user),
        "trainings": [TrainingView(training) for training in trainings if training.is_visible_to(user)][
            :MOST_TRAININGS
        ],
        "suggestions": suggestions(row, user) if user.is_authenticated else [],
        "others": row.trainings.filter(state__in=Training.UNFINISHED).exclude(owner=row.owner).count(),
    }
    return render(request, "datasets/dataset.html", context)


@reload_if_gone
def status(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The progress, for which the page asks every few seconds; at the end the page reloads."""
    row = visible(request, row_of(Dataset, pk))
    if request.htmx and row.is_finished:
        return HttpResponseClientRefresh()
    return render(request, "datasets/_status.html", {"dataset": row})


@require_safe
def preview(request: HttpRequest, pk: UUID, image: UUID) -> HttpResponse:
    """A small picture of an image with its outlines."""
    row = get_object_or_404(visible(request, row_of(Dataset, pk)).images, pk=image)
    return serve_image(request, row.preview, f"{file_stem(row.name)}_outlines.webp", row.preview.name)


@require_safe
def export(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """Images, labels and tables as one ZIP file, which is written while it is sent."""
    return serve_dataset(visible(request, row_of(Dataset, pk)))


@require_POST
def describe(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change the description of a dataset, or share it."""
    shared = request.POST.get("shared") == "on"
    return change(
        request, Dataset, pk, partial(datasets_service.change_dataset, shared=shared, **_typed_texts(request))
    )


@require_POST
def add(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Add an archive of images with labels."""
    file, fields = request.FILES.get("file"), request.POST

    def add_archive(dataset: Dataset) -> None:
        if file is None:
            raise Refused(NO_FILE)
        datasets_service.add_archive(
            dataset=dataset, file=file, user=request.user, consent="consent" in fields, reviewed="reviewed" in fields
        )

    return change(request, Dataset, pk, add_archive)


check = button_view(Dataset, datasets_service.check_again)


@deletion_view(Dataset, "Delete this dataset?", datasets_service.delete_dataset, "datasets")
def delete(request: HttpRequest, row: Dataset) -> str:
    """The sentence that asks before a dataset is deleted."""
    count = row.images.count()
    return (
        f"The dataset “{row.name}” with its {count} image{'' if count == 1 else 's'} and their labels will be deleted."
        " Results stay, and so do models that were trained on it."
    )


@require_POST
def group(request: HttpRequest, pk: UUID, image: UUID) -> HttpResponse:
    """Set the specimen or session of an image."""
    return _change_image(request, pk, image, partial(datasets_service.group_image, group=request.POST.get("group", "")))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def remove(request: HttpRequest, pk: UUID, image: UUID) -> HttpResponse:
    """Remove an image, after a page that asks for confirmation."""
    if request.method == "POST":
        return _change_image(request, pk, image, datasets_service.remove_image)
    row = changeable(request, row_of(Dataset, pk))
    name = get_object_or_404(row.images, pk=image).name
    sentence = (
        f"“{name}” and its labels will be removed from the dataset “{row.name}”. Its result stays, if it is there."
    )
    return ask_to_delete(request, "Remove this image?", sentence, back=f"{address_of(row)}#image-{image}")


@require_http_methods(["GET", "HEAD", "POST"])
def use(request: HttpRequest, pk: UUID, kind: type[Job | Sample]) -> HttpResponse:
    """Add a result, or the ticked images of a sample, to a dataset: all of them, or none if one is refused."""
    if request.method != "POST":
        return redirect(reverse(PAGES[kind], args=[pk]))
    row = visible(request, row_of(kind, pk))
    request.back += "#training-data"
    check_open(row, request.user, request.visitor)
    statements = {name: bool(request.POST.get(name)) for name in ("consent", "reviewed")}
    if isinstance(row, Job):
        jobs, statements["region"] = [row], _region(request)
    else:
        ids = [pk for pk in map(to_uuid, request.POST.getlist("job")) if pk]
        jobs = list(row.members.filter(pk__in=ids).select_related("micrograph", "segmentation", "sample"))
    if not jobs:
        raise Refused(NOTHING_TICKED, 422)
    with transaction.atomic():  # a refused image leaves no empty dataset
        dataset = _dataset_of_form(request, row.settings["task"])
        for job in jobs:
            group = request.POST.get(f"group-{job.pk}", request.POST.get("group", ""))
            try:
                datasets_service.use_as_training_data(
                    job=job, dataset=dataset, user=request.user, group=group, **statements
                )
            except Refused as refusal:
                name = "" if row is job else f"{job.micrograph.name}: "
                raise Refused(f"{name}{refusal.sentence}", refusal.status) from refusal
    return see_other(address_of(dataset))


def _dataset_of_form(request: HttpRequest, task: str) -> Dataset:
    """The dataset that the form names, or a new one."""
    if request.POST.get("dataset") == NEW:
        return datasets_service.create_dataset(user=request.user, task=task, **_typed_texts(request))
    pk = to_uuid(request.POST.get("dataset", ""))
    if pk is None:
        raise Refused(UNREADABLE, 422)
    try:
        return changeable(request, row_of(Dataset, pk))
    except Http404:
        raise Refused(NOT_FOUND, 404) from None


def _region(request: HttpRequest) -> list[int] | None:
    """The checked rectangle in px, None for the whole image. A side that was not typed is -1, which is refused
    later."""
    try:
        return None if request.POST["extent"] == WHOLE else [int(request.POST.get(side) or -1) for side in SIDES]
    except (KeyError, ValueError):
        raise Refused(UNREADABLE, 422) from None


def _typed_texts(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "") for name in TEXT_FIELDS}


def _change_image(request: HttpRequest, pk: UUID, image: UUID, service: Callable[..., object]) -> HttpResponse:
    row = changeable(request, row_of(Dataset, pk))
    image_row: DatasetImage = get_object_or_404(row.images.select_related("dataset"), pk=image)
    return change(request, Dataset, pk, lambda dataset: service(image=image_row))
