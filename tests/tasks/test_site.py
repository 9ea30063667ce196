"""Every kind of analysis from the shell and through the site: form, API, worker, page, sample, measuring again."""

from __future__ import annotations

import json
import re
from unittest.mock import Mock

import jsonschema
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from segmentation.core import pipeline, tasks
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.measure import quantities
from segmentation.core.network import cards
from segmentation.core.network.cards import UnknownModel
from segmentation.core.report import exports
from segmentation.core.settings import SegmentationSettings
from segmentation.core.stages import search
from segmentation.core.typed import settings_of
from segmentation.lab.training import tasks as taught
from segmentation.models import Job, Sample
from segmentation.plain import storable
from segmentation.services.results import jobs
from tests.conftest import as_file
from tests.web.finished import words
from worker import attempts
from worker import tasks as worker
from worker.analysis.samples import _record
from worker.heartbeat import Heartbeat

from . import brightness
from .kinds import kinds

PERCENTILES = ("thickness_d10", "thickness_median", "thickness_d90")  # a sample does not know all its readings
SITE = [pytest.mark.django_db, pytest.mark.usefixtures("site", "coarse")]


@pytest.fixture
def site(own_storage, queue, monkeypatch):
    """A site of its own with a worker that is run by hand."""
    monkeypatch.setattr(attempts, "Heartbeat", lambda row: Heartbeat(row, seconds=3600))


@pytest.fixture
def image(kind, tmp_path):
    path = tmp_path / "golden.png"
    path.write_bytes(as_file(kind.task.golden().picture))
    return path


@pytest.fixture
def image_file():
    return as_file(brightness.golden().picture)


def upload(image, name="golden.png"):
    return SimpleUploadedFile(name, image.read_bytes(), "image/png")


def finished(client, kind, image, **fields):
    """A job that was sent through the API and run."""
    answer = client.post("/api/v1/jobs", {"file": upload(image), "model": kind.card.name, "data_bar": "none", **fields})
    assert answer.status_code == 202, answer.content
    worker.do_analyses()
    job = Job.objects.get(pk=answer.json()["id"])
    assert (job.state, job.error) == ("done", "")
    return job


@pytest.mark.parametrize("bad", ["model", "setting", "flag"])
def test_the_command_line_refuses_in_a_sentence(kind, image, tmp_path, bad):
    setting = next(
        entry for entry in settings_of(kind.task.settings) if entry.name not in SegmentationSettings.model_fields
    )
    arguments = {
        "model": ["--model", "nosuch"],
        "setting": ["--model", kind.card.name, f"--{setting.name.replace('_', '-')}", "nonsense"],
        "flag": ["--model", kind.card.name, "--data-bar", "-3"],
    }[bad]
    with pytest.raises(CommandError) as refused:
        call_command("analyse", str(image), "--out", str(tmp_path / "out"), *arguments)
    assert str(refused.value).count("\n") == 0 and str(refused.value).endswith(".")
    assert bad == "model" or setting.title in str(refused.value) or "Data bar" in str(refused.value)


