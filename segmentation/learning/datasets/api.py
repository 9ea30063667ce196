"""Datasets in the API: made from checked results or a ZIP archive, exported as images with labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Query, Status

from ...api.shared.request_bodies import Archive, DatasetChanges, ImageGroup, NewDataset, TrainingData, json_body
from ...api.shared.routes import JSON, Routes, error_answers, file_answer, page_of, request_body
from ...http.access import changeable, row_of, visible
from ...http.serving import serve_dataset
from ...models import Dataset, DatasetImage, Job
from ...services.access.links import is_open
from ...services.ground.callers import SIGN_IN
from ...services.ground.refusal import Refused
from .. import schemas as schemas
from . import services as datasets_service
from .words import IMAGES

A_PAGE = 100  # datasets
NO_FILE = "Send the ZIP archive as a field named file."
NO_SUCH_RESULT = "There is no result with this id that you can see."
router = Routes(tags=["Datasets"])
DATASET_ANSWERS = {200: schemas.Dataset, **error_answers(403, 404, 422)}


@router.operation("GET", "", "datasets", schemas.Datasets, (401, 404, 422))
def datasets(request: HttpRequest, page: int = Query(1, ge=1, description=f"{A_PAGE} on each.")) -> Any:
    """Your datasets and those that are shared with every account, newest first."""
    if not request.user.is_authenticated:
        raise Refused(SIGN_IN, 401)
    visible_rows = Dataset.objects.filter(Q(owner=request.user) | Q(shared=True))
    rows = list(page_of(visible_rows, page, A_PAGE))
    prefetch_related_objects(rows, IMAGES)
    return {"count": visible_rows.count(), "datasets": rows}


@router.operation("POST", "", "datasets", {201: schemas.Dataset}, (401, 422), request_body(NewDataset, JSON))
def create(request: HttpRequest, response: HttpResponse) -> Any:
    """Make an empty dataset."""
    dataset = datasets_service.create_dataset(user=request.user, **json_body(request, NewDataset).model_dump())
    response["Location"] = reverse("api:dataset", args=[dataset.pk])
    return Status(201, dataset)


@router.operation("GET", "/{uuid:pk}", "dataset", schemas.Dataset, (404,))
def dataset(request: HttpRequest, pk: UUID) -> Any:
    """Description, images, counts, and the outcome of the check."""
    return visible(request, row_of(Dataset, pk))


@router.operation("PATCH", "/{uuid:pk}", "dataset", DATASET_ANSWERS, (), request_body(DatasetChanges, JSON))
def describe(request: HttpRequest, pk: UUID) -> Any:
    """Change the description, or share the dataset. What is not sent stays as it is."""
    row = changeable(request, row_of(Dataset, pk))
    fields = json_body(request, DatasetChanges).model_dump(exclude_none=True)
    return _changed_dataset(row, partial(datasets_service.change_dataset, dataset=row, **fields))


@router.operation("DELETE", "/{uuid:pk}", "dataset", {204: None}, (403, 404))
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a dataset with its images and labels; results and models stay."""
    datasets_service.delete_dataset(dataset=changeable(request, row_of(Dataset, pk), "delete"))
    return Status(204, None)


@router.operation(
    "POST",
    "/{uuid:pk}/images",
    "dataset-images",
    {202: schemas.Dataset},
    (401, 403, 404, 409, 413, 422, 507),
    request_body(TrainingData, JSON, form=Archive),
)
def add(request: HttpRequest, pk: UUID) -> Any:
    """Add a finished result of yours (JSON), or a ZIP archive of images with labels (form).

    A worker writes and checks the images afterwards: ask until the state is done. An image is in a dataset only once: a
    new result of it replaces the old one.
    """
    row = changeable(request, row_of(Dataset, pk))
    if request.content_type == JSON:
        fields = json_body(request, TrainingData).model_dump()
        job = Job.objects.select_related("micrograph", "segmentation", "sample").filter(pk=fields.pop("job")).first()
        if job is None or not is_open(job, request.user, request.visitor):
            raise Refused(NO_SUCH_RESULT, 404)
        add_images = partial(datasets_service.use_as_training_data, job=job, **fields)
    else:
        file = request.FILES.get("file")
        if file is None:
            raise Refused(NO_FILE, 422)
        statements = {name: request.POST.get(name, "") in ("on", "true") for name in ("consent", "reviewed")}
        add_images = partial(datasets_service.add_archive, file=file, **statements)
    return Status(202, _changed_dataset(row, partial(add_images, dataset=row, user=request.user)))


@router.operation("POST", "/{uuid:pk}/check", "dataset-check", {202: schemas.Dataset}, (403, 404))
def check(request: HttpRequest, pk: UUID) -> Any:
    """Write the files of images again where that failed, and check the dataset again."""
    row = changeable(request, row_of(Dataset, pk))
    return Status(202, _changed_dataset(row, partial(datasets_service.check_again, dataset=row)))


@router.operation(
    "PATCH", "/{uuid:pk}/images/{uuid:image}", "dataset-image", DATASET_ANSWERS, (), request_body(ImageGroup, JSON)
)
def group(request: HttpRequest, pk: UUID, image: UUID) -> Any:
    """Set the group of an image: its specimen or its session at the microscope."""
    row, image_row = _image(request, pk, image)
    fields = json_body(request, ImageGroup)
    return _changed_dataset(row, partial(datasets_service.group_image, image=image_row, group=fields.group))


@router.operation("DELETE", "/{uuid:pk}/images/{uuid:image}", "dataset-image", {204: None}, (403, 404))
def remove(request: HttpRequest, pk: UUID, image: UUID) -> Any:
    """Remove an image from its dataset. Its files there are deleted."""
    _, image_row = _image(request, pk, image)
    datasets_service.remove_image(image=image_row)
    return Status(204, None)


@router.operation("GET", "/{uuid:pk}/export.zip", "dataset-export", {}, (404,), file_answer("application/zip"))
def export(request: HttpRequest, pk: UUID) -> Any:
    """Images, labels, groups.csv, regions.csv, coco.json and dataset.toml as one ZIP file."""
    return serve_dataset(visible(request, row_of(Dataset, pk)))


def _image(request: HttpRequest, pk: UUID, image: UUID) -> tuple[Dataset, DatasetImage]:
    row = changeable(request, row_of(Dataset, pk))
    return row, get_object_or_404(row.images.select_related("dataset"), pk=image)


def _changed_dataset(row: Dataset, service: Callable[[], object]) -> Dataset:
    """The dataset after a call of `service`, which changes it."""
    service()
    row.refresh_from_db()
    return row
