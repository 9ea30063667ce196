"""A kind of analysis that pages, forms and API have never heard of: its settings and words are its own."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Literal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError
from PIL import Image
from pydantic import Field, model_validator

from segmentation.core import tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.network import cards
from segmentation.core.settings import SegmentationSettings
from segmentation.core.tasks import particles
from segmentation.forms.settings import SettingsForm
from segmentation.management.commands import _inputs, analyse
from segmentation.models import Job
from segmentation.views import pages
from segmentation.views.job.revisions import setting_changes
from tests.conftest import picture

from .finished import SUMMARY, words

pytestmark = pytest.mark.django_db


class GrainSettings(SegmentationSettings):
    threshold: float = Field(2.5, ge=1, le=9, title="Contrast", description="Of a border.")
    twins: bool = Field(False, title="Twins", description="Whether twins are grains of their own.")
    etched: Literal["thermal", "acid"] = Field("acid", title="Etching", description="How it was done.")

    @model_validator(mode="after")
    def _twins_need_acid(self) -> GrainSettings:
        if self.twins and self.etched == "thermal":
            raise ValueError("Twins are seen in acid etchings only.")
        return self


GRAINS = replace(
    particles.TASK, name="grains", title="Grains", thing="grain", things="grains", settings=GrainSettings, quantities=()
)


@pytest.fixture(autouse=True)
def grains(monkeypatch):
    monkeypatch.setitem(tasks.catalogue(), "grains", GRAINS)
    models = cards.available()
    card = replace(models[0], name="steel", title="Steel", task="grains")
    monkeypatch.setattr(cards, "available", lambda: [*models, card])
    monkeypatch.setattr(cards, "find", lambda name, find=cards.find: card if name == "steel" else find(name))


def settings(**typed):
    form = SettingsForm(typed)
    assert form.is_valid(), form.errors
    return form.settings()


def test_the_form_takes_the_kind_of_analysis_from_the_model():
    assert settings() == AnalysisSettings.of(model="auto-particles")
    assert settings(model="steel").task == "grains"
    typed = {"grains.threshold": "3,5", "grains.twins": "yes", "border_correction": "weight"}
    assert settings(model="steel", **typed) == AnalysisSettings.of(
        "grains", model="steel", threshold=3.5, twins=True, border_correction="weight"
    )


def test_a_page_sends_the_fields_of_all_kinds_and_the_models_count():
    sent = {"model": "steel", "threshold": "nonsense", "flips": "on", "grains.threshold": "4", "grains.twins": "off"}
    assert settings(**sent) == AnalysisSettings.of("grains", model="steel", threshold=4.0)
    assert settings(**{**sent, "model": "particles", "threshold": "0.4"}) == AnalysisSettings.of(
        threshold=0.4, flips=True
    )


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"threshold": "0.5"}, "“Contrast” takes a number from 1 to 9, not “0.5”."),
        ({"etched": "steam"}, "“Etching” takes thermal or acid, not “steam”."),
        ({"twins": "on", "etched": "thermal"}, "Twins are seen in acid etchings only."),
    ],
)
def test_its_refusals_are_sentences(typed, sentence, client):
    form = SettingsForm({"model": "steel", **{f"grains.{name}": value for name, value in typed.items()}})
    assert [message for list_ in form.errors.values() for message in list_] == [sentence]
    file = SimpleUploadedFile("a.png", picture())
    response = client.post("/api/v1/jobs", {"file": file, "model": "steel", **typed})
    assert (response.status_code, response.json()) == (400, {"error": sentence})


def test_some_settings_fill_the_form_that_makes_them_again():
    for made in (AnalysisSettings.of(threshold=0.3), AnalysisSettings.of("grains", model="steel", twins=True)):
        assert settings(**SettingsForm(earlier=made).initial) == made


def test_the_page_groups_models_and_settings_by_kind(client):
    page = words(client.get("/?model=steel"))
    assert '<optgroup label="Grains" data-task="grains"' in page and '<option value="steel" selected>Steel' in page
    assert '<input type="radio" name="kind" value="grains" checked>' in page
    for name in ("threshold", "polarity", "grains.threshold", "grains.twins", "grains.etched"):
        assert page.count(f'id="id_{name}"') + page.count(f'name="{name}"') >= 1, name
    assert 'data-settings-of="grains"' in page and "js/tasks.js" in page


def test_a_kind_has_a_small_picture(client, monkeypatch, tmp_path):
    monkeypatch.setattr(pages.cards, "picture_of", lambda card, which: tmp_path / f"{card.name}-{which}.webp")
    both = Image.new("RGB", (800, 300), "white")
    both.paste("red", (400, 0, 800, 300))
    both.save(tmp_path / "steel-1.webp", lossless=True)
    response = client.get("/models/steel/small.jpg")
    small = Image.open(io.BytesIO(response.content))
    assert (response["Content-Type"], small.size) == ("image/jpeg", (192, 144))
    assert small.getpixel((3, 3))[1] < 9 < 200 < small.getpixel((3, 3))[0]
    drawn = Image.open(io.BytesIO(client.get("/models/particles/small.jpg").content))  # it has no picture here
    assert drawn.size == (192, 144) and len(drawn.getcolors(192 * 144)) > 1
    assert client.get("/models/nothing/small.jpg").status_code == 404


def test_it_runs_is_described_and_documented(client, queue):
    file = SimpleUploadedFile("a.png", picture())
    answer = client.post("/api/v1/jobs", {"file": file, "model": "steel", "twins": "on"}).json()
    assert answer["settings"]["task"] == "grains" and answer["settings"]["twins"] is True
    document = client.get("/api/v1/openapi.json").json()
    fields = document["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert "twins" in fields["properties"] and "polarity" in fields["properties"]


def test_changes_are_said_in_its_words():
    old, new = (AnalysisSettings.of("grains", twins=twins) for twins in (False, True))
    assert setting_changes(new, old) == ["twins: on"]


def test_the_page_of_a_result_without_sizes(client, make_job):
    numbers = {"etched_share": {"value": 0.432, "low": None, "high": None, "unit": ""}}
    summary = {**SUMMARY, "task": "grains", "statistics": None, "order": list(numbers), "quantities": numbers}
    made = AnalysisSettings.of("grains", model="steel", etched="thermal")
    job = make_job(
        state=Job.State.DONE, summary=summary, settings=made, files=("figure.png", "outlines.json"), attempt=1
    )
    page = words(client.get(f"/jobs/{job.pk}/"))
    assert "<h2>Grains</h2>" in page and "etched share" in page and "0.432" in page
    assert "its grains" in page and 'class="paper"' in page and "Etching</dt><dd>thermal" in page
    assert 'id="histogram"' not in page and "None set aside" not in page


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--twins", "--threshold", "4"], None),
        (["--threshold", "0.5"], "--threshold: “Contrast” takes a number from 1 to 9, not “0.5”."),
        (["--polarity", "dark"], "--polarity: Grains have no such setting."),
        (["--twins", "--etched", "thermal"], "Twins are seen in acid etchings only."),
    ],
)
def test_flags_of_the_command_line(flags, message):
    parser = analyse.Command().create_parser("manage.py", "analyse")
    options = vars(parser.parse_args(["a.tif", "--out", "out", "--model", "steel", *flags]))
    if message is None:
        made = AnalysisSettings.of("grains", model="steel", threshold=4.0, twins=True)
        assert _inputs.analysis_settings(GRAINS, analyse.every_setting(), options) == made
        return
    with pytest.raises(CommandError) as refused:
        _inputs.analysis_settings(GRAINS, analyse.every_setting(), options)
    assert str(refused.value) == message
