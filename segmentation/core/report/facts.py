"""The facts about the images of a result: scale, settings, model, instrument and typed texts.
Reports, workbooks and result.json use them.

For several images, facts that all pooled images share are separate from facts that differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import tasks
from ..labels.segmentation import MASKS
from ..measure.objects.filters import MEASURANDS
from ..measure.objects.regions import area_words
from ..micrograph.calibration.square import COLUMNS, ROWS
from ..micrograph.vendors.facts import moment_of
from ..sample import AnalysisRecord, Member, SampleAnalysis, SampleImage
from ..settings import TEXTS, TILT_SETTINGS, MeasurementSettings
from ..typed import settings_of, settings_of_task
from .wording import UNKNOWN, corrected_words, imported_words, instrument_words, one_line, rounding_words

Fact = tuple[str, str]  # group and name of a fact
Facts = dict[Fact, Any]
MIRRORED = "all four mirrored forms averaged"
NAMES = {  # names of settings for people, if the setting's name is not a word
    "flips": MIRRORED,
    "scale": "working scale",
    "measurand": "counted",
    "faint_limit": "faint outlines (%)",
    "tilt_correction": "corrected for a tilt",
    "tilt_direction": "lengths that the tilt shortens",
    "ignore": "regions to ignore",
    "measure_unlike": "unusual pictures measured",
    "repeatability": "repeatability (%)",
    "repeatability_source": "source of the repeatability",
    "between_operators": "difference between operators (%)",
}
HIDDEN_SETTINGS = ("model", "data_bar")  # these have facts under other names
FILE = {  # entries of the metadata that are about the file, not the instrument
    "kind": ("image", "file type"),
    ROWS: ("image", "rows in the file (px)"),
    COLUMNS: ("image", "columns in the file (px)"),
}
INSTRUMENT = {  # names of metadata for people, with units
    "voltage_kv": "voltage (kV)",
    "working_distance_mm": "working distance (mm)",
    "tilt_degrees": "tilt of the stage (°)",
    "tilt_corrected": "tilt corrected by the microscope",
    "scan_rotation_degrees": "rotation of the scan (°)",
}
NOT_SAME = "not the same for all images"
DETAIL_SETTINGS = (*NAMES.values(), "edges")  # settings that `main_settings` leaves out
# Names and titles of the settings whose texts people type for the report.
REPORTED = {setting.name: setting.title for setting in settings_of(MeasurementSettings) if setting.name in TEXTS}


def on_off(setting: bool) -> str:
    return "on" if setting else "off"


def model_label(card: Mapping[str, Any]) -> str:
    """Name and version of a model, from its card at the time of use; "" if it has no name."""
    if card.get("name") == MASKS:
        return f"none: {MASKS}"
    return " ".join(str(card[name]) for name in ("name", "version") if card.get(name))


def model_words(card: Mapping[str, Any]) -> str:
    """Name, version and checksum of a model, such as "particles 1.0, sha256 0123abcd"."""
    by_model = card.get("name") != MASKS
    return model_label(card) + (f", sha256 {card.get('sha256', '')[:8]}" if by_model else "")


def settings_used(sample: SampleAnalysis, member: Member) -> dict[str, Any]:
    """Every setting that changes the numbers, by its name for people; "auto" is replaced by the
    value that was used."""
    record = member.record
    values: dict[str, Any] = {"filter": on_off(record.settings.get("filter", sample.filter))}
    if record.is_by_model:
        task = tasks.find(record.task)
        for name in task.settings.model_fields:
            value = record.used.entries.get(name, record.settings.get(name))
            if name not in HIDDEN_SETTINGS and value not in (None, ""):
                title = NAMES.get(name, name.replace("_", " "))
                values[title] = f"{value} {task.things}" if name == "polarity" else value
                if isinstance(value, bool):
                    values[title] = on_off(value)
        if record.height is not None:
            values["data bar"] = "none" if record.data_bar is None else f"from row {record.data_bar}"
    if words := imported_words(record.used):
        values["source"] = words
    if words := corrected_words(record.used):
        values["outlines"] = words
    names_of_measuring = [name for name in MeasurementSettings.model_fields if name in NAMES]
    chosen = {
        NAMES[name]: _measuring_words(record, value)
        for name in names_of_measuring
        if (value := record.settings.get(name)) not in (None, [])  # 0 is a setting
        and value is not False
        # A tilt at its default need not be shown.
        and not (name in TILT_SETTINGS and value == MeasurementSettings.model_fields[name].default)
    }
    values |= {"edges": "weighted" if edge_of(sample, member) == "weight" else "excluded", **chosen}
    ignored = {{"border_correction": "edges", **NAMES}.get(name, name) for name in sample.task.ignores}
    return {name: value for name, value in values.items() if name not in ignored}


def _measuring_words(record: AnalysisRecord, value: Any) -> Any:
    """The value of a setting of measuring in words. For regions to ignore it is their number and
    their area."""
    if isinstance(value, list):
        return f"{len(value)} ({area_words(record.ignored_share)} of the picture)"
    return on_off(value) if isinstance(value, bool) else MEASURANDS.get(value, value)


def edge_of(sample: SampleAnalysis, member: Member) -> str:
    """The border correction of the pooled sizes; if there are none, that of the image's
    settings."""
    return sample.pooled.edge if sample.pooled is not None else member.record.settings.get("border_correction", "")


def main_settings(sample: SampleAnalysis) -> dict[str, str]:
    """The main settings of a sample's first image, as texts."""
    values = settings_used(sample, sample.members[0])
    return {
        name: f"{value:.3g}" if isinstance(value, float) else str(value)
        for name, value in values.items()
        if name not in DETAIL_SETTINGS
    }


