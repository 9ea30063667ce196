"""The JSON Schema of result.json. `python -m segmentation.core.report.schema` writes it to
result.schema.json.

The classes below are the types of the entries of result.json. The schema contains their docstrings
and their `meaning` texts; it describes numbers with the registry of quantities. The API uses the
same types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from ..flags import Flag
from ..measure.quantities import COLUMNS, NUMBERS
from ..measure.results import Corrected, Count, ImageRow, PooledStatistics, Statistics, meaning
from ..measure.shape.descriptors import DESCRIPTORS
from ..micrograph.types import Calibration
from ..tasks.base import Curve

FILE = Path(__file__).with_name("result.schema.json")
HEAD = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "result.json of DeepSegm",
    "description": (
        "All lengths are in the unit that statistics.unit names. null means: not defined. The value of format changes"
        " when this layout does; keys may be added without that."
    ),
}
OPEN = ConfigDict(extra="allow")  # of types that may have further entries
Side = Annotated[int, meaning("in px")]
Metadata = Annotated[dict[str, Any], meaning("what the file says of the instrument")]
Used = Annotated[dict[str, Any], meaning("what was used where the settings leave it open")]


class SchemaGenerator(GenerateJsonSchema):
    """Makes schemas without titles, which would repeat the names, and without defaults, which a
    written file never uses.

    An object must have no other entries than those of its type, unless the type is OPEN.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def field_is_required(self, field: Any, total: bool) -> bool:
        return field["type"] != "typed-dict-field" or super().field_is_required(field, total)

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        document = {**super().dataclass_schema(schema), "additionalProperties": issubclass(schema["cls"], Statistics)}
        for name, entry in document["properties"].items():
            if name in NUMBERS:
                entry.setdefault("description", NUMBERS[name].definition)
        return with_short_description(document)

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        is_open = getattr(schema["cls"], "__pydantic_config__", None) == OPEN
        return with_short_description({**super().typed_dict_schema(schema), "additionalProperties": is_open})