class TestSite:
    pytestmark = SITE

    def test_the_form_has_its_settings_and_words(self, client, kind):
        page = words(client.get(f"/?model={kind.card.name}"))
        assert f'<option value="{kind.card.name}" selected' in page and kind.task.title.lower() in page
        for setting in settings_of(kind.task.settings):
            if setting.name not in ("model", "data_bar") and not setting.scripts:
                assert f"{setting.title}</l" in page or f">{setting.title}" in page, setting.name

    def test_the_page_of_models_says_what_it_is(self, client, kind):
        page = words(client.get(f"/models/{kind.card.name}/"))
        assert kind.card.summary in page and kind.card.summary in words(client.get("/models/"))
        assert kind.task.name == "particles" or "Working size" not in page

    @pytest.mark.parametrize(
        "kind",
        [
            "particles",
            "brightness",
            *(pytest.param(task.name, marks=pytest.mark.slow) for task in tasks.every() if task.name != "particles"),
        ],
        indirect=True,
    )
    def test_a_job_runs_and_is_told(self, client, kind, image, reader, alice):
        """Over the API, in its files, on its page and in the lists."""
        job = finished(client, kind, image)
        content = client.get(f"/api/v1/jobs/{job.pk}").json()
        assert content["settings"]["task"] == kind.task.name
        assert kinds(content["result"]["quantities"]) == list(kind.task.quantities)
        answer = client.get(f"/jobs/{job.pk}/")
        worker.do_analyses()  # an idle moment after somebody looked at it
        assert client.get(f"/api/v1/jobs/{job.pk}/files/figure.png").status_code == 200
        assert client.get(f"/api/v1/jobs/{job.pk}/files/bundle.zip").status_code == 202
        worker.do_analyses()
        files = exports.by_file_name("image", kind.task)
        assert {artifact.name for artifact in job.artifacts.all()} >= {*files, "segmentation.npz"}
        assert content["files"].keys() == {*files, "segmentation.npz", "image.webp"}
        for name in content["files"]:
            assert client.get(f"/api/v1/jobs/{job.pk}/files/{name}").status_code == 200, name
        page = words(answer)
        assert f'data-key="{kind.task.size}"' in page or kind.task.semantic
        assert answer.status_code == 200 and "Traceback" not in page and kind.card.title in page
        statistics = job.summary["statistics"]
        assert ('id="histogram"' in page) == (statistics is not None and statistics["n_kept"] >= 10)
        if 'id="histogram"' in page:
            bars = client.get(f"/jobs/{job.pk}/histogram/").json()
            assert bars["measures"][0] == statistics["size"] == kind.task.size
            assert bars["n"] == sum(bars["counts"]) == statistics["n_kept"]
        assert f"Table of {kind.task.things}" in page
        assert ("Lengths and directions" in page) == ("rose" in kind.task.panels)
        if kind.task.name != "particles":
            text = re.sub(r"<form.*?</form>|<option.*?</option>", "", page.lower()).replace('class="particles"', "")
            assert "particle" not in text, text[max(0, text.index("particle") - 200) : text.index("particle") + 60]
            head = text.split("<table")[0]
            assert "feret" not in head, head[max(0, head.index("feret") - 300) : head.index("feret") + 60]
        Job.objects.update(owner=alice)
        client.force_login(alice)
        for name in ("status", "rerun", "histogram"):
            assert client.get(f"/jobs/{job.pk}/{name}/").status_code in (200, 204, 302, 404, 405), name
        listed = client.get("/results/")
        assert listed.status_code == 200 and "golden.png" in words(listed)

    @pytest.mark.slow
    def test_an_image_of_another_kind_is_a_finished_result(self, client, kind, image, reader, monkeypatch):
        """Its picture, what it looks like instead, no number, and small pictures of what other models find."""
        other = cards.find("grain-boundaries" if kind.task.name != "grains" else "particles")
        monkeypatch.setattr(search, "compared_with_models", lambda picture, card, **options: ([other], False))
        monkeypatch.setattr(search, "relative_distance", lambda *arguments: 0.0)
        job = finished(client, kind, image)
        page = words(client.get(f"/jobs/{job.pk}/"))
        assert f"training images of {other.title}" in page
        for name in ("outlines.json", "image.webp", "result.json"):
            assert client.get(f"/jobs/{job.pk}/files/{name}").status_code == 200, name
        outlines = json.loads(client.get(f"/jobs/{job.pk}/files/outlines.json").getvalue())
        # The drawn grains have outlines that only grains have.
        refuses = job.summary["refused"]
        assert refuses == (kind.task.name != "grains") or not kind.is_ours
        if not refuses:
            return
        assert not any(particle["kept"] for particle in outlines["particles"])
        (doubt,) = (flag["short"] for flag in job.summary["flags"] if flag["doubt"])
        assert doubt in page and f'hx-get="/jobs/{job.pk}/proposals/"' in page
        assert 'id="scale-title"' not in page
        assert "Do the outlines in the picture look right?" in page and "If its outlines" not in page
        assert "data-colour-by" not in page, "nothing is coloured, and the script of the picture would fail on it"
        assert not any(value["value"] for value in job.summary["quantities"].values())
        sent = client.post(f"/jobs/{job.pk}/change/", {"model": other.name})
        new = Job.objects.get(pk=sent["Location"].split("/")[-2])
        assert (new.get_settings().task, new.get_settings().segmentation.model) == (other.task, other.name)
        assert new.parent == job and new.micrograph == job.micrograph
        new.delete()  # else it would be next
        sent = client.post(f"/jobs/{job.pk}/change/", {"measure_unlike": "on"})
        new = Job.objects.get(pk=sent["Location"].split("/")[-2])
        worker.do_analyses()
        new.refresh_from_db()
        assert (new.state, new.summary["refused"], new.segmentation) == ("done", False, job.segmentation)
        assert any(value["value"] for value in new.summary["quantities"].values())
        assert "because somebody asked for it" in " ".join(new.summary["warnings"])

    def test_bad_settings_are_refused_in_a_sentence(self, client, kind, image, reader):
        for setting in settings_of(kind.task.settings):
            if setting.name == "model":
                continue
            sent = {"file": upload(image), "model": kind.card.name, setting.name: "nonsense"}
            answer = client.post("/api/v1/jobs", sent)
            assert answer.status_code == 400 and setting.title in answer.json()["error"]
            assert answer.json()["error"].endswith(".") and "Traceback" not in answer.json()["error"]
        assert not Job.objects.exists()

    @pytest.mark.slow
    def test_what_was_found_is_measured_again_without_its_model(self, client, kind, image, reader, monkeypatch):
        monkeypatch.setattr(worker, "_do_idle", lambda: None)
        job = finished(client, kind, image)
        gone = Mock(side_effect=UnknownModel("There is no model of this name any more."))
        monkeypatch.setattr(pipeline, "cards_for_name", gone)
        monkeypatch.setattr(search, "load_network", gone)
        settings = job.get_settings().replaced(filter=True, border_correction="weight")
        second_job = jobs.rerun_job(job=job, settings=settings, user=job.owner, visitor=job.visitor)
        worker.do_analyses()
        second_job.refresh_from_db()
        assert (second_job.state, second_job.error) == ("done", "") and second_job.segmentation == job.segmentation
        assert second_job.summary["reused"] and second_job.summary["model"]["name"] == kind.card.name
        assert kinds(second_job.summary["quantities"]) == list(kind.task.quantities)
        with second_job.segmentation.file.open("rb") as file:
            segmentation = Segmentation.load(file)
        assert len(segmentation) and segmentation.provenance.card["name"] == kind.card.name
        assert client.get(f"/jobs/{second_job.pk}/").status_code == 200

    @pytest.mark.slow
    def test_two_images_are_a_sample(self, client, kind, image, reader, commit, monkeypatch):
        monkeypatch.setattr(worker, "_do_idle", lambda: None)
        other = kind.task.golden().picture[::-1].copy()
        other[0, 0] += 1  # where both ways round look the same, it would be the same file
        other = as_file(other)
        files = [upload(image), SimpleUploadedFile("other.png", other, "image/png")]
        sent = {"file": files, "name": "Both", "model": kind.card.name, "data_bar": "none"}
        with commit():
            answer = client.post("/api/v1/samples", sent)
        assert answer.status_code == 202, answer.content
        sample = Sample.objects.get(pk=answer.json()["id"])
        with commit():
            for _ in sample.jobs.all():
                worker.do_analyses()
        worker.do_analyses()
        sample.refresh_from_db()
        assert (sample.state, sample.error) == ("done", "")
        assert all(job.state == "done" for job in sample.jobs.all())
        response, page = client.get(f"/api/v1/samples/{sample.pk}"), client.get(f"/samples/{sample.pk}/")
        assert (response.status_code, page.status_code) == (200, 200)
        pooled = sample.pooled
        assert len(pooled["images"]) == 2
        first = sample.jobs.select_related("segmentation").first()
        with first.segmentation.file.open("rb") as file:
            used = Segmentation.load(file, first.segmentation.get_provenance()).used
        assert _record(first).used.entries == storable(used), "the report of a sample knows as much as that of an image"
        assert json.loads(client.get(f"/samples/{sample.pk}/outlines.json").getvalue())["images"]
        assert client.get("/results/").status_code == 200
        if kind.task.pool_fields is None:
            assert pooled["n_kept"] > 0
            return
        alone = sample.jobs.first().summary["quantities"]
        assert kinds(pooled["quantities"]) == list(kind.task.quantities)
        for name, answer in pooled["quantities"].items():
            value = alone[name]["value"]
            adds_up = quantities.number(name).kind == "integer" or name.startswith("layer_length")
            wanted = 2 * value if value and adds_up else value
            unknown = name.startswith(PERCENTILES)
            assert answer["value"] == (None if unknown else value and pytest.approx(wanted, rel=0.02)), name
        title = quantities.number(next(iter(pooled["quantities"])).partition(quantities.OF)[0]).title
        assert title in words(page)
        assert response.json()["result"]["quantities"].keys() == pooled["quantities"].keys()


