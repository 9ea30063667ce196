"""The schemas of the API's request bodies, and the reading of bodies and of the settings that are sent with them."""

from __future__ import annotations

import json
from math import isfinite
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from django.http import HttpRequest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from ...core.analysis import AnalysisSettings
from ...core.labels.corrections.operations import MODELS
from ...core.micrograph.calibration.sources import Source
from ...core.micrograph.pages import LARGEST_PAGE
from ...core.settings import MOST_CORNERS, MOST_REGIONS, MeasurementSettings
from ...core.tasks import every
from ...core.tasks.base import Task
from ...core.typed import Setting, settings_of, settings_of_task
from ...core.validation import sentence
from ...forms.laboratory import laboratory_of, with_laboratory
from ...forms.settings import models_by_task, read_sent_settings
from ...models import MethodVersion
from ...quality.methods.services import find_version, settings_from_version
from ...services.ground.callers import SHORTEST_SECRET
from ...services.ground.refusal import Refused
from ...services.results.corrections.edits import MOST_OPERATIONS

METHOD_DESCRIPTION = (
    "A method that the analysis follows: its name, NAME@2 for a version, or the id of a version. Its settings count"
    " unless others are sent; the result says what departs from the method."
)
LENGTH_EXAMPLES = "such as 7520 nm or 7.52 µm"
PLAIN_OBJECT = 'Send a JSON object with plain values, such as {"filter": true, "width": "7.52 µm"}.'
# The schema of one operation, for the document only: `patch_of` checks operations, and its refusal names the number of
# the wrong one.
OPERATION: Any = {"oneOf": [model.model_json_schema() for model in MODELS.values()]}
CORNER = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
REGION = {"type": "array", "items": CORNER, "minItems": 2, "maxItems": MOST_CORNERS}
REGIONS = {"type": "array", "items": REGION, "maxItems": MOST_REGIONS}
Upload = Annotated[Any, WithJsonSchema({"type": "string", "format": "binary"})]


class Body(BaseModel):
    """The fields of a request body; other fields are refused."""

    model_config = ConfigDict(extra="forbid")


BodyType = TypeVar("BodyType", bound=Body)


class OneImage(Body):
    file: Upload = Field(description="The image.")
    side: list[Upload] = Field([], description="Files that the microscope saved beside the image, at most 3.")
    page: int | None = Field(
        None,
        ge=1,
        le=LARGEST_PAGE,
        description="A page of a file with several. Default: the first, or the average of frames without drift.",
    )
    width: str | None = Field(
        None,
        description=(
            f"Width of the whole image, {LENGTH_EXAMPLES}. Empty: sizes in pixels. Default: the scale of the file."
        ),
    )
    method: str = Field("", description=METHOD_DESCRIPTION)


class Changes(Body):
    edits: bool = Field(False, description="Measure the corrected outlines instead of those of the result itself.")
    outlines: Upload = Field(
        None,
        description=(
            "A file of outlines to measure instead: a label image or mask, an ImageJ ROI or ROI ZIP, or COCO JSON. Only"
            " in a form."
        ),
    )
    width: str | None = Field(None, description=f"Width of the whole image, {LENGTH_EXAMPLES}. Empty: sizes in pixels.")


class Corrections(Body):
    """Corrections of the outlines of a finished result, in pixels of the uploaded image."""

    base: int = Field(ge=0, description="The number of the last edit that you know; 0 before the first one.")
    operations: list[Annotated[dict[str, Any], WithJsonSchema(OPERATION)]] = Field(
        min_length=1,
        max_length=MOST_OPERATIONS,
        description=("Applied in this order, all or none. Points are [x, y] from the top left corner, y down."),
    )
    patches: bool = Field(False, description="Answer with the patch of each operation, and the one that takes it back.")
    since: int | None = Field(
        None, ge=0, description="Answer with the objects that edits after this number changed, and their numbers."
    )


class Sign(Body):
    """A signature under a finished result."""

    password: str = Field(description="Password of the account that signs. Wrong ones count as at the sign-in.")
    meaning: Literal["made", "reviewed", "approved"] = Field(
        description="Only the account that made the result signs as made."
    )
    name: str = Field("", description="The name as printed. Empty: the full name of the account.")


# Version 1.0 called these sources of a scale by other names.
SOURCE_BY_OLD_NAME = {"file": Source.METADATA, "line": Source.DRAWN}


class NewMethod(Body):
    """A new method, made of a finished result or of a description."""

    name: str = Field(description="Its name.")
    group: str = Field(
        "", description="A group of the account, whose members see and use it. Empty: the account alone."
    )
    job: UUID | None = Field(None, description="A finished result, whose model and settings it takes.")
    description: dict[str, Any] | None = Field(None, description="In place of a result: as GET answers it.")


class NewVersion(Body):
    """What the draft of a method becomes, or its next version."""

    job: UUID | None = Field(None, description="A finished result, whose model and settings it takes.")
    description: dict[str, Any] | None = Field(None, description="In place of a result: as GET answers it.")
    reason: str = Field("", description="Why a next version is made; a draft without results is changed without one.")


