"""The description of a method: everything that decides a number, as one table with a checksum.

Name, version, state and approval of a method are not in it, but in the database. Two descriptions
with the same checksum give the same numbers; any change makes another version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from ..analysis import AnalysisSettings
from ..measure.quantities import number
from ..micrograph.calibration.sources import Source
from ..settings import TEXTS, MeasurementSettings
from ..tasks import UnknownTask, find
from ..typed import Setting, changed_settings
from ..validation import LISTED, Settings, sentence
from .conformity import MOST_LIMITS, Limit, limit_words
from .spread import NumberName
from .stopping import StoppingRule

# Settings that belong to an image or a specimen, and are therefore no part of a method.
ONE_RESULT_SETTINGS = ("calibration", "ignore", "operator", "orcid", "material", "deviations")
RETIRED = ("sources",)  # fields that development versions before 2.0 wrote; they are ignored
CHECKSUM = r"^[0-9a-f]{64}$"
SourceOrText = Annotated[Source, Field(strict=False)]  # a Source, or its text as in JSON


class MethodDescription(Settings):
    """Everything that decides a number of a method.

    task: name of the kind of analysis. model, model_sha256: name of the model, and checksum of its
    weights. settings: settings of the kind by name, without the model and ONE_RESULT_SETTINGS; a missing
    one has its default. Texts of the laboratory are among them; an empty text is no part of the
    method.
    quantity: name of the number that the method gives. scale_sources: allowed sources of the scale.
    texts: names of the texts (`settings.TEXTS`) that each result must have. least_images,
    least_particles: numbers that a sample needs. stopping: a further rule for when enough is
    measured, or None. limits: requirements on the result itself, such as at least 500 particles, or
    the limits of a control material.
    """

    task: str
    model: str
    model_sha256: str = Field(pattern=CHECKSUM)
    settings: dict[str, Any]
    quantity: NumberName = "median"
    scale_sources: Annotated[tuple[SourceOrText, ...], Field(min_length=1, max_length=len(Source)), LISTED]
    texts: Annotated[tuple[str, ...], Field(max_length=len(TEXTS)), LISTED] = ()
    least_images: int = Field(1, ge=1, le=10**6)
    least_particles: int = Field(1, ge=1, le=10**9)
    stopping: StoppingRule | None = None
    limits: Annotated[tuple[Limit, ...], Field(max_length=MOST_LIMITS), LISTED] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if foreign := sorted({*ONE_RESULT_SETTINGS, "model", "task"} & self.settings.keys()):
            raise ValueError(f"settings of one result are no part of a method: {', '.join(foreign)}.")
        if unknown := sorted({*self.texts} - {*TEXTS}):
            raise ValueError(f"there are no texts named {', '.join(unknown)}.")
        if Source.NONE in self.scale_sources:
            raise ValueError("a scale that is not known is no source of a scale.")
        try:
            settings = AnalysisSettings.of(self.task, **{**self.settings, "model": self.model})
        except ValidationError as error:
            raise ValueError(sentence(error)) from None
        except UnknownTask as error:
            raise ValueError(str(error)) from None
        values = {name: value for name, value in settings.as_dict().items() if name not in ("task", "model")}
        complete = {name: value for name, value in values.items() if name not in ONE_RESULT_SETTINGS}
        object.__setattr__(self, "settings", complete)
        object.__setattr__(self, "scale_sources", tuple(sorted({*self.scale_sources}, key=list(Source).index)))
        object.__setattr__(self, "texts", tuple(name for name in TEXTS if name in self.texts))
        return self

    @classmethod
    def of_result(cls, settings: AnalysisSettings, model_sha256: str, source: Source, **more: Any) -> Self:
        """The method by which a result was made. source: the source of the result's scale, the only
        one that the method then allows. more: further fields."""
        values = {
            name: value for name, value in settings.as_dict().items() if name not in (*ONE_RESULT_SETTINGS, "task")
        }
        model = values.pop("model")
        fields = {
            "settings": values,
            "model_sha256": model_sha256,
            "scale_sources": (source,),
            **more,
        }
        return cls(task=settings.task, model=model, **fields)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`; raises ValidationError."""
        return cls.model_validate({name: value for name, value in data.items() if name not in RETIRED})

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` is its inverse."""
        return self.model_dump(mode="json")

    @property
    def checksum(self) -> str:
        """The SHA-256 of what `as_dict` gives."""
        return checksum_of(self.as_dict())

    def leaves_open(self, setting: str) -> bool:
        """Whether the method does not fix a setting: it belongs to one result, or is an empty text."""
        return setting in ONE_RESULT_SETTINGS or (setting in TEXTS and not self.settings.get(setting))

    @property
    def analysis(self) -> AnalysisSettings:
        """The settings with which an image is analysed by this method. ONE_RESULT_SETTINGS have their
        defaults."""
        return AnalysisSettings.of(self.task, **{**self.settings, "model": self.model})


def canonical_text(description: Mapping[str, Any]) -> str:
    """The canonical JSON text of plain JSON types: sorted keys, no spaces."""
    return json.dumps(description, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def checksum_of(description: Mapping[str, Any]) -> str:
    """The SHA-256 of the canonical text as UTF-8."""
    return hashlib.sha256(canonical_text(description).encode()).hexdigest()


def changes(new: MethodDescription, old: MethodDescription) -> list[str]:
    """Sentences about the changes of a version compared with the version before; [] if nothing."""
    lines = []
    if new.task != old.task:
        lines.append(f"Kind of analysis: {find(new.task).title}, before {find(old.task).title}.")
    if (new.model, new.model_sha256) != (old.model, old.model_sha256):
        lines.append(f"Model: {_model_words(new)}, before {_model_words(old)}.")
    lines += [
        f"{setting.title}: {value_words(setting, value)}, before {value_words(setting, before)}."
        for setting, value, before in changed_settings(new.analysis, old.analysis)
        if setting.name != "model"
    ]
    new_fields, old_fields = fields_in_words(new), fields_in_words(old)
    lines += [
        f"{title}: {words or 'nothing'}, before {old_fields[title] or 'nothing'}."
        for title, words in new_fields.items()
        if words != old_fields[title]
    ]
    return lines


def _model_words(method: MethodDescription) -> str:
    return f"{method.model}, sha256 {method.model_sha256[:8]}"


def value_words(setting: Setting, value: Any) -> str:
    """A value of a setting in words; "nothing" for an empty text, and for a setting that the kind
    does not have."""
    return "nothing" if value is None and None not in setting.words.values() else setting.words_for(value) or "nothing"


def fields_in_words(method: MethodDescription) -> dict[str, str]:
    """The fields of a method other than model and settings: title -> words."""
    return {
        "Answer": number(method.quantity).label,
        "Sources of a scale": source_words(method.scale_sources),
        "Texts that a result must have": ", ".join(map(text_title, method.texts)),
        "Least number of images": str(method.least_images),
        "Least number of particles": f"{method.least_particles:,}",
        "Enough is measured": "" if method.stopping is None else method.stopping.words,
        "Requirements": "; ".join(map(limit_words, method.limits)),
    }


def source_words(sources: Sequence[Source]) -> str:
    """The allowed sources in words, such as "from the file or drawn on the scale bar"."""
    *others, last = (source.words for source in sources)
    return " or ".join(filter(None, [", ".join(others), last]))


def text_title(name: str) -> str:
    """The title of a text of the laboratory, as it is written within a sentence."""
    title = MeasurementSettings.model_fields[name].title or name
    return title if title.isupper() else title[:1].lower() + title[1:]


def departures(
    method: MethodDescription, settings: AnalysisSettings, model_sha256: str, source: Source
) -> Iterator[str]:
    """Sentences about how one result departs from a method; none if it follows the method.

    settings: the settings of the result. model_sha256: checksum of the weights that made its
    outlines, "" if no model did. source: the source of its scale.
    """
    if settings.task != method.task:
        yield f"This is an analysis of {find(settings.task).title}; the method is for {find(method.task).title}."
        return
    if model_sha256 != method.model_sha256:
        used = f"model {settings.segmentation.model}, sha256 {model_sha256[:8]}" if model_sha256 else "no model"
        yield f"The outlines are made by {used}; the method asks for {_model_words(method)}."
    for setting, value, wanted in changed_settings(settings, method.analysis):
        if setting.name != "model" and not method.leaves_open(setting.name):
            yield f"{setting.title}: {value_words(setting, value)}; the method asks for {value_words(setting, wanted)}."
    if source not in method.scale_sources:
        yield f"The scale is {source.words}; the method asks for one {source_words(method.scale_sources)}."
    for name in method.texts:
        if not getattr(settings.measurement, name):
            yield f"The {text_title(name)} is missing; the method asks for it."
