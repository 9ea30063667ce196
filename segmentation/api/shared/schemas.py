"""The response schemas of the REST API, and how each field is read from a row of the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.urls import reverse
from ninja import Schema
from pydantic import BaseModel, Field, TypeAdapter, ValidationInfo, WithJsonSchema, model_validator

from ...core.compare.results import Comparison
from ...core.report.choice import usual_file_names
from ...core.report.exports.viewer import PICTURE
from ...core.report.schema import JobResult, StoredSample, with_short_description
from ...core.tasks import find
from ...models import Job as JobRow
from ...models import Sample as SampleRow
from ...presenters.growing import growth_of
from ...presenters.sample import PooledResult
from ...services.ground.tables import UNCORRECTED_FILE
from ...services.results import exports

State = Literal["queued", "running", "done", "failed", "cancelled"]
SampleState = Literal["waiting", "queued", "running", "done", "failed"]
# Descriptions of fields that several schemas have.
SECRET = "Only in this answer, without an account. 'Authorization: Bearer SECRET' lets you cancel and delete."
RESULT = (
    "What the result page shows; null until there is a result. flags: the warnings, each with a short form to show"
    " beside the numbers, and doubt: whether these are in doubt."
)
# A mark in the OpenAPI document, which `with_results` replaces by the type of a result. Results are typed as plain
# dicts here, because they were checked when they were stored.
STORED = "x-stored"
REFERENCE = "#/components/schemas/"
OBJECT = "number of the class, confidence, by hand, reason; null where it was deleted"
PATCH = (
    "The changes. runs: first pixel (row * width + column), number of pixels, new id; each run lies in one row."
    f" objects, by id: {OBJECT}. next: the next free id."
)
STORED_PATCH = (
    f"{PATCH} Here runs are packed, as base64 of zlib of little-endian int32: for all runs the pixels since the run"
    " before, then their numbers of pixels, then their ids; version 1.0 stored lists. {} of an undo: its patches are"
    " those of the edit that it takes back, the other way round."
)
SCALE_CHECK = (
    "Whether the bar in the image was compared with the scale. pending: warnings may still come. cut off: there was not"
    " enough time to read the bar; retry reads it again."
)
FILES = "The address of each file by its name. Most files are written at the first request."
USUAL_FILES = "The names of those files that the command line and the clients save unless they are asked for others."
READING = "reading the image"  # the stage of a job whose image has not been read yet
UNSET = object()  # the value of a field that is left out of the answer


@dataclass(frozen=True)
class FromRow:
    """How a field is read from a row, unless it is the row's attribute of the same name. read: called with row,
    request."""

    read: Callable[[Any, HttpRequest], Any]


class Answer(BaseModel):
    """An answer that is made from a row: `FromRow` tells how a field is read, else the attribute of its name is taken.
    Pydantic's `from_attributes` is not used, because it would report a fault of the database as a wrong answer."""

    @model_validator(mode="before")
    @classmethod
    def _read_row(cls, row: Any, info: ValidationInfo) -> Any:
        if isinstance(row, Mapping):
            return row
        request, values = info.context["request"], {}
        for name, field in cls.model_fields.items():
            readers = [reader for reader in field.metadata if isinstance(reader, FromRow)]
            values[name] = readers[-1].read(row, request) if readers else getattr(row, name)
        return {name: value for name, value in values.items() if value is not UNSET}


def address(request: HttpRequest, view: str, *args: Any) -> str:
    """The full address of a view, with its host."""
    return request.build_absolute_uri(reverse(view, args=args))


def url_of_view(view: str) -> FromRow:
    """The full address of a view that takes the row's id."""
    return FromRow(lambda row, request: address(request, view, row.pk))


def or_null(name: str) -> FromRow:
    """The attribute of this name; null where it is empty."""
    return FromRow(lambda row, _: getattr(row, name) or None)


def text_of(name: str) -> FromRow:
    """The attribute of this name, an id, as text; null without one."""
    return FromRow(lambda row, _: None if getattr(row, name) is None else str(getattr(row, name)))


def file_urls(view: str) -> FromRow:
    """The full address of each stored file of the row, by its name."""
    return FromRow(
        lambda row, request: {file.name: address(request, view, row.pk, file.name) for file in row.artifacts.all()}
    )