class Approval(Body):
    password: str = Field(description="Password of the account that approves. Wrong ones count as at the sign-in.")
    checksum: str = Field(description="Checksum of the version that was looked at.")


class Withdrawal(Body):
    reason: str = Field(description="Why no new image is analysed by it.")


class NewScale(Body):
    """The scale that a result is measured with."""

    source: Annotated[Source, BeforeValidator(lambda word: SOURCE_BY_OLD_NAME.get(str(word), word))] = Field(
        description="metadata, side file (or file), data bar: as GET lists them. typed: needs width. drawn (or line):"
        " needs pixels and length. none: sizes in pixels."
    )
    width: str = Field("", description=f"For typed: width of the whole image, {LENGTH_EXAMPLES}.")
    pixels: float = Field(0, ge=0, le=999_999, description="For drawn: length of the line in px of the image.")
    error: float = Field(0, ge=0, le=999_999, description="For drawn: uncertainty of its ends in px.")
    length: str = Field("", max_length=40, description="For drawn: the length beside the bar, such as 200 nm.")
    keep: bool = Field(False, description="Whether a person keeps this scale against a bar that contradicts it.")


class Claim(Body):
    """Which rows an account takes over: those that a script made without an account."""

    secret: str = Field(min_length=SHORTEST_SECRET, max_length=1000, description="The secret that it was made with.")


class FromResults(Body):
    """A sample of finished results."""

    jobs: list[UUID] = Field(min_length=1, max_length=10_000, description="Ids of finished jobs, one of each image.")
    name: str = Field("", description="Name of the sample.")


class SampleScale(Body):
    """The scale of all images of a sample."""

    rule: Literal["own", "width", "pixel"] = Field(
        description="own: the scale of each image. width, pixel: one for all images."
    )
    value: str = Field(
        "",
        max_length=100,
        description=(
            f"For width: {LENGTH_EXAMPLES}. For pixel: nm per pixel. For own: width of the images without a scale."
        ),
    )


class Images(Body):
    file: list[Upload] = Field(description="Images, the files beside them, and ZIP archives of them.")
    pages: str = Field("", description="Pages of files with several, such as 3, 2-5 or all. Each becomes an image.")


class NewSample(Images):
    name: str = Field("", description="Name of the sample.")
    width: str = Field("", description=f"Width of every image, {LENGTH_EXAMPLES}.")
    nm_per_pixel: str = Field("", description="Size of a pixel in all images. Send either this or width.")
    otherwise_width: str = Field("", description=f"Width of the images without a scale, {LENGTH_EXAMPLES}.")
    method: str = Field("", description=METHOD_DESCRIPTION)


class Name(Body):
    name: str = Field(description="Name of the sample.")


class Closing(Body):
    reason: str = Field("", description="Why, before enough is measured by the method.")


class Reopening(Body):
    reason: str = Field(description="Why the sample is opened again.")


class Inclusion(Body):
    included: Literal["on", "off", "instead"] = Field(
        description="on, off: whether the image counts. instead: this other result of the same image counts."
    )


class DatasetChanges(Body):
    name: str | None = None
    material: str | None = None
    instrument: str | None = None
    licence: str | None = None
    shared: bool | None = Field(None, description="Whether every account may see it and train on it.")


class NewDataset(Body):
    name: str
    task: str = Field(description="The kind of analysis.")
    class_names: list[str] = Field(
        [], description="Names of the classes of pixels, in the order of their numbers. Empty: as in the first result."
    )
    material: str = ""
    instrument: str = ""
    licence: str = ""


class TrainingData(Body):
    """A finished result of the account that models may learn from."""

    job: UUID
    group: str = Field("", description="Specimen or session. Empty: from the sample or the name of the image.")
    region: Annotated[list[int], Field(min_length=4, max_length=4)] | None = Field(
        None, description="Top, left, bottom, right in px of the part that was checked; null: the whole image."
    )
    reviewed: bool = Field(description="A person has checked every outline of the image, or of the region.")
    consent: bool = Field(description="Models may learn from this image.")


class Archive(Body):
    """A ZIP archive of images and labels."""

    file: Upload = Field(
        description="A ZIP with the folders images and labels, or images and a COCO JSON file. It may hold groups.csv"
        " (image,group), regions.csv (image,top,left,bottom,right) and dataset.toml, as an export does."
    )
    reviewed: bool = Field(description="A person has checked every outline of these images.")
    consent: bool = Field(description="Models may learn from these images.")


class ImageGroup(Body):
    group: str = Field(description="Specimen or session. A training holds out whole groups.")


class NewTraining(Body):
    dataset: UUID = Field(description="Id of the dataset.")
    base: str = Field(description="Name of the model that is trained further.")
    title: str = Field("", max_length=80, description="Title of the new model. Empty: the name of the dataset.")
    learning_curve: bool = Field(False, description="Also measure the error against the number of images.")
    composed: bool = Field(
        False,
        description="Also learn from agglomerates composed of the dataset's own particles, if they help on held-out"
        " images. Takes about twice as long.",
    )


class Offer(Body):
    overrule: bool = Field(False, description="Offer it although the error on held-out images did not fall.")