def facts_of_image(sample: SampleAnalysis, member: Member) -> Facts:
    """The known facts about one image, without its name and its numbers."""
    record, calibration = member.record, member.calibration
    values: Facts = {
        ("image", "width (px)"): record.width,
        ("image", "height (px)"): record.height,
        ("calibration", "nm per pixel"): calibration.nm_per_pixel,
        ("calibration", "source"): calibration.source.words,
        ("calibration", "detail"): calibration.detail,
        ("calibration", "uncertainty of reading and rounding (95 %)"): rounding_words(calibration) or UNKNOWN,
        ("calibration", "uncertainty of the microscope (95 %)"): instrument_words(calibration),
        ("model", "model"): model_label(record.card),
        ("model", "sha256 of the weights"): record.card.get("sha256", "") if record.is_by_model else "",
        ("method", "name and version"): record.method.title if record.method else "",
        ("method", "departures"): " ".join(record.method.departures) if record.method else "",
        ("method", "control"): record.method.control if record.method else "",
        ("method", "approval"): record.method.approval if record.method else "",
        ("method", "sha256 of the description"): record.method.checksum if record.method else "",
        **{("settings", name): value for name, value in settings_used(sample, member).items()},
        **{("report", title): record.settings.get(name) for name, title in REPORTED.items()},
        **{
            FILE.get(name, ("instrument", name)): value if isinstance(value, int | float | str) else str(value)
            for name, value in record.instrument.items()
        },
    }
    if calibration.nm_per_pixel is None:
        values = {fact: value for fact, value in values.items() if "uncertainty" not in fact[1]}
    return {fact: value for fact, value in values.items() if value is not None and value != ""}


def common_facts(sample: SampleAnalysis) -> Facts:
    """The facts that are the same for all pooled images."""
    return _shared_facts([facts_of_image(sample, member) for _, member in sample.counted])


def differing_facts(sample: SampleAnalysis) -> list[tuple[SampleImage, Facts]]:
    """For each analysed image its facts that are not in `common_facts`; an image without such facts
    is not listed."""
    shared = common_facts(sample)
    analysed = [(image, facts_of_image(sample, image.member)) for image in sample.images if image.member is not None]
    differing = [
        (image, {fact: facts[fact] for fact in facts if shared.get(fact) != facts[fact]}) for image, facts in analysed
    ]
    return [(image, image_facts) for image, image_facts in differing if image_facts]


def changed_settings(sample: SampleAnalysis) -> Iterator[tuple[str, str]]:
    """Titles and values of the settings that are not at their defaults.

    The model and the texts for the report are not included: reports show them in other sections.
    """
    settings_of_images = [member.record.settings for _, member in sample.counted]
    for setting in settings_of_task(sample.task):
        values = [settings.get(setting.name, setting.default) for settings in settings_of_images]
        if setting.name not in ("model", *REPORTED) and any(value != setting.default for value in values):
            yield setting.title, setting.words_for(values[0]) if values.count(values[0]) == len(values) else NOT_SAME


