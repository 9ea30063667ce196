"""One reading and one wording of settings, made of the models alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from segmentation.core.settings import MeasurementSettings, SegmentationSettings
from segmentation.core.tasks.particles import ParticleSettings
from segmentation.core.typed import document, settings_of

ROOT = Path(__file__).resolve().parents[2]


class NewSettings(SegmentationSettings):
    count: int = Field(3, ge=1, le=9, title="Number of phases", description="How many there are.")
    depth: float = Field(1.5, gt=0, le=4, title="Depth", description="In layers.", json_schema_extra={"unit": "layers"})
    mode: Literal["fast", "exact"] = Field("fast", title="Mode", description="How.")


def setting(name):
    models = (ParticleSettings, MeasurementSettings, NewSettings)
    return next(entry for model in models for entry in settings_of(model) if entry.name == name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("threshold", "", None), ("threshold", " 0,35 ", 0.35), ("threshold", "Auto", None), ("filter", "YES", True),
     ("filter", "0", False), ("data_bar", "none", 0), ("data_bar", "56", 56), ("scale", "0.33333333", 0.333333),
     ("polarity", "Dark", "dark"), ("border_correction", "", "exclude"), ("count", "4", 4), ("mode", "exact", "exact"),
     ("model", " My Own ", "My Own")],
)  # fmt: skip
def test_it_reads_what_people_type_and_writes_it_again(name, text, value):
    parsed = setting(name).read(text)
    assert parsed == value and type(parsed) is type(value)
    assert setting(name).read(setting(name).write(parsed)) == value


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("threshold", "7", "“Threshold” takes auto or a number from 0.05 to 0.95, not “7”."),
        ("filter", "perhaps", "“Leave out doubtful objects” takes on or off, not “perhaps”."),
        ("polarity", "grey", "“Particles are” takes auto, bright or dark, not “grey”."),
        ("data_bar", "-3", "“Data bar” takes auto, none or a whole number of rows, not “-3”."),
        ("count", "2.5", "“Number of phases” takes a whole number from 1 to 9, not “2.5”."),
        ("depth", "nan", "“Depth” takes a number of layers from 0 to 4, not “nan”."),
        ("scale", "1_0", "“Zoom for the model” takes auto or a number from 0.02 to 2, not “1_0”."),
        ("data_bar", "9" * 5000, f"“Data bar” takes auto, none or a whole number of rows, not “{'9' * 37}...”."),
    ],
)
def test_every_refusal_is_one_sentence_that_names_the_setting(name, text, sentence):
    with pytest.raises(ValueError) as refusal:
        setting(name).read(text)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("threshold", None, "threshold: the model's own"), ("data_bar", 56, "data bar: 56 rows"),
     ("data_bar", 0, "data bar: there is none"), ("scale", 0.25, "zoom for the model: 0.25 ×"),
     ("flips", True, "all mirrored forms: on"), ("depth", 2.0, "depth: 2 layers")],
)  # fmt: skip
def test_a_value_has_words(name, value, words):
    assert setting(name).change_words(value) == words


def test_the_documentation_is_what_the_settings_say():
    stale = "run: python -m segmentation.core.typed > docs/use/settings.md"
    assert (ROOT / "docs/use/settings.md").read_text(encoding="utf-8") == document(), stale
