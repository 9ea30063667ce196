"""The JSON Schema of result.json, made from what it is written from: python -m segmentation.core.report.schema

Fields come from the dataclasses and definitions from the registry of quantities. What the code puts together as plain
dictionaries is said here, and the tests hold every result against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, create_model
from pydantic.json_schema import GenerateJsonSchema

from ..flags import Flag
from ..measure.budget import Contribution
from ..measure.budget_table import ANSWERS
from ..measure.convergence import Convergence
from ..measure.descriptors import DESCRIPTORS
from ..measure.distribution import FIGURES, WEIGHTINGS
from ..measure.fitting import Fit
from ..measure.fractions import Fraction
from ..measure.pooling import PooledStatistics
from ..measure.quantities import COLUMNS, DOUBTFUL_FRACTIONS, NUMBERS, Value
from ..measure.statistics import Statistics
from ..micrograph.types import Calibration

FILE = Path(__file__).with_name("result.schema.json")
HEAD = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "result.json of DeepSegm",
    "description": (
        "All lengths are in the unit that statistics.unit names. null means: not defined. The value of format changes"
        " when this layout does; keys may be added without that."
    ),
}
Count = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)] | None


class Written(GenerateJsonSchema):
    """Without titles that repeat the names, and without defaults: a file says what it holds."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])


def model(title: str, /, *, closed: bool = True, **fields: Any) -> Any:
    """An object with these fields, each a type, or a type with what is to be said of it; all of them required.

    closed: whether it has no others.
    """
    told = {name: each if isinstance(each, tuple) else (each, None) for name, each in fields.items()}
    entries: dict[str, Any] = {name: (kind, Field(description=said)) for name, (kind, said) in told.items()}
    return create_model(title, __config__=ConfigDict(extra="forbid" if closed else "allow"), **entries)


def layout(kind: type, /, *, closed: bool = True, **told: Any) -> Any:
    """An object with the fields of a dataclass or typed dictionary; told: of some of them, as in `model`."""
    fields = {name: hint for name, hint in get_type_hints(kind).items() if not name.startswith("_")}
    return model(kind.__name__, closed=closed, **{**fields, **told})


def _each(names: Iterable[str], kind: Any) -> dict[str, Any]:
    return dict.fromkeys(names, kind)


def _defined(names: Iterable[str], kind: Any) -> dict[str, Any]:
    """Quantities of this kind with their definitions."""
    return {name: (kind, NUMBERS[name].definition) for name in names}


def _nano() -> Any:
    row = layout(Fraction, name=str)
    return model(
        "NanoCard",
        **_each(("fraction", "low", "high"), Share | None),
        n=Count,
        threshold=float,
        least_nm=(float | None, "size from which on particles are counted"),
        verdict=Literal["above", "below", "undecided"],
        reason=(str, "in short why it is undecided; empty where it is decided"),
        sentence=str,
        decides=(str, "what would decide it; empty where it is decided"),
        asked=(str, "how many particles ISO 13322-1 asks for, and how many were counted"),
        sensitivity=list[row],  # type: ignore[valid-type]
    )


def _budget() -> Any:
    known = (float | None, "standard uncertainty, of the median relative; null where not known")
    total = model(
        "Uncertainty",
        value=float,
        standard=(float, "combined, of what is known"),
        expanded=(float, "the same times coverage_factor"),
        without=(list[str], "contributions that are not known and not in it"),
        largest=(str, "name of the largest contribution that is known"),
        sentence=str,
    )
    row = layout(Contribution, median=known, fraction_100nm=known, source=(str, "how it was found, or why not"))
    return model(
        "Budget",
        coverage_factor=float,
        rows=list[row],  # type: ignore[valid-type]
        **_each(ANSWERS, total),
    )


def _recommendation() -> Any:
    return model(
        "Recommendation",
        vssa=(float, NUMBERS["vssa"].definition),
        exempt=(Count, "particles over 100 µm in two directions"),
        points=(list[model("Point", title=str, said=str)], "2022/C 229/01 point by point"),  # type: ignore[misc]
    )


def _convergence() -> Any:
    more = (int | None, "still to count for an interval of ±wanted; null where no number of them would do")
    required = layout(Convergence, more=more, by=Literal["image"])
    by: Any = (Literal["image"], Field("image", description="what is counted; particles where it is not said"))
    return create_model(required.__name__, __base__=required, by=by)


def _statistics(kind: type[Statistics], **more: Any) -> Any:
    intervals = model("Intervals", **_each(FIGURES, Interval))
    weighted = model("Figures", **_defined(FIGURES, float | None), intervals=intervals, note=str)
    others = model(
        "FigureIntervals", **_each((*FIGURES, "median", "ecd_median", "fraction_100nm", *DOUBTFUL_FRACTIONS), Interval)
    )
    spread = model("Spread", closed=False, median=float)
    numbers = [name for name, hint in get_type_hints(kind).items() if name in NUMBERS and hint == float | None]
    return layout(
        kind,
        closed=False,
        **_defined(numbers, float | None),
        n_kept=Count,
        n_set_aside=Count,
        set_aside=(dict[str, Count], "particles set aside, by reason"),
        **_each(("fraction_low", "fraction_high"), Share | None),
        without_filter=model("WithoutFilter", n=Count, median=float | None, fraction_100nm=Share | None) | None,
        intervals=(others, "95 % intervals by number, null where not defined"),
        interval_note=(str, "why there are no intervals; empty where there are"),
        cautions=(list[str], "which intervals may be too narrow, and why"),
        interval_basis=(Literal["by particle", "by image"], "what was resampled"),
        relative_uncertainty=(float | None, "of the calibration, as carried into the intervals"),
        weighted=model("Weighted", **_each(WEIGHTINGS, weighted)),
        fit=layout(Fit, law=Literal["log-normal"], word=Literal["good", "fair", "poor"]) | None,
        convergence=_convergence() | None,
        size=(str, "name of the measure that is the size"),
        screened=(bool, "whether the objects were judged as nanomaterials"),
        agglomerates=(
            model("Agglomerates", **_each(("groups", "singles", "primaries_in_groups", "largest"), Count)) | None,
            "groups of touching particles; null for other objects",
        ),
        shape=(dict[str, spread], "descriptors of shape, by name"),  # type: ignore[valid-type]
        nano=_nano() | None,
        budget=(_budget() | None, "of the uncertainty, after JCGM 100:2008; null of pixels"),
        recommendation=_recommendation() | None,
        **more,
    )