@pytest.mark.usefixtures("coarse", "no_text", "one_core")
@pytest.mark.slow
def test_the_command_line_writes_every_file_of_two_images_and_their_sample(kind, image, tmp_path, capsys):
    other = tmp_path / "other.png"
    other.write_bytes(image.read_bytes())
    arguments = ["analyse", str(image), str(other), "--model", kind.card.name, "--sample", "Both", "--data-bar", "none"]
    arguments += ["--files", "all"]
    out = tmp_path / "out"
    call_command(*arguments, "--out", str(out))
    assert "Both -> " in (output := capsys.readouterr().out) and "2 images" in output and kind.task.things in output
    for what, folder, more in (("image", out / "golden", {"timings.json"}), ("sample", out, {"golden", "other"})):
        listed = [name for name, export in exports.by_file_name(what, kind.task).items() if not export.for_the_page]
        assert {file.name for file in folder.iterdir()} == {*listed, *more}
        assert all((folder / name).stat().st_size for name in listed)
        result = json.loads((folder / "result.json").read_text())
        jsonschema.validate(result, json.loads((folder / "result.schema.json").read_text()))
        answers = result["quantities"]
        if kind.task.name != "particles":
            answers = {answer["name"]: answer for answer in answers}
        assert kinds(answers) == list(kind.task.quantities)
    answers = json.loads((out / "golden" / "result.json").read_text())["quantities"]
    answers = answers if kind.task.name == "particles" else {answer["name"]: answer for answer in answers}
    assert all(answers[name]["value"] is not None for name in kind.task.golden().answers)
    assert ("filter off" in (out / "golden" / "figure.svg").read_text()) == ("filter" not in kind.task.ignores)