def texts_for_report(sample: SampleAnalysis) -> Iterator[tuple[str, str]]:
    """Titles and texts that people typed for the report, without empty ones."""
    return ((REPORTED[name], text) for name, text in typed_texts(sample).items() if text)


def typed_texts(sample: SampleAnalysis) -> dict[str, str]:
    """The texts that people typed for the report, by the names of the settings; "" if nothing was
    typed."""
    shared, texts = common_facts(sample), {}
    for name, title in REPORTED.items():
        has_text = any(member.record.settings.get(name) for _, member in sample.counted)
        texts[name] = str(shared.get(("report", title)) or (NOT_SAME if has_text else ""))
    return texts


def as_json(sample: SampleAnalysis) -> dict[str, Any]:
    """The entries "settings", "used" and "model" of result.json: what all pooled images share.

    "settings_differ" has the names of the settings that differ. The calibration is never one of
    them, because each image has its own entry.
    """
    settings_of_images = [dict(member.record.settings) for _, member in sample.counted]
    used_values = [chosen_values(member.record) for _, member in sample.counted]
    shared = _shared_facts(settings_of_images)
    if sample.pooled is not None:
        shared["edge"] = sample.pooled.edge
    differing_names = {name for settings in settings_of_images for name in settings} - set(shared)
    differing_names |= {name for values in used_values for name in values} - set(_shared_facts(used_values))
    models = sample.models
    return {
        "settings": {name: value for name, value in shared.items() if name != "calibration"},
        "settings_differ": sorted(differing_names - {"calibration"}),
        "used": _shared_facts(used_values),
        "model": model_identity(models[0]) if len(models) == 1 else None,
    }


def chosen_values(record: AnalysisRecord) -> dict[str, Any]:
    """The values that were used for settings such as "auto", by name, and what people did with the
    outlines."""
    names = (*tasks.find(record.task).settings.model_fields, "imported", "corrected", "reviewed")
    used = record.used.entries
    return {name: used[name] for name in names if used.get(name) not in (None, "")}


def model_identity(card: Mapping[str, Any]) -> dict[str, Any]:
    """The model as result.json states it: its name, version and the SHA-256 of its weights."""
    return {"name": card.get("name", ""), "version": card.get("version"), "sha256": card.get("sha256", "")}


def acquisition_dates(sample: SampleAnalysis) -> str:
    """The dates in the image files, in words: the first and the last one; "" if no file has a
    date."""
    dates = [str(date) for _, member in sample.counted if (date := member.record.instrument.get("date"))]
    moments = sorted(moment for moment in map(moment_of, dict.fromkeys(dates)) if moment)
    if not dates:
        return ""
    if len(moments) < len(set(dates)):  # a date that can be read in two ways is quoted as it is written
        more = len(set(dates)) - 1
        return one_line(dates[0]) + (f" and {more} more times" if more else "")
    start, last = (f"{moment:%-d %b %Y, %H:%M}".removesuffix(", 00:00") for moment in (moments[0], moments[-1]))
    words = start if start == last else f"{start} to {last.removeprefix(start.partition(', ')[0] + ', ')}"
    return words if len(dates) == len(sample.counted) else f"{words} ({len(dates)} of {len(sample.counted)} images)"


def _shared_facts(facts_of_images: list[dict[Any, Any]]) -> dict[Any, Any]:
    """The entries that all these dictionaries share."""
    reference, *others = facts_of_images or [{}]
    return {
        name: value
        for name, value in reference.items()
        if all(name in other and other[name] == value for other in others)
    }


def facts_line(image_facts: Facts) -> str:
    """The facts on one line."""
    return "; ".join(f"{_fact_title(name)} {_fact_text(group, value)}" for (group, name), value in image_facts.items())


def fact_rows(image_facts: Facts) -> Iterator[tuple[str, str]]:
    """The facts as names and values, without the model and the texts for the report, which
    are in other sections."""
    for (group, name), value in image_facts.items():
        if group not in ("model", "report"):
            yield f"{group.capitalize().removesuffix('s')}: {_fact_title(name)}", _fact_text(group, value)


def _fact_title(name: str) -> str:
    return INSTRUMENT.get(name, name.replace("_", " "))


def _fact_text(group: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return np.format_float_positional(value, precision=7 if group == "calibration" else 4, fractional=False, trim="-")
