"""The description of a method: its checksum, what a version changes, and what departs from it in a
result."""

from __future__ import annotations

import hashlib
import json

import pytest
from pydantic import ValidationError

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.micrograph.types import Calibration
from segmentation.core.quality.conformity import Limit
from segmentation.core.quality.method import MethodDescription, canonical_text, changes, departures
from segmentation.core.quality.stopping import StoppingRule

SHA256 = "0123abcd" * 8
OF_RESULT = ("calibration", "ignore", "operator", "material")
SOURCES = (Source.METADATA, Source.DRAWN)
USED = AnalysisSettings.of(
    "particles",
    laboratory="Laboratory A",
    operator="Ada",
    material="batch 7",
    ignore=[[[0, 0], [5, 5]]],
    border_correction="weight",
    calibration=Calibration(2.0, "typed"),
)
METHOD = MethodDescription.of_result(
    USED,
    SHA256,
    Source.METADATA,
    texts=("operator",),
    least_images=5,
    least_particles=500,
    stopping=StoppingRule(half_width=0.05),
    limits=(Limit(quantity="n_kept", lower=500),),
)


def test_a_method_saved_from_a_result_has_all_that_decides_and_nothing_of_one_result():
    assert METHOD.settings["border_correction"] == "weight" and METHOD.settings["laboratory"] == "Laboratory A"
    assert METHOD.settings["threshold"] == USED.segmentation.threshold  # every setting, the default ones, too
    assert not {"calibration", "ignore", "operator", "material", "model", "task"} & METHOD.settings.keys()
    assert METHOD.analysis.replaced(**{name: getattr(USED.measurement, name) for name in OF_RESULT}) == USED


def test_the_checksum_is_that_of_the_one_text_and_knows_no_order():
    text = json.dumps(METHOD.as_dict(), sort_keys=True, separators=(",", ":"))
    assert canonical_text(METHOD.as_dict()) == text and METHOD.checksum == hashlib.sha256(text.encode()).hexdigest()
    shuffled = json.loads(json.dumps(dict(reversed(METHOD.as_dict().items()))))
    shuffled["settings"] = dict(reversed(shuffled["settings"].items()))
    again = MethodDescription.from_dict(shuffled)
    assert again == METHOD and again.checksum == METHOD.checksum
    fields = {
        **METHOD.as_dict(),
        "settings": {"border_correction": "weight", "laboratory": "Laboratory A"},
    }
    assert MethodDescription.from_dict(fields).checksum == METHOD.checksum  # defaults are written out
    both = [METHOD.replaced(scale_sources=order) for order in (tuple(SOURCES), tuple(reversed(SOURCES)))]
    assert both[0].checksum == both[1].checksum != METHOD.checksum


CHANGED = {
    "model_sha256": "f" * 64,
    "quantity": "d90",
    "scale_sources": SOURCES,
    "texts": (),
    "least_images": 6,
    "least_particles": 400,
    "stopping": StoppingRule(quantity="fraction_100nm", half_width=0.03),
    "limits": (Limit(quantity="median", lower=80.0, upper=120.0),),
    "settings": {**METHOD.settings, "filter": True},
}


@pytest.mark.parametrize("field", CHANGED)
def test_every_change_is_another_version_and_one_line(field):
    new = METHOD.replaced(**{field: CHANGED[field]})
    assert new.checksum != METHOD.checksum and changes(METHOD, METHOD) == []
    (line,) = changes(new, METHOD)
    assert (
        line
        == {
            "model_sha256": "Model: particles, sha256 ffffffff, before particles, sha256 0123abcd.",
            "quantity": "Answer: D90, before median.",
            "scale_sources": "Sources of a scale: from the file or drawn on the scale bar, before from the file.",
            "texts": "Texts that a result must have: nothing, before operator.",
            "least_images": "Least number of images: 6, before 5.",
            "least_particles": "Least number of particles: 400, before 500.",
            "stopping": "Enough is measured: the share 1–100 nm to ±3 percentage points, before the median to ±5 %.",
            "limits": "Requirements: median 80 to 120 nm, before particles counted at least 500.",
            "settings": "Leave out doubtful objects: on, before off.",
        }[field]
    )


def test_another_kind_is_said_with_the_settings_that_only_it_has():
    phases = MethodDescription.of_result(
        AnalysisSettings.of("phases", model="phases"), SHA256, Source.METADATA, quantity="n_kept"
    )
    lines = changes(phases, METHOD)
    assert lines[0] == "Kind of analysis: Phases, before Particles."
    assert any(line.startswith("Laboratory: nothing, before Laboratory A") for line in lines)


def words(settings=USED, sha256=SHA256, source=Source.METADATA):
    return list(departures(METHOD, settings, sha256, source))


def test_a_result_that_follows_the_method_departs_in_nothing():
    assert words() == []
    other = USED.replaced(operator="Grace", material="batch 8", ignore=(), calibration=None, deviations="none")
    assert words(other) == []
    assert words(USED.replaced(grating="grating 12")) == []  # the method says nothing of it


def test_each_departure_is_one_sentence():
    assert words(source=Source.TYPED) == ["The scale is typed in; the method asks for one from the file."]
    assert words(USED.replaced(operator="")) == ["The operator is missing; the method asks for it."]
    assert words(sha256="f" * 64) == [
        "The outlines are made by model particles, sha256 ffffffff; the method asks for particles, sha256 0123abcd."
    ]
    assert words(sha256="")[0].startswith("The outlines are made by no model; ")
    assert words(USED.replaced(border_correction="exclude", laboratory="")) == [
        "Border correction: leave out what touches the frame; the method asks for leave out what touches the frame, and"
        " weight the others for it.",
        "Laboratory: nothing; the method asks for Laboratory A.",
    ]
    assert words(AnalysisSettings.of("phases", model="phases")) == [
        "This is an analysis of Phases; the method is for Particles."
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"settings": {"operator": "Ada"}}, "no part of a method: operator"),
        ({"settings": {"threshold": 7.0}}, "threshold"),
        ({"settings": {"no_such": 1}}, "no_such"),
        ({"task": "cheese"}, "no kind of analysis named 'cheese'"),
        ({"quantity": "cheese"}, "the name of a number of a result"),
        ({"texts": ("cheese",)}, "no texts named cheese"),
        ({"scale_sources": (Source.NONE,)}, "no source of a scale"),
        ({"model_sha256": "abc"}, "pattern"),
    ],
)
def test_a_description_that_decides_nothing_is_refused(fields, why):
    with pytest.raises(ValidationError, match=why):
        METHOD.replaced(**fields)