Id = Annotated[str, text_of("pk")]
Reason = Annotated[str | None, or_null("error")]
Secret = Annotated[str, FromRow(lambda _, request: (not request.user.is_authenticated and request.secret) or UNSET)]


class Error(Schema):
    error: str = Field(description="One sentence: what is wrong, and what to do.")


class Micrograph(Answer):
    name: str
    width: Annotated[int | None, or_null("width")] = Field(description="In pixels; null until the file has been read.")
    height: Annotated[int | None, or_null("height")]


class Analysis(Answer):
    """The fields that jobs and samples share."""

    id: Id
    url: Annotated[str, url_of_view("api:job")]
    page: Annotated[str, url_of_view("job")] = Field(description="The page of the same result for people.")
    error: Reason = Field(description="Why it failed.")
    settings: dict[str, Any] = Field(description="The settings that were sent.")
    method: Annotated[str | None, text_of("method_id")] = Field(
        description="The id of the version of a method that it follows; its result names the method."
    )
    scale_check: Literal["pending", "cut off", "done"] = Field(description=SCALE_CHECK)
    may_be_judged: Annotated[bool, FromRow(lambda row, _: row.state == "done" and row.stored.may_be_judged)] = Field(
        description="False without numbers, and while a warning says that they are probably wrong: such a result"
        " decides no limits and enters no control chart or study unless a person agrees."
    )
    acquired: Annotated[str, FromRow(lambda row, _: row.stored.day)] = Field(
        description="The day of acquisition, or the first and the last one; empty where a file does not tell it."
    )


class Link(Schema):
    """The private link of a job or sample."""

    state: Literal["none", "open", "expired", "off"]
    address: str | None = Field(description="Address of the page. Its ?link=... also opens the addresses of the API.")
    ends: datetime | None


class JudgedLimit(Schema):
    """One requirement and whether it is met; numbers are in the unit of result.json."""

    quantity: str
    lower: float | None
    upper: float | None
    rule: Literal["simple", "guard band"]
    factor: float = Field(description="Of the guard band: times U, the expanded uncertainty.")
    verdict: Literal["passes", "fails", "undecided"]
    probability: float | None = Field(description="That the true value is inside; null where that is not known.")
    accepted: list[float | None] | None = Field(description="The least and the greatest number that passes.")
    sentence: str


class JudgedLimits(Schema):
    """The decision on all limits: fails if one requirement fails, else undecided if one is undecided."""

    verdict: Literal["passes", "fails", "undecided"]
    at_least: float | None = Field(description="A lower bound of the probability that all requirements are met.")
    sentence: str
    reservations: list[str] = Field(description="How the result departs from its method, and what U does not include.")
    agreed: str = Field(description="When and by whom the limits were set, before or after the measurement; or empty.")
    decisions: list[JudgedLimit]


class Judged(Schema):
    """The limits of a result."""

    specification: dict[str, Any] | None = Field(description="As it was sent; null without limits.")
    decision: JudgedLimits | None = Field(description="Null without limits, or while there are no numbers.")


class Reference(Answer):
    """A reference material."""

    id: Id
    name: str
    material: dict[str, Any] = Field(description="As its certificate states it, in the unit of result.json.")
    group: Annotated[str, FromRow(lambda row, _: row.group.name if row.group else "")] = Field(
        description="The group whose accounts list it, too."
    )


class CertificateAgreement(Schema):
    """A measured value compared with the certified one, in the unit of result.json."""

    bias: float = Field(description="Measured less certified.")
    relative_bias: float
    standard: float = Field(description="Standard uncertainty of the bias.")
    en: float = Field(description="The En number: bias divided by the expanded uncertainty of the bias.")
    agrees: bool = Field(description="Whether the bias is at most twice its standard uncertainty.")
    sentence: str


class CertificateComparison(Schema):
    """What a comparison with a certificate says."""

    sentence: str
    agreement: CertificateAgreement | None = Field(
        description="Null where nothing can be compared; the sentence says why."
    )


class ComparedWithReference(Schema):
    """The reference material of a result."""

    reference: dict[str, Any] | None = Field(description="The material as it was chosen; null without one.")
    comparison: CertificateComparison | None = Field(description="Null without one, or while there are no numbers.")
    deleted: str = Field(description="When and by whom it was taken from the list; empty if it is there.")