class Share(Body):
    shared: bool = Field(True, description="Whether every account may use it.")


class RunAgain(Body):
    jobs: list[UUID] | None = Field(None, max_length=1000, description="Ids of finished jobs. null: all that fit.")


class Default(Body):
    model: str = Field(description="Name of a model, or an automatic one such as auto-particles.")
    site: bool = Field(False, description="Of the whole site; staff only.")


class PreviousDefault(Body):
    task: str = Field(description="Kind of analysis.")
    site: bool = Field(False, description="Of the whole site; staff only.")


def settings_fields(*kinds: Task) -> dict[str, Any]:
    """The JSON Schema of each setting, by its name: of these kinds of analysis, or of all if none is named."""
    return {setting.name: _schema(setting) for task in kinds or every() for setting in settings_of_task(task)}


def _schema(setting: Setting) -> dict[str, Any]:
    """The JSON Schema of a setting: one of its words, a number within its limits, or a text."""
    words, ends = list(setting.words), {"minimum": setting.least, "maximum": setting.greatest}
    text = {"const": words[0]} if len(words) == 1 else {"enum": words} if words else {}
    alternatives: list[dict[str, Any]] = [{"type": "string", **text}] if words or not setting.number else []
    if setting.is_switch:
        alternatives.append({"type": "boolean"})
    if setting.is_regions:
        alternatives.append(REGIONS)
    if setting.number:
        limits = {name: end for name, end in ends.items() if isfinite(end)}
        alternatives.append({"type": "integer" if setting.number.startswith("whole") else "number", **limits})
    takes = f" Takes {setting.takes}." if setting.takes else ""
    meaning = {"title": setting.title, "description": f"{setting.description}{takes}"}
    schema = alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}
    return {**schema, **meaning, "default": setting.write(setting.default)}


def sent_method(request: HttpRequest) -> MethodVersion | None:
    """The version of a method that the field "method" of a form names; None without one. Raises Refused."""
    text = request.POST.get("method", "").strip()
    return find_version(text, request.user) if text else None


def json_body(request: HttpRequest, body: type[BodyType]) -> BodyType:
    """The JSON body of a request. Raises Refused, whose sentence says what is wrong with it."""
    try:
        return body.model_validate_json(request.body)
    except ValidationError as error:
        raise Refused(sentence(error)) from None


def sent_settings(
    sent: dict[str, Any],
    body: type[Body],
    user: Any,
    old: AnalysisSettings | None = None,
    method: MethodVersion | None = None,
) -> AnalysisSettings:
    """The settings of a request. Raises Refused, whose sentence says what is wrong with them.

    sent: the fields of the request: those of `body`, and settings by their names. old: the settings of an earlier job,
    used where none are sent. method: the version of a method that is followed; its settings are used without `old`.
    """
    if method is not None and old is None:
        old = settings_from_version(method, laboratory_of(user))
    sent = _with_model(sent, user, old.task if old else "")
    names = {setting.name for task in every() for setting in settings_of_task(task)}
    if unknown := sorted(set(sent) - names - set(body.model_fields)):
        raise Refused(f"There is no field named {unknown[0]}.")
    try:
        fields = sent if old else with_laboratory(sent, laboratory_of(user))
        return read_sent_settings(fields, user, old, by_method=method is not None)
    except ValueError as problem:
        raise Refused(str(problem)) from None


def _with_model(fields: dict[str, Any], user: Any, old_task: str = "") -> dict[str, Any]:
    """The fields with "model" in place of "task": the default model of the task, unless a model was sent.

    old_task: the kind of analysis of the earlier job. If it is sent again without a model, the model stays. Raises
    Refused if task and model contradict each other.
    """
    task, model = fields.get("task", ""), fields.get("model", "")
    fields = {name: value for name, value in fields.items() if name != "task"}
    models = {kind.name: [name for name, _ in names_and_titles] for kind, names_and_titles in models_by_task(user)}
    if not task or (task == old_task and not model):
        return fields
    if task not in models:
        raise Refused(f"There is no kind of analysis named {task!r} here: task is one of {', '.join(models)}.")
    task_of_model = next((name for name, names in models.items() if model in names and task != name), "")
    if task_of_model:
        raise Refused(
            f"The model {model} is for the task {task_of_model}, and you sent the task {task}: send one of the two."
        )
    return {**fields, "model": model or models[task][0]}


def sent_fields(request: HttpRequest) -> dict[str, Any]:
    """The fields of a request, sent as a form or as a JSON object with plain values. Raises Refused otherwise."""
    if request.content_type != "application/json":
        return request.POST.dict()
    try:
        fields = json.loads(request.body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise Refused(PLAIN_OBJECT)
    lists = {name for name, value in fields.items() if isinstance(value, list)}
    may_be_lists = {setting.name for setting in settings_of(MeasurementSettings) if setting.is_regions}
    if any(isinstance(value, dict) for value in fields.values()) or not lists <= may_be_lists:
        raise Refused(PLAIN_OBJECT)
    return {name: "" if value is None else value for name, value in fields.items()}
