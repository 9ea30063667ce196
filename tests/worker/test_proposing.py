"""Other ways to analyse the image of a doubtful result: which are tried, that jobs come first, what the page shows."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from django.urls import reverse

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import Flag
from segmentation.core.network import cards
from segmentation.core.stages import proposing
from segmentation.core.stages.proposing import Part, ways
from segmentation.core.stored import StoredResult
from segmentation.core.tasks.judgement import without_numbers
from segmentation.models import Job, Proposals
from segmentation.services.results import jobs
from tests.core.builders import make_analysis
from tests.web.finished import SUMMARY
from worker import heartbeat, tasks
from worker.analysis import proposing as worker_proposing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "coarse")]
NOTHING = {
    **SUMMARY,
    "statistics": {**SUMMARY["statistics"], "n_kept": 0, "n_set_aside": 0},
    "found": 0,
    "used": {"polarity": "bright", "scale": 0.5},
    "model": {"name": "particles"},
}


@pytest.fixture
def here(monkeypatch):
    """Five models, the likeliest first."""
    card = cards.find("particles")
    models = [card, *(replace(card, name=name) for name in ("supported", "bubbles", "coatings", "steel", "more"))]
    monkeypatch.setattr(proposing, "nearest", lambda picture, among: list(among))
    monkeypatch.setattr(worker_proposing, "offered_models", lambda user: models)
    monkeypatch.setattr(cards, "find", {model.name: model for model in models}.get)
    return models


def part_of(shape=(300, 400), **settings):
    analysis = make_analysis(12, shape)
    return Part.of(analysis.micrograph, AnalysisSettings.of(**settings))


def stored(used, **more):
    return StoredResult.read({"model": {"name": "particles"}, "used": used, **more})


@pytest.fixture
def asked(make_job, alice, client, here, monkeypatch):
    """Other ways of a result without outlines, as its page asks for them; `try_way` is replaced."""
    job = make_job(state="done", attempt=1, summary=NOTHING, owner=alice)
    monkeypatch.setattr(worker_proposing, "load_micrograph", lambda *_: make_analysis(12, (300, 400)).micrograph)
    client.force_login(alice)
    client.get(reverse("job-proposals", args=[job.pk]))
    return Proposals.objects.get(job=job)


def page_of(client, job):
    return client.get(reverse("job-proposals", args=[job.pk])).content.decode()


def test_the_likeliest_models_the_other_polarity_and_two_scales(here):
    used = {"polarity": "bright", "scale": 0.5}
    candidates = ways(part_of(), AnalysisSettings.of(), stored(used), here)
    settings = [way.settings for way in candidates]
    others = [{"model": card.name, "scale": 1.0} for card in here[1:5]]  # of the same kind, after a coarse reading
    varied = [{"model": "particles", **way} for way in ({"polarity": "dark"}, {"scale": 0.25}, {"scale": 1.0})]
    assert settings == [others[0], varied[0], others[1], varied[1], others[2], varied[2], others[3]]
    advised = ways(part_of(), AnalysisSettings.of(), stored({**used, "resembles": {"model": "coatings"}}), here)
    assert advised[0].settings["model"] == "coatings", "what the image looks like is tried first"
    beside = {**used, "beside": {"polarity": "dark", "count": 8}}
    both = ways(part_of(), AnalysisSettings.of(), stored(beside), here)
    assert [way.settings["polarity"] for way in both] == ["bright", "dark"], "the two are shown side by side"
    of_another_kind = ways(part_of(), AnalysisSettings.of(), stored(used, refused=True), here)
    assert [way.settings for way in of_another_kind] == others


def test_a_model_of_the_same_kind_is_first_and_looks_closely_at_what_was_read_coarsely(monkeypatch):
    card = cards.find("particles")
    tasks_of = {"particles": "particles", "steel": "phases", "supported": "particles", "coatings": "layers"}
    every = [replace(card, name=name, task=task) for name, task in tasks_of.items()]
    monkeypatch.setattr(proposing, "nearest", lambda picture, among: list(among))
    coarse, fine = (
        ways(part_of(), AnalysisSettings.of(), stored({"polarity": "dark", "scale": scale}), every)[0].settings
        for scale in (0.2, 1.0)
    )
    assert (coarse, fine) == ({"model": "supported", "scale": 1.0}, {"model": "supported"})


def test_the_part_is_the_middle_of_a_large_image_without_its_bar():
    micrograph = make_analysis(0, (100, 100)).micrograph
    pixels = np.zeros((3000, 4000), np.uint8)
    pixels[1400:1500, 2000:2100] = 255
    part = Part.of(replace(micrograph, pixels=pixels), AnalysisSettings.of(data_bar=100))
    assert (part.micrograph.shape, part.divisor) == ((768, 768), 2)
    assert part.micrograph.pixels[359:409, 384:434].min() == 255 and part.micrograph.pixels.mean() < 2


@pytest.mark.parametrize(("count", "refused", "words"), [(12, False, "12 particles"), (2, False, ""), (12, True, "")])
def test_only_a_way_that_finds_something_is_shown(count, refused, words, monkeypatch):
    analysis = make_analysis(count, (120, 160))
    analysis = replace(analysis, table=without_numbers(analysis.table)) if refused else analysis
    words, asked_of = words.replace("12", str(int(analysis.table.kept.sum()))), []
    monkeypatch.setattr(proposing, "analyse", lambda _, settings, *__, **___: asked_of.append(settings) or analysis)
    part, way = replace(part_of(), divisor=2), proposing.Way("", {"model": "particles", "scale": 0.5})
    seen = proposing.try_way(part, AnalysisSettings.of(polarity="dark"), way, cards.find("particles"))
    assert (seen[0] if seen else "") == words
    settings = asked_of[0].segmentation
    assert (settings.scale, settings.polarity, settings.data_bar) == (1.0, "dark", 0)
    analysis = replace(analysis, flags=(Flag.doubtful("Few are whole.", "Few are whole"),))
    of_grains = part, AnalysisSettings.of("grains"), way, cards.find("particles")
    assert proposing.try_way(*of_grains) is None, "another kind"
    assert proposing.try_way(*of_grains, fewest=0), "another kind that the warning names"


def test_a_page_shows_what_was_found_and_one_click_analyses_so(asked, client, monkeypatch):
    outcomes = {"supported": ("42 particles", b"RIFF"), "particles": None}
    monkeypatch.setattr(proposing, "try_way", lambda part, recipe, way, card, **_: outcomes.get(card.name))
    assert "Trying other models" in page_of(client, asked.job)
    tasks.do_analyses()
    page = page_of(client, asked.job)
    offers = Proposals.objects.get().result["shown"]
    assert [offer["count"] for offer in offers] == ["42 particles"] and b64decode(offers[0]["picture"]) == b"RIFF"
    assert "42 particles" in page and 'name="model" value="supported"' in page and "hx-get" not in page
    client.post(reverse("job-change", args=[asked.job.pk]), {"model": "particles", "scale": "0.25", "polarity": "dark"})
    settings = asked.job.reruns.get().get_settings().segmentation
    assert (settings.model, settings.scale, settings.polarity) == ("particles", 0.25, "dark")
    jobs.delete_job(job=asked.job)
    assert not Proposals.objects.exists()


@pytest.mark.parametrize(
    ("refused", "expected", "least"), [(True, 0.9, 0.5), (False, 0.6, 0.6), (False, 0.2, 0.5), (False, None, 0.5)]
)
def test_nothing_is_advised_that_is_no_better(asked, client, monkeypatch, refused, expected, least):
    used = {**NOTHING["used"], "resembles": {"model": "coatings"}} | ({"expected": expected} if expected else {})
    Job.objects.filter(pk=asked.job_id).update(summary={**NOTHING, "used": used, "refused": refused})
    tried = []

    def look(part, requested, way, card, *, least, fewest, **_):
        tried.append((card.name, least, fewest))

    monkeypatch.setattr(proposing, "try_way", look)
    tasks.do_analyses()
    assert [tried[0], tried[1][2]] == [("coatings", least, 0), 3], "what the page names is shown whatever it finds"
    page = page_of(client, asked.job)
    assert "Other models and settings find nothing certain" in page and "<button" not in page and "hx-get" not in page


def test_a_job_comes_first_and_what_was_tried_is_not_tried_again(asked, make_job, monkeypatch):
    tried, waits = [], []

    def look(part, recipe, way, card, *, progress, **_):
        if len(tried) == 1 and not waits:
            waits.append(make_job())
        progress("segmenting", 0.5)
        tried.append(str(way))

    monkeypatch.setattr(proposing, "try_way", look)
    monkeypatch.setattr(heartbeat, "URGENT_WORK_CHECK_SECONDS", -1.0)
    tasks.do_analyses()
    asked.refresh_from_db()
    assert (asked.state, asked.result["tried"], len(tried)) == ("queued", 1, 1)
    Job.objects.filter(pk=waits[0].pk).update(state="done")
    tasks.do_analyses()
    asked.refresh_from_db()
    assert asked.state == "done" and len(tried) == len(set(tried)) == asked.result["tried"]