class Signature(Answer):
    """Who signed a result, and the checksums of what was signed."""

    job: Annotated[str, text_of("job_id")]
    sequence: int
    account: str
    name: str = Field(description="As printed.")
    meaning: Literal["made", "reviewed", "approved"]
    time: str
    labels_sha256: str = Field(description="SHA-256 of segmentation.npz.")
    result_sha256: str = Field(description="SHA-256 of result.json.")
    numbers_sha256: str = Field(
        description="SHA-256 of the entry result of the job: JSON, sorted keys, ASCII, no spaces."
    )
    covered: dict[str, Any] = Field(
        description="Limits, reference material, decision and method that it covers; left out of the hash where empty."
    )
    previous: str = Field(description="Hash of the signature before.")
    hash: str = Field(description="SHA-256 of the other entries: JSON, sorted keys, ASCII, no spaces.")


def _files_of_job(job: JobRow, request: HttpRequest) -> dict[str, str]:
    if not job.is_done:
        return {}
    names = [
        *job.artifacts.exclude(name=UNCORRECTED_FILE).values_list("name", flat=True),
        *exports.unwritten_files(job),
    ]
    names += [PICTURE] if job.micrograph.viewer_image else []
    return {name: address(request, "api:artifact", job.pk, name) for name in names}


def _files_of_sample(sample: SampleRow, request: HttpRequest) -> dict[str, str]:
    names = [*sample.artifacts.values_list("name", flat=True), *exports.unwritten_files(sample)]
    return {name: address(request, "api:sample-file", sample.pk, name) for name in names}


def usual_names(unit: Literal["image", "sample"]) -> FromRow:
    """The names of the files that most people save, [] without a result."""
    return FromRow(lambda row, _: usual_file_names(unit, find(row.settings["task"])) if row.state == "done" else [])


class Job(Analysis):
    """The analysis of one image."""

    expected_seconds: Annotated[float | None, FromRow(lambda job, _: job.expected_seconds())]
    files: Annotated[dict[str, str], FromRow(_files_of_job)] = Field(description=FILES)
    usual_files: Annotated[list[str], usual_names("image")] = Field(description=USUAL_FILES)
    state: State
    result: Annotated[
        dict[str, Any] | None,
        WithJsonSchema({STORED: "JobResult"}),
        FromRow(lambda job, _: job.summary if job.is_done else None),
    ] = Field(description=RESULT)
    stage: Annotated[str, FromRow(lambda job, _: job.stage or ("" if job.ready or job.is_finished else READING))] = (
        Field(description="What it is doing, in words.")
    )
    progress: float = Field(description="From 0 to 1; it never goes back.")
    position: Annotated[int | None, FromRow(lambda job, _: job.position())] = Field(
        description="Place in the queue among those that came before; 1 is next. It never grows."
    )
    image: Annotated[Micrograph, FromRow(lambda job, _: job.micrograph)]
    signatures: Annotated[list[Signature], FromRow(lambda job, _: list(job.signatures.all()))]
    own_approval: Annotated[bool, FromRow(lambda job, _: any(row.is_own for row in job.signatures.all()))] = Field(
        description="Whether who made the result reviewed or approved it: one person works alone on the site."
    )
    step: int = Field(description="The number of the edit after which result and files were made; 0 for none.")
    unmeasured_corrections: Annotated[
        int, FromRow(lambda job, _: 0 if job.is_measured else job.edit_count - job.step)
    ] = Field(description="Edits that result and files do not hold yet: they are being measured, which takes seconds.")
    fixed: bool = Field(description="Whether it is a version: signed, shared or named, it never changes.")
    title: str = Field(description="The name that a person gave the version.")


class BeingWritten(Schema):
    """A file that is still being written: ask again after as many seconds as Retry-After says."""

    state: State
    progress: float = Field(description="From 0 to 1.")


class Edit(Answer):
    """One correction."""

    job: Annotated[str, text_of("job_id")]
    sequence: int
    author: str = Field(description="Name of the account; empty without one.")
    visitor: Annotated[str, FromRow(lambda edit, _: str(edit.visitor or ""))] = Field(
        description="The browser or script that made it."
    )
    time: str
    operation: dict[str, Any] = Field(description="As it was sent.")
    undoes: int | None = Field(description="The edit that it takes back.")
    patch: dict[str, Any] = Field(description=STORED_PATCH)
    before: dict[str, Any] = Field(description="The patch that takes it back.")
    previous: str = Field(description="Hash of the edit before.")
    hash: str = Field(description="SHA-256 of the other entries: JSON, sorted keys, ASCII, no spaces.")