def _calibration() -> Any:
    return layout(
        Calibration,
        relative_uncertainty=(float | None, "of nm_per_pixel by reading and rounding, as a fraction"),
        instrument_uncertainty=(float | None, "of the microscope's own calibration; null where not included"),
    )


WEIGHTS = model("Model", name=str, version=str | None, sha256=(str, "of the weights"))
ENDS = _each(("median", "low", "high"), float | None)
SIDES = ("width", "height")
BAR = (int | None, "first row of the data bar, null where there is none")
METADATA = (dict[str, Any], "what the file says of the instrument")
USED = (dict[str, Any], "what was used where the settings leave it open")
VERSIONS = dict[str, str]
ANSWER = model("Answer", name=str, **get_type_hints(Value))
QUANTITIES = (
    dict[str, layout(Value)] | list[ANSWER],  # type: ignore[misc,valid-type]
    "what this kind of analysis answers with: of particles by name, of any other kind as a list",
)
FLAG = layout(
    Flag,
    short=(str, "beside the numbers; empty of a mere note"),
    doubt=(bool, "whether it puts the numbers in doubt"),
    reason=(str, "it means what was set aside for this reason; empty: for none"),
    ids=(list[int], "labels of the outlines that it means"),
)
FLAGS = {
    "warnings": (list[str], "the sentences of flags"),
    "flags": (list[FLAG], "warnings, each with a short form for tables and figures"),  # type: ignore[valid-type]
}


def _image(calibration: Any) -> Any:
    return model(
        "ImageResult",
        closed=False,
        format=Literal["deepsegm-result/1"],
        settings=(dict[str, Any], "as asked for"),
        used=USED,
        quantities=QUANTITIES,
        calibration=calibration,
        statistics=(_statistics(Statistics) | None, "of the sizes; null for a kind of analysis without any"),
        set_aside=(dict[str, Count], "objects set aside, by reason"),
        model=WEIGHTS,
        image=model("Image", name=str, sha256=str, **_each(SIDES, Side), data_bar=BAR, notes=list[str]),
        versions=VERSIONS,
        **FLAGS,
        metadata=METADATA,
    )


def _member(calibration: Any) -> Any:
    """One image of a sample."""
    return model(
        "Member",
        closed=False,
        name=str,
        n=(Count | None, "objects kept; null where the image was not analysed, or pixels belong to classes"),
        n_set_aside=Count | None,
        **{**ENDS, "median": (float | None, "null also where the image has another unit than the sample")},
        outlier=(str, "why it may not belong; empty where it does"),
        excluded=(str, "why it is not in the pooled numbers; empty where it is"),
        warning=(str, "short forms of its warnings; empty where it has none"),
        sha256=(str, "of the file; empty where not known"),
        calibration=calibration | None,
        quantities=(QUANTITIES[0] | None, "its own; null where it was not analysed"),
        clarity=(float | None, "how clearly it shows particles at all, 0 to 1"),
        settings=(dict[str, Any] | None, "as asked for; null where not known, as the next five"),
        used=dict[str, Any] | None,
        model=WEIGHTS | None,
        **_each(SIDES, Side | None),
        data_bar=BAR,
        metadata=METADATA,
    )


def _sample(calibration: Any) -> Any:
    row = model("Row", name=str, n=Count, n_set_aside=Count, **ENDS, outlier=str, excluded=str)
    between = model("Between", variance=float, sd=float, share=float)
    return model(
        "SampleResult",
        closed=False,
        format=Literal["deepsegm-sample/1"],
        name=str,
        settings=(dict[str, Any], "as asked for, as far as all pooled images share it; each image has its own"),
        settings_differ=(list[str], "settings that are not the same for all pooled images, or not known"),
        used=(dict[str, Any], f"{USED[1]}, as far as all pooled images share it"),
        model=(WEIGHTS | None, "null where not all pooled images have the same"),
        quantities=QUANTITIES,
        statistics=(
            _statistics(PooledStatistics, between=between | None, images=list[row]) | None,  # type: ignore[valid-type]
            "of the sizes; null for a kind of analysis without any",
        ),
        images=(list[_member(calibration)], "all images of the sample, those that are left out at the end"),  # type: ignore[misc]
        versions=VERSIONS,
        **FLAGS,
    )


def schema() -> dict[str, Any]:
    """As a dictionary that JSON can hold."""
    calibration = _calibration()
    made = HEAD | TypeAdapter(_image(calibration) | _sample(calibration)).json_schema(schema_generator=Written)
    known = {name: {"$ref": "#/$defs/Spread", "description": COLUMNS[name].definition} for name in DESCRIPTORS}
    for kind in (Statistics, PooledStatistics):
        made["$defs"][kind.__name__]["properties"]["shape"]["properties"] = known
    return made


def text() -> str:
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