@pytest.mark.django_db
@pytest.mark.usefixtures("site")
def test_a_card_of_a_kind_that_is_gone_breaks_nothing(client, toy, image_file, monkeypatch):
    """A model may be installed whose kind of analysis this version does not have."""
    sent = {"file": SimpleUploadedFile("a.png", image_file), "model": toy.name}
    job = client.post("/api/v1/jobs", sent).json()["id"]
    sample = client.post("/api/v1/samples", {**sent, "file": SimpleUploadedFile("a.png", image_file)}).json()["id"]
    with monkeypatch.context() as patch:
        for registry in (tasks, taught):
            patch.delitem(registry.catalogue(), "brightness")
        for address in ("/", f"/?model={toy.name}", "/models/", f"/models/{toy.name}/", "/help/", "/results/"):
            assert client.get(address).status_code == 200, address
        for address in (f"/api/v1/jobs/{job}", f"/api/v1/samples/{sample}"):
            assert client.get(address).status_code == 200, address
        for address in (f"/jobs/{job}/", f"/samples/{sample}/"):
            answer = client.get(address)
            assert answer.status_code == 501 and "no kind of analysis" in words(answer), address
        assert "no kind of analysis" in words(client.get(f"/models/{toy.name}/"))
        answer = client.post("/api/v1/jobs", {**sent, "file": SimpleUploadedFile("b.png", image_file)})
        assert answer.status_code == 400 and answer.json()["error"].startswith("There is no")
        worker.do_analyses()
    assert "no kind of analysis" in Job.objects.get(pk=job).error