def _later_edits(log: Any, request: HttpRequest) -> str | None:
    """The address of the edits after those of this answer; None if there are no more."""
    last = log.edits[-1].sequence if log.edits else log.base
    return request.build_absolute_uri(f"{request.path}?since={last}") if last < log.base else None


class Edits(Answer):
    base: int = Field(description="The number of the last edit.")
    edits: list[Edit]
    objects: dict[str, list[Any] | None] = Field(description=f"Each id that an edit changed: {OBJECT}.")
    next: Annotated[int | None, or_null("next_id")] = Field(
        description="The next free id; null where no outlines are stored."
    )
    standing: int = Field(description="How many edits are in effect, so that they can be undone.")
    following: Annotated[str | None, FromRow(_later_edits)] = Field(
        description="Address of the next edits; null where these are the last."
    )


class Made(Schema):
    number: int = Field(description="The number of the edit.")
    operation: dict[str, Any]
    undoes: int | None = Field(description="The number of the edit that it took back.")
    made: list[int] = Field(description="Ids of the objects that it made.")


class Objects(Schema):
    """All objects, counted or left out. The lists have one entry for each."""

    base: int = Field(description="The number of the last edit.")
    next: int = Field(description="The next free id.")
    operations: list[dict[str, Any]] = Field(description="Operations that can still be undone, in their order.")
    undone: list[Made] = Field(description="The edits from the first one that was taken back, which may be made again.")
    classes: list[str] = Field(description="The names of the classes.")
    maps: list[str] = Field(description="Stored maps of the network. A click adds an object only if there is one.")
    ids: list[int]
    classes_of: list[int] = Field(description="The number of the class in classes, from 0 on.")
    confidence: list[float | None] = Field(description="null where not known, or where a person changed the object.")
    by_hand: list[int] = Field(description="Ids of the objects that a person drew, changed or reviewed.")
    set_aside: dict[str, str] = Field(description="Reasons given by people, by id.")


class Similar(Schema):
    """Objects like the named ones, the most similar first. The lists have one entry for each."""

    ids: list[int]
    alike: list[float] = Field(description="Similarity from 0 to 1; 1 for the named objects.")


class Offer(Answer):
    """What the last three corrections of one sort would do with further objects."""

    ids: list[int] = Field(description="The objects that it changes, the most alike first.")
    examples: list[int] = Field(description="The corrected objects that it follows from.")
    operation: dict[str, Any] = Field(description="The correction to send.")
    question: str = Field(description="The offer in words.")
    answer: str = Field(description="The words of a button that takes it.")


class OfferElsewhere(Answer):
    """An `Offer` for another image of the sample."""

    id: Annotated[str, FromRow(lambda row, _: str(row.job.pk))]
    name: Annotated[str, FromRow(lambda row, _: row.job.micrograph.name)]
    page: Annotated[str, FromRow(lambda row, request: address(request, "job", row.job.pk))]
    edits: Annotated[str, FromRow(lambda row, request: address(request, "api:edits", row.job.pk))] = Field(
        description="Where to send the correction."
    )
    base: int = Field(description="The number of the last edit there.")
    offer: Offer
    shown: list[dict[str, Any]] = Field(description='The most alike objects: "id" and "outline" (x, y, x, y, ...).')
    width: Annotated[int, FromRow(lambda row, _: row.job.micrograph.width)] = Field(description="In pixels.")
    height: Annotated[int, FromRow(lambda row, _: row.job.micrograph.height)]
    picture: Annotated[str, FromRow(lambda row, request: address(request, "artifact", row.job.pk, PICTURE))] = Field(
        description="The whole image for display."
    )
    tiles: Annotated[str, FromRow(lambda row, request: address(request, "job-tile", row.job.pk, 0, 0, 0))] = Field(
        description="The first tile of the picture with every pixel; others have other level, column and row."
    )


class OffersElsewhere(Answer):
    question: str = Field(description="The offers as one question for people; empty without an offer.")
    others: list[OfferElsewhere]