def with_short_description(document: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type with a shorter description: the first paragraph alone, on one line.

    `document` itself is changed.
    """
    if "description" in document:
        document["description"] = " ".join(document["description"].split("\n\n")[0].split())
    return document


class Number(TypedDict):
    """A number as measured, null where it is undefined; unit: "" where it has none."""

    value: float | None
    interval: NotRequired[Annotated[list[float] | None, meaning("ends of the 95 % interval, as on the page")]]
    low: Annotated[float | None, meaning("lower end without the total uncertainty")]
    high: Annotated[float | None, meaning("upper end without the total uncertainty")]
    unit: str


class Answer(Number):
    """One number that a kind of analysis answers with."""

    name: str


Quantities = Annotated[
    dict[str, Number] | list[Answer],
    meaning("what this kind of analysis answers with: of particles by name, of any other kind as a list"),
]


class ModelWeights(TypedDict):
    """A model at the time of use."""

    name: str
    version: str | None
    sha256: Annotated[str, meaning("of the weights")]


class UsedModel(ModelWeights):
    title: str


class Method(TypedDict):
    """The version of a method by which it was analysed, as it was then."""

    name: str
    version: int
    state: Literal["draft", "approved", "withdrawn"]
    checksum: Annotated[str, meaning("SHA-256 of the description of the method")]
    departures: Annotated[list[str], meaning("what was done otherwise than it asks for, a sentence each")]
    control: Annotated[str, meaning("that the method was out of control before, empty where it was not")]
    approval: NotRequired[Annotated[str, meaning("that nobody approved it, or an author of its own; empty otherwise")]]


class ImageFacts(TypedDict):
    name: str
    sha256: str
    width: Side
    height: Side
    data_bar: Annotated[int | None, meaning("first row of the data bar, null where there is none")]
    notes: list[str]


class Result(TypedDict):
    """What results of images and of samples share."""

    quantities: Quantities
    method: NotRequired[Annotated[Method, meaning("only where one was followed")]]
    versions: dict[str, str]
    warnings: Annotated[list[str], meaning("the sentences of flags")]
    flags: Annotated[list[Flag], meaning("warnings, each with a short form for tables and figures")]


class ImageResult(Result):
    """One image."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    format: Literal["deepsegm-result/1"]
    settings: Annotated[dict[str, Any], meaning("as asked for")]
    used: Used
    calibration: Calibration
    statistics: Annotated[Statistics | None, meaning("of the sizes; null for a kind of analysis without any")]
    set_aside: Annotated[dict[str, Count], meaning("objects left out, by reason")]
    model: ModelWeights
    image: ImageFacts
    metadata: Metadata


class Member(ImageRow):
    """One image of a sample; null where the image was not analysed."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    warning: Annotated[str, meaning("short forms of its warnings; empty where it has none")]
    sha256: Annotated[str, meaning("of the file; empty where not known")]
    calibration: Calibration | None
    quantities: Quantities | None
    clarity: Annotated[float | None, meaning("how clearly it shows particles at all, 0 to 1")]
    settings: Annotated[dict[str, Any] | None, meaning("as asked for")]
    used: dict[str, Any] | None
    model: ModelWeights | None
    method: NotRequired[Method]
    width: Side | None
    height: Side | None
    data_bar: Annotated[int | None, meaning("first row of the data bar, null where there is none")]
    metadata: Metadata


class SampleResult(Result):
    """Several images together. settings, used and model are what all pooled images share; each
    image has its own."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    format: Literal["deepsegm-sample/1"]
    name: str
    settings: dict[str, Any]
    settings_differ: Annotated[list[str], meaning("settings that are not the same for all pooled images")]
    used: Used
    model: ModelWeights | None
    corrected: Annotated[Corrected | None, meaning("null where nobody touched an outline")]
    interval_note: Annotated[str, meaning("why sizes or the first number have no interval; empty where they have")]
    statistics: Annotated[PooledStatistics | None, meaning("of the sizes; null for a kind of analysis without any")]
    images: Annotated[list[Member], meaning("all images of the sample, those that are left out at the end")]


class JobResult(TypedDict):
    """What is stored with the job of an image and answered by the API."""

    task: str
    order: Annotated[list[str], meaning("names of quantities in the order of reading")]
    quantities: dict[str, Number]
    found: Annotated[Count, meaning("outlines, counted or left out")]
    refused: Annotated[bool, meaning("whether the image is of another kind, so that nothing was measured")]
    statistics: Statistics | None
    histogram: NotRequired[
        Annotated[dict[str, Any] | None, meaning("the bars of the figure: edges, counts in each image")]
    ]
    curves: NotRequired[Annotated[list[Curve], meaning("what the page draws of a kind without sizes of objects")]]
    calibration: Calibration
    model: UsedModel
    method: NotRequired[Annotated[Method, meaning("only where one was followed")]]
    image: dict[Literal["width", "height"], Side]
    data_bar: Annotated[int | None, meaning("first row of the data bar, null where there is none")]
    polarity: str | None
    scale: float | None
    threshold: float | None
    used: Used
    filter: bool
    edge: str
    reused: Annotated[bool, meaning("whether the outlines are those of the earlier result")]
    unread: Annotated[bool, meaning("whether a bar in the image is yet to be compared with the scale")]
    warnings: list[str]
    flags: list[Flag]
    timings: Annotated[dict[str, float], meaning("seconds by stage")]


@dataclass(frozen=True)
class StoredSample(PooledStatistics):
    """What is stored with a sample and answered by the API."""

    name: str = ""
    histogram: dict[str, Any] | None = None
    corrected: Corrected | None = None
    method: Annotated[Method | None, meaning("missing where none was followed")] = None
    calibration: dict[str, Any] = field(default_factory=dict)
    quantities: dict[str, Number] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    headline_quantities: Annotated[list[str], meaning("names of the numbers by which images are compared")] = field(
        default_factory=list
    )
    warnings: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)


def schema() -> dict[str, Any]:
    """The JSON Schema in plain JSON types."""
    document = TypeAdapter(ImageResult | SampleResult).json_schema(
        schema_generator=SchemaGenerator, mode="serialization"
    )
    for kind in (Statistics, PooledStatistics):
        shape = document["$defs"][kind.__name__]["properties"]["shape"]
        spread: Mapping[str, Any] = shape["additionalProperties"]
        shape["properties"] = {name: {**spread, "description": COLUMNS[name].definition} for name in DESCRIPTORS}
    return HEAD | document


def schema_text() -> str:
    """The content of result.schema.json."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
