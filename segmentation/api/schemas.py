"""What the API answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field, TypeAdapter, WithJsonSchema

from ..core.compare.results import Comparison
from ..core.report.schema import JobResult, StoredSample

State = Literal["queued", "running", "done", "failed", "cancelled"]
SampleState = Literal["waiting", "queued", "running", "done", "failed"]
SECRET = "Said once, to callers without an account: send it as 'Authorization: Bearer SECRET' to cancel or delete."
RESULT = (
    "What the result page shows; null until there is a result. Its entry flags has the warnings, each with a short form"
    " to show beside the numbers, and doubt: whether it puts them in doubt."
)
STORED = "x-stored"  # marks a result in the document, until its type is put in: it was checked when it was stored
REFERENCE = "#/components/schemas/"
OBJECT = "place of the class, confidence, by hand, reason; null if it is gone"
PATCH = (
    "What it changed: runs (first pixel as row * width + column, number of pixels, new id; only pixels whose id"
    f" changes, each run within one row), objects (by id: {OBJECT}), next (the next free id)."
)
FILES = "The address of each file by its name. Most are written when they are first asked for."


class Error(Schema):
    error: str = Field(description="One sentence: what is wrong, and what to do.")


class Micrograph(Schema):
    name: str
    width: int | None = Field(description="In pixels; null until the file has been read.")
    height: int | None


class Analysis(Schema):
    """What is said of a job and of a sample alike."""

    id: str
    url: str
    page: str = Field(description="The page of the same result for people.")
    state: str
    error: str | None = Field(description="Why it failed.")
    expected_seconds: float | None
    settings: dict[str, Any] = Field(description="The settings that were sent.")
    files: dict[str, str] = Field(description=FILES)


class Link(Schema):
    """The private link of a job or sample."""

    state: Literal["none", "open", "expired", "off"]
    address: str | None = Field(description="Of the page; the same ?link=... opens the addresses of the API.")
    ends: datetime | None


class Signature(Schema):
    """Who signed a result, and the checksums of what was signed."""

    job: str
    sequence: int
    account: str
    name: str = Field(description="As printed.")
    meaning: Literal["made", "reviewed", "approved"]
    time: str
    labels_sha256: str = Field(description="Of the file segmentation.npz.")
    result_sha256: str = Field(description="Of the file result.json.")
    numbers_sha256: str = Field(
        description="Of the entry result of the job: JSON with sorted keys, in ASCII and without spaces."
    )
    previous: str = Field(description="Hash of the signature before.")
    hash: str = Field(description="SHA-256 of the other entries: JSON with sorted keys, in ASCII and without spaces.")


class Job(Analysis):
    """The analysis of one image."""

    state: State
    result: Annotated[dict[str, Any] | None, WithJsonSchema({STORED: "JobResult"})] = Field(description=RESULT)
    stage: str = Field(description="What it is doing, in words.")
    progress: float = Field(description="From 0 to 1.")
    position: int | None = Field(description="Its place in the queue, 1 for the next one.")
    image: Micrograph
    signatures: list[Signature]


class BeingWritten(Schema):
    """A file that is not there yet: ask again after as many seconds as Retry-After says."""

    state: State
    progress: float = Field(description="From 0 to 1.")


class Edit(Schema):
    """One correction."""

    job: str
    sequence: int
    author: str = Field(description="Name of the account; empty without one.")
    visitor: str = Field(description="The browser or script that made it.")
    time: str
    operation: dict[str, Any] = Field(description="As it was sent.")
    undoes: int | None = Field(description="The edit that it takes back.")
    patch: dict[str, Any] = Field(description=PATCH)
    before: dict[str, Any] = Field(description="The patch that takes it back.")
    previous: str = Field(description="Hash of the edit before.")
    hash: str = Field(description="SHA-256 of the other entries: JSON with sorted keys, in ASCII and without spaces.")


class Edits(Schema):
    base: int = Field(description="The number of the last edit.")
    edits: list[Edit]
    objects: dict[str, list[Any] | None] = Field(description=f"Of every id that an edit touched: {OBJECT}.")
    next: int | None = Field(description="The next free id; null where no outlines are stored.")
    standing: int = Field(description="How many edits can still be undone.")


class Objects(Schema):
    """Every object that stands, kept or set aside; one entry of the lists for each."""

    base: int = Field(description="The number of the last edit.")
    next: int = Field(description="The next free id.")
    operations: list[dict[str, Any]] = Field(description="Those that can still be undone, in their order.")
    classes: list[str] = Field(description="The names of the classes.")
    maps: list[str] = Field(description="Stored maps of the network; without one no click adds an object.")
    ids: list[int]
    classes_of: list[int] = Field(description="The place of its class among classes.")
    confidence: list[float | None] = Field(description="null where it is not known, and where a person changed it.")
    by_hand: list[int] = Field(description="Ids of the objects that a person drew, changed or reviewed.")
    set_aside: dict[str, str] = Field(description="By id the reason of a person.")


class Similar(Schema):
    """Objects that are like those that were named, the most alike first; one entry of the lists for each."""

    ids: list[int]
    alike: list[float] = Field(description="1 for the named ones themselves; 0 for nothing in common.")


class Edited(Schema):
    base: int = Field(description="The number of the last edit.")
    made: list[list[int]] = Field(description="For each operation the objects that it touched and that still stand.")
    checks: list[int] = Field(
        description="For each operation the CRC-32 of the runs of its patch as little-endian whole numbers of 32 bits."
    )
    patches: list[dict[str, Any]] = Field([], description=f"Of each operation, where asked for. {PATCH}")


class Outdated(Schema):
    """Nothing was changed, because others have corrected the result meanwhile."""

    error: str
    base: int = Field(description="The number of the last edit.")
    edits: list[Edit] = Field(description="Those since the base that was sent.")


class ListedJob(Schema):
    """A job in a list; more of it under its url."""

    id: str
    url: str
    page: str
    state: State
    error: str | None
    progress: float
    created: datetime
    finished: datetime | None
    sample: str | None = Field(description="The id of the sample that it belongs to.")
    parent: str | None = Field(description="The id of the job that it is a revision of.")
    task: str
    model: str
    image: Micrograph


class ListedSample(Schema):
    """A sample in a list; more of it under its url."""

    id: str
    url: str
    page: str
    name: str
    state: SampleState
    error: str | None
    created: datetime


class Page(Schema):
    """One page of a list, the newest first."""

    count: int = Field(description="How many there are on all pages.")
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
    """Who asks."""

    account: str | None = Field(description="Name of the account; null without one.")
    token: Token | None
    staff: bool


class Claimed(Schema):
    claimed: int = Field(description="How many jobs belong to the account now.")


class NamedModel(Schema):
    name: str
    title: str


class Task(Schema):
    """A kind of analysis."""

    name: str
    title: str
    summary: str
    models: list[NamedModel] = Field(description="Those that can be chosen, the usual one first.")
    quantities: list[str] = Field(description="Names of the numbers that it answers with.")
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
    """What is known of the scale of an image."""

    used: KnownScale = Field(description="What the result is measured with.")
    file: KnownScale | None = Field(description="What the file says.")
    data_bar: KnownScale | None = Field(description="What was read in the picture.")
    asked: KnownScale | None = Field(description="What the width of the query means.")
    warnings: list[str] = Field(description="Where these differ.")


class Written(Schema):
    """Files that are being written: ask again after as many seconds as Retry-After says."""

    written: int = Field(description="Of how many results all files are there.")
    of: int


class JobStarted(Job):
    secret: str = Field("", description=SECRET)


class Compared(Schema):
    """One of two results."""

    id: str
    kind: Literal["job", "sample"]
    name: str
    warning: str | None = Field(description="Short forms of its warnings.")
    url: str
    page: str


class Measured(Schema):
    value: float | None
    low: float | None = Field(description="Ends of the 95 % interval.")
    high: float | None


class ComparedNumber(Schema):
    """One number of both results."""

    name: str
    term: str
    group: str = Field(description="The table of all numbers that it belongs to.")
    unit: str
    first: Measured
    second: Measured
    difference: Measured = Field(description="The second less the first, with its own 95 % interval.")


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


class Scale(Schema):
    rule: Literal["own", "width", "pixel"]
    value: float | None = Field(description="In nm: of the image's width, or of a pixel.")


class Note(Schema):
    name: str
    sentence: str


class SampleImage(Schema):
    """An image of a sample; more of it under its url."""

    id: str
    url: str
    name: str
    state: State
    error: str | None
    included: bool
    left_out: str | None = Field(description="Why it is not in the pooled numbers.")
    outlier: str | None = Field(description="Why it may not belong to the sample.")
    warning: str | None = Field(description="Short forms of its warnings.")
    n: int | None = Field(description="Its kept objects.")


class Sample(Analysis):
    """Several images of one material, pooled."""

    state: SampleState
    result: Annotated[dict[str, Any] | None, WithJsonSchema({STORED: "StoredSample"})] = Field(description=RESULT)
    name: str
    done: int
    failed: int
    under_way: int
    scale: Scale
    current: bool = Field(description="False while the numbers do not include the latest change.")
    images: list[SampleImage]
    notes: list[Note] = Field(description="Files that were not taken, and why.")


class SampleStarted(Sample):
    secret: str = Field("", description=SECRET)


def with_results(schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the document, with the types of stored results."""
    for kind in (JobResult, StoredSample):
        made = TypeAdapter(kind).json_schema(mode="serialization", ref_template=f"{REFERENCE}{{model}}")
        schemas = {**made.pop("$defs", {}), **schemas, kind.__name__: made}
    for schema in schemas.values():
        result = schema.get("properties", {}).get("result", {})
        if name := result.pop(STORED, ""):
            result["anyOf"] = [{"$ref": f"{REFERENCE}{name}"}, {"type": "null"}]
    return schemas