class Standing(Answer):
    """The result after the corrections so far, before all is measured again: objects, numbers, outlines to look at."""

    rows: list[dict[str, Any]] = Field(
        description='The changed objects, as outlines.json has them; {"id": 7, "gone": true} for one that is gone.'
    )
    states: dict[str, str] = Field(description='How many objects have each state, in words, by state; "" is counted.')
    numbers: dict[str, str] = Field(description="Numbers in words, as far as they can be said at once.")
    unit: str = Field(description="The unit of lengths in numbers and few.")
    few: list[str] = Field(description="The sizes of fewer than ten particles, ascending.")
    cuts: dict[int, int] = Field(
        description="The possible cuts that still divide an object: place of the cut -> id of the object."
    )
    doubts: list[dict[str, Any]] = Field(description="Outlines to look at, those that change the numbers most first.")
    doubt_count: int = Field(description="How many outlines to look at there are in all.")
    examples: list[dict[str, Any]] = Field(
        description="Objects that are shown as examples beside the numbers: id, title and size."
    )
    offer: Offer | None = Field(description="What the last corrections would do; null where they are not of one sort.")
    regions: list[list[list[float]]] = Field(description="The regions to ignore, each a list of corners [x, y] in px.")


class Standings(Schema):
    """The state of a result after the corrections so far, as an editor of outlines needs it when it is opened."""

    base: int = Field(description="The number of the last edit.")
    operations: list[dict[str, Any]] = Field(description="Operations that can still be undone, in their order.")
    undone: list[dict[str, Any]] = Field(description="Operations that redo makes again, the next one last.")
    classes: list[str] = Field(description="The names of the classes.")
    maps: list[str] = Field(description="Stored maps of the network. A click adds an object only if there is one.")
    standing: Standing


class Edited(Schema):
    base: int = Field(description="The number of the last edit.")
    made: list[list[int]] = Field(description="For each operation the objects that it changed and that still exist.")
    checks: list[int] = Field(
        description="For each operation the CRC-32 of the runs of its patch (int32, little-endian)."
    )
    patches: list[dict[str, Any]] = Field([], description=f"For each operation, if asked for. {PATCH}")
    before: list[dict[str, Any]] = Field([], description="The patches that undo those of `patches`, in the same order.")
    standing: Standing | None = Field(None, description="The result after these corrections; only if `since` was sent.")


class Outdated(Answer):
    """Nothing was changed, because others have corrected the result meanwhile."""

    error: Annotated[str, or_null("sentence")]
    base: int = Field(description="The number of the last edit.")
    edits: list[Edit] = Field(description="The edits after the base that was sent.")


class ListedJob(Answer):
    """A job in a list; its url answers with all of it."""

    id: Id
    url: Annotated[str, url_of_view("api:job")]
    page: Annotated[str, url_of_view("job")]
    state: State
    error: Reason
    progress: float
    created: datetime
    finished: datetime | None
    sample: Annotated[str | None, text_of("sample_id")] = Field(description="The id of the sample that it belongs to.")
    parent: Annotated[str | None, text_of("parent_id")] = Field(
        description="The id of the job that it is a version of."
    )
    task: Annotated[str, FromRow(lambda job, _: job.settings["task"])]
    model: Annotated[str, FromRow(lambda job, _: job.model_name)]
    image: Annotated[Micrograph, FromRow(lambda job, _: job.micrograph)]


class ListedSample(Answer):
    """A sample in a list; its url answers with all of it."""

    id: Id
    url: Annotated[str, url_of_view("api:sample")]
    page: Annotated[str, url_of_view("sample-page")]
    name: str
    state: SampleState
    error: Reason
    created: datetime


class Page(Schema):
    """One page of a list, the newest first."""

    count: int = Field(description="Number on all pages.")
    next: str | None = Field(description="The address of the next page.")


class Jobs(Page):
    jobs: list[ListedJob]


class Samples(Page):
    samples: list[ListedSample]


class Token(Schema):
    """The token of this request."""

    name: str
    read_only: bool
    expires: datetime | None


class Me(Schema):
    """The caller."""

    account: str | None = Field(description="Name of the account; null without one.")
    token: Token | None
    staff: bool


