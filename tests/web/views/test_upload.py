"""The first page: right and wrong files, several at once, nothing lost and nothing done twice."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.unpacking import OFFICE
from segmentation.models import Arrival, Job, Micrograph, Quota, Sample
from segmentation.services.access.tokens import create_token
from segmentation.services.results.uploads import EXAMPLES
from segmentation.views.upload import NO_IMAGE
from tests.conftest import TEXT_FILE, picture
from tests.reader import CALIBRATED
from tests.web.archive import zipped
from tests.web.finished import visit, words

pytestmark = pytest.mark.django_db
SENTENCE = TEXT_FILE
DAMAGED = "The PNG file is damaged."


@pytest.fixture(autouse=True)
def _reader(reader):
    reader.refusal = DAMAGED
    reader.facts |= {"notes": ["The file has 3 pages; the first is used."], "data_bar": 40}


def good(name="a.png", width=64, tail=b""):
    return SimpleUploadedFile(name, picture(width) + tail)


def bad(name="notes.tif"):
    return SimpleUploadedFile(name, b"just text")


def send(client, *files, **typed):
    """Send the form without its script."""
    return client.post("/", {"file": files, "token": uuid4().hex, "width": "", **typed})


def recipe_of(job):
    return AnalysisSettings.from_dict(job.settings)


class TestPage:
    def test_a_first_visit_sets_no_cookie_but_the_forms(self, client):
        response = client.get("/")
        assert response.status_code == 200
        assert set(response.cookies) == {"csrftoken"}
        page = words(response)
        assert 'name="width" id="id_width"' in page
        assert 'placeholder="e.g. 7520"' in page and 'value="7520"' not in page
        assert 'name="filter" value="off" checked' in page
        assert 'enctype="multipart/form-data"' in page

    def test_every_page_load_has_a_token_of_its_own(self, client):
        assert client.get("/").context["token"] != client.get("/").context["token"]


class TestPlainForm:
    def test_one_image_makes_one_job_and_leads_to_it(self, client, commit, queue):
        with commit():
            response = send(client, good())
        job = Job.objects.get()
        assert (response.status_code, response["Location"]) == (303, f"/jobs/{job.pk}/")
        assert queue == ["analyses"]
        assert job.visitor is not None
        assert job.owner is None
        assert client.get("/results/").context["cards"][0].pk == job.pk

    def test_the_jobs_of_the_signed_in_are_theirs(self, signed_in, alice):
        send(signed_in, good())
        assert Job.objects.get().owner == alice

    def test_all_settings_arrive(self, client):
        typed = {"filter": "on", "threshold": "0,4", "polarity": "dark", "data_bar": "rows", "data_bar_rows": "8"}
        send(client, good(), width="640 nm", **typed)
        recipe = recipe_of(Job.objects.get())
        chosen = recipe.segmentation
        assert (chosen.threshold, chosen.polarity, chosen.data_bar) == (0.4, "dark", 8) and recipe.measurement.filter
        assert (recipe.measurement.calibration.source, recipe.measurement.calibration.nm_per_pixel) == ("typed", 10.0)

    @pytest.mark.parametrize(
        ("sent", "source"),
        [({}, None), ({"width": "  "}, None), ({"width": "7520"}, "typed"), ({"width": "7520 nm"}, "typed")],
    )  # fmt: skip
    def test_only_a_width_that_was_typed_is_a_statement(self, client, sent, source):
        send(client, good("b.png", 65), **sent)
        stated = recipe_of(Job.objects.get()).measurement.calibration
        assert (stated and stated.source) == source

    def test_the_same_form_sent_twice_makes_one_job(self, client):
        token = uuid4().hex
        first, second = (send(client, good(), token=token) for _ in range(2))
        assert first["Location"] == second["Location"]
        assert (Job.objects.count(), Micrograph.objects.count()) == (1, 1)

    def test_without_the_forms_own_key_nothing_happens(self, script):
        assert send(script, good()).status_code == 403
        assert not Micrograph.objects.exists()


class TestWrong:
    def test_nothing_chosen(self, client):
        response = send(client)
        assert response.status_code == 400
        assert NO_IMAGE in words(response)

    def test_what_was_typed_beside_a_bad_file_stays(self, client):
        response = send(client, bad(), filter="on", width="3000", threshold="0.3")
        page = words(response)
        assert response.status_code == 400
        assert page.count(SENTENCE) == 1
        assert "<b>notes.tif</b>" in page
        assert 'name="filter" value="on" checked' in page
        assert 'value="0.3"' in page and 'value="3000"' in page
        assert not Micrograph.objects.exists()

    def test_a_bad_width_is_explained_beside_its_field(self, client):
        response = send(client, good(), width="7,5 ly")
        assert response.status_code == 400
        assert response.context["width_error"].endswith(".")
        assert response.context["stated"].width == "7,5 ly"
        assert not Micrograph.objects.exists()

    @pytest.mark.parametrize("pages", ["x", "0"])
    def test_pages_that_are_none(self, client, pages):
        assert send(client, good(), pages=pages).status_code == 400
        assert not Micrograph.objects.exists()

    def test_a_makers_file_that_is_a_zip_inside_is_named(self, client):
        project = SimpleUploadedFile("run 3.prz", b"PK\x03\x04" + bytes(40))
        assert "a Panta Rhei file (PRZ)" in words(send(client, project))
        assert not Micrograph.objects.exists()

    def test_a_bad_setting_keeps_its_text_and_opens_its_section(self, client):
        response = send(client, good(), threshold="7")
        assert response.status_code == 400
        assert response.context["more_open"]
        assert 'value="7"' in words(response)
        assert not Micrograph.objects.exists()

    def test_too_large(self, client, settings):
        settings.DEEPSEGM_MAX_UPLOAD_MB = 1
        response = send(client, SimpleUploadedFile("big.tif", bytes(2**20 + 1)))
        assert response.status_code == 413
        assert "1 MB" in words(response)

    @pytest.mark.parametrize(("limit", "typed"), [("JOBS", {}), ("SAMPLES", {"one_sample": "on"})])
    def test_too_many_that_wait_leave_nothing_behind(self, client, settings, limit, typed):
        setattr(settings, f"DEEPSEGM_WAITING_{limit}", 1)
        assert [send(client, good("a.png", width), **typed).status_code for width in (64, 65)] == [303, 429]
        assert Micrograph.objects.count() == 1

    def test_a_quota_that_is_used_up_leaves_nothing_behind(self, signed_in, alice):
        Quota.objects.create(user=alice, megapixels_a_day=5)
        Arrival.objects.create(owner=alice, job=uuid4(), pixels=5_000_000)
        answer = send(signed_in, good())
        assert answer.status_code == 429 and "5.0 are used: there is room" in words(answer)
        answer = signed_in.post("/api/v1/jobs", {"file": good()}, headers={"X-Requested-With": "DeepSegm"})
        assert answer.status_code == 429 and 86_390 < int(answer["Retry-After"]) <= 86_400
        assert not Micrograph.objects.exists()

    def test_hostile_names_are_shown_as_text(self, client):
        for name in ("<script>alert(1)</script>.tif", "../../etc/passwd", "x" * 300 + ".tif"):
            page = send(client, bad(name)).content.decode()
            assert "<script>alert" not in page
            assert "etc/passwd" not in page
            assert page.count(SENTENCE) == 1


class TestSeveral:
    """Files that belong together, and several images: as one sample."""

    def test_a_side_file_goes_with_its_image(self, client, reader):
        side = SimpleUploadedFile("a.txt", b"$CM_PIXEL_SIZE 1 nm")
        assert send(client, side, good()).status_code == 303
        assert reader.calls == [("a.png", ["a.txt"], True)]
        assert Job.objects.get().sample is None

    def test_several_images_are_one_sample_with_the_typed_width(self, client):
        response = send(client, good("a.png", 64), good("b.png", 80), width="640 nm", sample_name="Batch 7")
        sample = Sample.objects.get()
        assert (response.status_code, response["Location"]) == (303, f"/samples/{sample.pk}/")
        assert (sample.name, sample.rule, sample.typed) == ("Batch 7", Sample.Rule.WIDTH, "640 nm")
        assert {recipe_of(job).measurement.calibration.nm_per_pixel for job in sample.jobs.all()} == {10.0, 8.0}

    def test_the_first_of_several_that_the_script_sends_makes_their_sample(self, client):
        assert send(client, good(), one_sample="on")["Location"] == f"/samples/{Sample.objects.get().pk}/"

    def test_what_is_no_image_is_noted_beside_others_and_alone_an_error(self, client):
        response = send(client, bad(), one_sample="on")
        assert response.status_code == 400 and SENTENCE in words(response) and not Sample.objects.exists()
        assert send(client, bad(), good()).status_code == 303
        assert [note["name"] for note in Sample.objects.get().notes] == ["notes.tif"]


class TestLaboratory:
    """What a laboratory sets once."""

    SET = {"repeatability": "3", "scale_uncertainty": "2", "scale_uncertainty_k": "2", "operator": "Ada <b>"}

    def measured(self, client, **typed):
        send(client, good(), **typed)
        return recipe_of(Job.objects.latest("created")).measurement

    @pytest.mark.parametrize("signed_in", [True, False])
    def test_new_jobs_take_it_and_what_is_sent_wins(self, client, alice, signed_in):
        if signed_in:
            client.force_login(alice)
        assert client.post("/laboratory/", self.SET)["Location"] == "/laboratory/"
        assert 'value="3"' in words(client.get("/laboratory/"))
        assert "Operator Ada &lt;b&gt;" in words(client.get("/"))
        taken = self.measured(client)
        assert (taken.repeatability, taken.scale_uncertainty, taken.scale_uncertainty_k) == (3, 2, 2)
        assert taken.operator == "Ada <b>"
        sent = self.measured(client, scale_uncertainty="1", operator="")
        assert (sent.repeatability, sent.scale_uncertainty, sent.scale_uncertainty_k, sent.operator) == (3, 1, 1, "")

    def test_what_belongs_to_a_sample_is_typed_with_it(self, client):
        assert 'name="material"' not in words(client.get("/laboratory/"))
        assert 'name="material"' in words(client.get("/"))
        session = client.session
        session["This laboratory"] = {"material": "TiO2", "operator": "Ada"}  # stored before version 1.1
        session.save()
        assert 'name="material"' in words(client.get("/laboratory/"))
        assert re.search('name="material" id="id_material"[^>]* value="TiO2"', words(client.get("/")))
        assert self.measured(client).material == "TiO2"
        assert self.measured(client, material="SiO2").material == "SiO2"

    def test_it_is_of_one_account_or_one_browser(self, client, alice, charlie):
        client.post("/laboratory/", self.SET)
        for user in (alice, charlie):
            client.force_login(user)
            assert self.measured(client).repeatability is None
            client.post("/laboratory/", {"repeatability": "4" if user == alice else ""})
        client.force_login(alice)
        assert self.measured(client).repeatability == 4

    def test_scripts_of_the_account_take_it_too(self, signed_in, alice):
        signed_in.post("/laboratory/", self.SET)
        _, token = create_token(user=alice, name="t", days=30, read_only=False, pk=uuid4())
        header = {"Authorization": f"Bearer {token}"}
        assert Client().post("/api/v1/jobs", {"file": good()}, headers=header).status_code == 202
        assert recipe_of(Job.objects.get()).measurement.operator == "Ada <b>"

    def test_a_number_that_cannot_be_is_refused_beside_its_field(self, client):
        response = client.post("/laboratory/", {"repeatability": "much", "operator": "Ada"})
        assert response.status_code == 400
        assert "“Repeatability” takes auto or a number from 0 to 100, not “much”." in words(response)
        assert 'value="Ada"' in words(response)
        assert self.measured(client).operator == ""
        response = client.post("/laboratory/", {"orcid": "0000-1"})
        assert response.status_code == 400 and list(response.context["form"].errors) == ["orcid"]
        assert "“ORCID” is an ORCID iD" in words(response)


class TestPreview:
    def test_its_maker_and_whoever_has_the_link_see_it(self, client, make_micrograph):
        micrograph = make_micrograph(visitor=uuid4())
        response = client.get(f"/uploads/{micrograph.pk}/preview.png")
        assert response["Content-Type"] == "image/png"
        assert b"".join(response.streaming_content).startswith(b"\x89PNG")
        assert client.get(f"/uploads/{uuid4()}/preview.png").status_code == 404


@pytest.fixture
def sample_file(settings, tmp_path):
    folder = tmp_path / "static" / "sample"
    folder.mkdir(parents=True)
    (folder / "sem-sample.tif").write_bytes(picture() + CALIBRATED)
    settings.STATICFILES_DIRS = [tmp_path / "static"]


@pytest.mark.usefixtures("sample_file")
class TestSample:
    def test_one_click_analyses_it(self, client):
        response = client.post("/sample/", {"token": uuid4().hex})
        job = Job.objects.get()
        assert response["Location"] == f"/jobs/{job.pk}/"
        assert recipe_of(job) == AnalysisSettings.of()

    def test_an_example_is_analysed_as_what_it_is(self, client, settings, model, monkeypatch):
        settings.STATICFILES_DIRS = [settings.BASE_DIR / "static"]
        cards = [model, *(replace(model, name=f"my-{kind}", task=kind) for kind in list(EXAMPLES)[1:])]
        monkeypatch.setattr("segmentation.core.network.cards.available", lambda folder=None: cards)
        monkeypatch.setattr(
            "segmentation.core.network.cards.find", lambda name, folder=None: next(c for c in cards if c.name == name)
        )
        offered = [task.name for task in client.get("/").context["examples"]]
        assert offered == list(EXAMPLES)
        for kind in offered[1:]:
            client.post("/sample/", {"example": kind, "token": uuid4().hex})
            job = Job.objects.latest("created")
            assert (recipe_of(job).task, job.micrograph.name) == (kind, EXAMPLES[kind])
        for nothing in ("lines", "../settings"):
            assert client.post("/sample/", {"example": nothing}).status_code == 400

    def test_a_stored_result_is_shown_at_once_with_its_source(self, client, settings):
        settings.STATICFILES_DIRS = [settings.BASE_DIR / "static"]
        response = client.post("/sample/", {"token": uuid4().hex})
        job = Job.objects.get()
        assert response["Location"] == f"/jobs/{job.pk}/" and job.is_done and job.stored.statistics.n_kept > 30
        page = words(client.get(f"/jobs/{job.pk}/"))
        assert "MIT licence" in page and 'id="tour"' in page and "data-correct" in page
        for artifact in job.artifacts.all():
            assert artifact.file.storage.exists(artifact.file.name)
        assert client.post("/sample/")["Location"] == response["Location"], "the same one again"
        assert visit(Client(), uuid4()).post("/sample/")["Location"] != response["Location"], "others get their own"
        assert Job.objects.count() == 2 and Micrograph.objects.count() == 2

    def test_it_can_be_downloaded(self, client):
        response = client.get("/sample.tif")
        assert response["Content-Disposition"] == 'attachment; filename="sem-sample.tif"'
        assert b"".join(response.streaming_content) == picture() + CALIBRATED


@pytest.mark.django_db
def test_an_office_document_is_refused_on_the_page_where_it_was_dropped(client):
    document = zipped({"[Content_Types].xml": b"<a/>", "word/document.xml": b"x"})
    answer = client.post("/", {"file": SimpleUploadedFile("a.docx", document)})
    assert answer.status_code == 400 and OFFICE in answer.content.decode()
    assert not Micrograph.objects.exists()