class Claimed(Schema):
    claimed: int = Field(description="How many jobs belong to the account now.")


class NamedModel(Schema):
    name: str
    title: str
    comparison: bool = Field(description="For comparison with a published method, not for measurements.")


class Task(Schema):
    """A kind of analysis."""

    name: str
    title: str
    summary: str
    models: list[NamedModel] = Field(description="The models to choose from, the default first.")
    quantities: list[str] = Field(description="Names of its numbers.")
    settings: dict[str, Any] = Field(description="JSON Schema of each setting, by its name.")


class Tasks(Schema):
    tasks: list[Task]


class KnownScale(Schema):
    nm_per_pixel: float | None = Field(description="null: sizes in pixels.")
    width_nm: float | None = Field(description="Of the whole image.")
    source: str
    detail: str
    relative_uncertainty: float | None


class Scales(Schema):
    """All scales that are known of an image."""

    used: KnownScale = Field(description="What the result is measured with.")
    file: KnownScale | None = Field(description="What the file says.")
    data_bar: KnownScale | None = Field(description="What was read in the picture.")
    asked: KnownScale | None = Field(description="The scale for the width of the query.")
    warnings: list[str] = Field(description="Contradictions between these.")


class Written(Schema):
    """Files that are being written: ask again after as many seconds as Retry-After says."""

    written: int = Field(description="Number of results with all files written.")
    of: int


class JobStarted(Job):
    secret: Secret = Field("", description=SECRET)


class ReferenceListed(Reference):
    secret: Secret = Field("", description=SECRET)


def url_by_type(job: str, sample: str) -> FromRow:
    """The full address of the view named `job` for a job, of the view named `sample` for a sample."""
    return FromRow(lambda side, request: address(request, job if isinstance(side, JobRow) else sample, side.pk))


class Compared(Answer):
    """One of the two results that are compared."""

    id: Id
    kind: Annotated[Literal["job", "sample"], FromRow(lambda side, _: "job" if isinstance(side, JobRow) else "sample")]
    name: str
    warning: Annotated[str | None, FromRow(lambda side, _: side.stored.warning or None)] = Field(
        description="Short forms of its warnings."
    )
    url: Annotated[str, url_by_type("api:job", "api:sample")]
    page: Annotated[str, url_by_type("job", "sample-page")]


class Measured(Answer):
    value: float | None
    low: float | None = Field(description="Ends of the 95 % interval.")
    high: float | None


class ComparedNumber(Answer):
    """One number of both results."""

    name: Annotated[str, FromRow(lambda row, _: row.after.name)]
    term: str
    group: Annotated[str, FromRow(lambda row, _: row.after.group)] = Field(
        description="Its group in the table of all numbers."
    )
    unit: Annotated[str, FromRow(lambda row, _: row.after.number.unit)]
    first: Annotated[Measured, FromRow(lambda row, _: row.before.number)]
    second: Annotated[Measured, FromRow(lambda row, _: row.after.number)]
    difference: Annotated[Measured, FromRow(lambda row, _: row)] = Field(
        description="Second minus first, with its 95 % interval."
    )


class Comparing(BeingWritten):
    """A comparison that is being made."""

    state: Literal["queued", "running"]


class ResultsCompared(Schema):
    """Two results side by side."""

    state: Literal["done"]
    page: str = Field(description="The page of the same comparison for people.")
    results: list[Compared]
    numbers: list[ComparedNumber] = Field(description="The main numbers that both have.")
    every: list[ComparedNumber] = Field(description="All numbers that both have.")
    comparison: Comparison


class Scale(Answer):
    rule: Literal["own", "width", "pixel"] = Field(
        description="own: the scale of each image, else the width; width: one for all; pixel: one pixel size for all."
    )
    value: float | None = Field(description="nm: the width of an image, or the size of a pixel.")


class Note(Schema):
    name: str
    sentence: str


class SampleImage(Answer):
    """An image of a sample; its url answers with all of it."""

    id: Annotated[str, FromRow(lambda image, _: str(image.job.pk))]
    url: Annotated[str, FromRow(lambda image, request: address(request, "api:job", image.job.pk))]
    name: Annotated[str, FromRow(lambda image, _: image.job.micrograph.name)]
    state: Annotated[State, FromRow(lambda image, _: image.job.state)]
    error: Annotated[str | None, FromRow(lambda image, _: image.job.error or None)]
    included: Annotated[bool, FromRow(lambda image, _: image.is_counted)] = Field(
        description="Whether it counts, once it is done."
    )
    left_out: Annotated[str | None, or_null("reason")] = Field(description="Why it does not count.")
    waits: Annotated[bool, FromRow(lambda image, _: image.needs_agreement)] = Field(
        description="Whether it counts only after included=on; left_out says why."
    )
    choice: str = Field(description="Who decided that it counts or is left out, and why it had waited; or empty.")
    outlier: Annotated[str | None, or_null("outlier")] = Field(description="Why it may not belong to the sample.")
    warning: Annotated[str | None, or_null("warning")] = Field(description="Short forms of its warnings.")
    n: int | None = Field(description="Number of counted objects; 0 if it is left out, null until it is pooled.")


class Growth(Answer):
    """How far a sample is that grows by the stopping rule of a method."""

    sentence: str = Field(description="How far it is, for people.")
    is_enough: bool = Field(description="Whether enough is measured by the method.")
    more: int | None = Field(description="About how many more images are needed; null where no number is known.")
    waiting: int = Field(description="How many images wait until a person says that they count.")


class ClosedOrOpened(Schema):
    """That a sample was closed, or opened again."""

    opened: bool
    by: str = Field(description="The account.")
    at: datetime
    reason: str
    sentence: str = Field(description="How far the sample was when it was closed.")
    is_enough: bool = Field(description="Whether enough was measured by the method when it was closed.")


class Sample(Analysis):
    """Several images of one material, pooled."""

    url: Annotated[str, url_of_view("api:sample")]
    page: Annotated[str, url_of_view("sample-page")] = Field(description="The page of the same result for people.")
    state: SampleState
    expected_seconds: Annotated[
        float | None, FromRow(lambda sample, _: sample.counted.seconds if sample.counted.under_way else None)
    ]
    files: Annotated[dict[str, str], FromRow(_files_of_sample)] = Field(description=FILES)
    usual_files: Annotated[list[str], usual_names("sample")] = Field(description=USUAL_FILES)
    result: Annotated[  # "of" in the stored numbers are the ids of the jobs; `images` below names them
        dict[str, Any] | None,
        WithJsonSchema({STORED: "StoredSample"}),
        FromRow(lambda sample, _: {name: value for name, value in sample.pooled.items() if name != "of"} or None),
    ] = Field(description=RESULT)
    name: str
    done: Annotated[int, FromRow(lambda sample, _: sample.counted.done)]
    failed: Annotated[int, FromRow(lambda sample, _: sample.counted.failed)]
    under_way: Annotated[int, FromRow(lambda sample, _: sample.counted.under_way)]
    scale: Annotated[Scale, FromRow(lambda sample, _: sample)]
    current: Annotated[bool, FromRow(lambda sample, _: sample.state == "done")] = Field(
        description="False while the numbers do not include the latest change."
    )
    images: Annotated[list[SampleImage], FromRow(lambda sample, _: PooledResult(sample).counted_images)]
    notes: list[Note] = Field(description="Files that were not taken, and why.")
    growth: Annotated[Growth | None, FromRow(lambda sample, _: growth_of(sample))] = Field(
        description="null without a method."
    )
    closed: datetime | None = Field(description="When it was closed: it takes no more images.")
    closed_by: str = Field(description="The account that closed it.")
    closed_reason: str = Field(description="Why, where it was closed before enough was measured.")
    history: list[ClosedOrOpened] = Field(description="Its ends and openings.")


class SampleStarted(Sample):
    secret: Secret = Field("", description=SECRET)


def with_results(schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the OpenAPI document, with the types of stored results in place of the marks STORED."""
    for result_type in (JobResult, StoredSample):
        schema = TypeAdapter(result_type).json_schema(mode="serialization", ref_template=f"{REFERENCE}{{model}}")
        schemas = {**schema.pop("$defs", {}), **schemas, result_type.__name__: schema}
    for schema in map(with_short_description, schemas.values()):
        result = schema.get("properties", {}).get("result", {})
        if name := result.pop(STORED, ""):
            result["anyOf"] = [{"$ref": f"{REFERENCE}{name}"}, {"type": "null"}]
    return schemas
