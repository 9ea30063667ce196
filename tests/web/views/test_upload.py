"""The upload page: with and without its script, right and wrong files, nothing lost and nothing done twice."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import Job, Micrograph
from segmentation.models.micrographs import IS_TYPED
from segmentation.services.access.tokens import create_token
from segmentation.services.ground.calibration import UNSCALED
from segmentation.services.results.uploads import EXAMPLES
from segmentation.views.arriving import ASKED, GONE
from segmentation.views.upload import MARKED, NOTHING
from tests.conftest import TEXT_FILE, picture
from tests.reader import CALIBRATED
from tests.web.finished import uploaded, words

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


def start(client, *files, **typed):
    """Let the page's script send files and start their analysis."""
    return press(client, {**uploaded(client, *files), **typed})


def press(client, typed):
    """Let the page's script start the analysis of files that have arrived."""
    return client.post("/uploads/start/", {"token": uuid4().hex, "width": "", **typed})


def sentences(response):
    return [problem["sentence"] for problem in response.json()["problems"]]


def recipe_of(job):
    return AnalysisSettings.from_dict(job.settings)


class TestPage:
    def test_a_first_visit_sets_no_cookie_but_the_forms(self, client):
        response = client.get("/")
        assert response.status_code == 200
        assert set(response.cookies) == {"csrftoken"}
        page = words(response)
        assert 'name="width" id="id_width"' in page
        assert 'placeholder="7520"' in page and 'value="7520"' not in page
        assert 'name="filter" value="off" checked' in page
        assert 'enctype="multipart/form-data"' in page

    def test_every_page_load_has_a_token_of_its_own(self, client):
        assert client.get("/").context["token"] != client.get("/").context["token"]


class TestPlainForm:
    def test_one_image_makes_one_job_and_leads_to_it(self, client, django_capture_on_commit_callbacks, queue):
        with django_capture_on_commit_callbacks(execute=True):
            response = send(client, good())
        job = Job.objects.get()
        assert (response.status_code, response["Location"]) == (303, f"/jobs/{job.pk}/")
        assert queue == ["analyses"]
        assert job.visitor is not None
        assert job.owner is None
        assert client.get("/results/").context["cards"][0].pk == job.pk

    def test_the_jobs_of_the_signed_in_are_theirs(self, client, alice):
        client.force_login(alice)
        send(client, good())
        assert Job.objects.get().owner == alice

    def test_all_settings_arrive(self, client):
        typed = {"filter": "on", "threshold": "0,4", "polarity": "dark", "data_bar": "rows", "data_bar_rows": "8"}
        send(client, good(), width="640 nm", **typed)
        recipe = recipe_of(Job.objects.get())
        assert (
            recipe.measurement.filter,
            recipe.segmentation.threshold,
            recipe.segmentation.polarity,
            recipe.segmentation.data_bar,
        ) == (True, 0.4, "dark", 8)
        assert (recipe.measurement.calibration.source, recipe.measurement.calibration.nm_per_pixel) == ("typed", 10.0)

    @pytest.mark.parametrize(
        ("sent", "source"),
        [({}, None), ({"source": "typed"}, None), ({"width": "7520"}, "typed"),
         ({"source": "", "width": "7520 nm"}, "typed"), ({"source": "", "width": "650"}, "typed")],
    )  # fmt: skip
    def test_only_a_width_that_was_typed_is_a_statement(self, client, sent, source):
        send(client, good("b.png", 65), **sent)
        stated = recipe_of(Job.objects.get()).measurement.calibration
        assert (stated and stated.source) == source

    def test_the_width_left_alone_is_the_files_own(self, client):
        send(client, good("a.png", 64, CALIBRATED))
        assert recipe_of(Job.objects.get()).measurement.calibration is None

    def test_the_same_form_sent_twice_makes_one_job(self, client):
        token = uuid4().hex
        first, second = (send(client, good(), token=token) for _ in range(2))
        assert first["Location"] == second["Location"]
        assert (Job.objects.count(), Micrograph.objects.count()) == (1, 1)

    def test_a_form_of_a_later_visit_makes_another(self, client):
        assert send(client, good())["Location"] != send(client, good())["Location"]

    def test_without_the_forms_own_key_nothing_happens(self, client_with_csrf):
        assert send(client_with_csrf, good()).status_code == 403
        assert not Micrograph.objects.exists()


@pytest.fixture
def client_with_csrf():
    return Client(enforce_csrf_checks=True)


class TestWrong:
    def test_nothing_chosen(self, client):
        response = send(client)
        assert response.status_code == 400
        assert NOTHING in words(response)

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
        project.seek(0)
        assert "a Panta Rhei file (PRZ)" in words(client.post("/uploads/", {"file": project}))
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

    def test_too_many_waiting_jobs_leave_nothing_behind(self, client, settings):
        settings.DEEPSEGM_WAITING_JOBS = 1
        assert [send(client, good("a.png", width)).status_code for width in (64, 65)] == [303, 429]
        assert Micrograph.objects.count() == 1

    def test_hostile_names_are_shown_as_text(self, client):
        for name in ("<script>alert(1)</script>.tif", "../../etc/passwd", "x" * 300 + ".tif"):
            page = send(client, bad(name)).content.decode()
            assert "<script>alert" not in page
            assert "etc/passwd" not in page
            assert page.count(SENTENCE) == 1


class TestStart:
    """What the script starts once the files have arrived."""

    def test_one_image_leads_to_its_job(self, client, django_capture_on_commit_callbacks, queue):
        with django_capture_on_commit_callbacks(execute=True):
            response = start(client, good())
        job = Job.objects.get()
        assert (response.status_code, response.json()) == (200, {"location": f"/jobs/{job.pk}/"})
        assert queue == ["analyses"]

    def test_several_images_make_a_job_each_and_lead_to_the_list(self, client):
        response = start(client, good("a.png", 64), good("b.png", 65), good("b.png", 66))
        assert response.json() == {"location": "/results/"}
        assert sorted(Job.objects.values_list("micrograph__name", flat=True)) == ["a.png", "b.png", "b.png"]

    def test_a_width_typed_once_counts_for_several_images(self, client):
        start(client, good("a.png", 64), good("b.png", 80), width="640", source="typed")
        sizes = {recipe_of(job).measurement.calibration.nm_per_pixel for job in Job.objects.all()}
        assert sizes == {10.0, 8.0}

    def test_a_width_that_the_file_contradicts_is_asked_about_first(self, client):
        typed = uploaded(client, good("a.png", 64, CALIBRATED))
        micrograph = Micrograph.objects.get()
        own_width = micrograph.own_calibration.width_nm(64)
        typed |= {"width": f"{2 * own_width:g}", "source": "typed"}
        response = start(client, **typed)
        assert (response.status_code, sentences(response)) == (400, [ASKED])
        question = response.json()["questions"][str(micrograph.pk)]
        assert f"The file says that the image is {own_width:g} nm wide. You typed {2 * own_width:g} nm." in question
        sure = f"sure_{micrograph.pk}"
        assert f'name="{sure}" value="{2 * own_width:g}"' in question
        assert start(client, **typed, **{sure: f"{own_width:g}"}).status_code == 400  # sure of another one
        assert start(client, **typed, **{sure: f"{2 * own_width:g}"}).status_code == 200
        assert start(client, **typed | {"width": f"{1.01 * own_width:g}"}).status_code == 200

    @pytest.mark.parametrize("columns", [0, 64])
    def test_a_typed_width_waits_for_the_bar_of_an_image_alone(self, client, columns, monkeypatch):
        monkeypatch.setattr("segmentation.services.results.uploads.ring", list)
        typed = {"width": "640", **uploaded(client, good())}
        image = Micrograph.objects.filter(pk=typed["upload"][0])
        image.update(state="queued", width=columns)
        assert press(client, typed | {"threshold": "7"}).status_code == 400
        response = press(client, typed)
        assert (response.status_code, Job.objects.count(), image.get().asked) == (202, 0, IS_TYPED)
        image.update(reading={"nm_per_pixel": 5.0, "sure": True}, state="done", width=64)
        question = press(client, typed).json()["questions"][typed["upload"][0]]
        assert "The bar in the image says that the image is 320 nm wide. You typed 640 nm." in question
        assert press(client, typed | {"width": "320"}).status_code == 200

    @pytest.mark.parametrize(
        ("tail", "typed"),
        [(CALIBRATED, {"width": "470"}), (b"", {"width": ""}), (b"", {"width": "640", "at_once": "on"})],
    )
    def test_nothing_else_waits_for_a_bar(self, client, tail, typed):
        typed |= uploaded(client, good("a.png", 64, tail))
        Micrograph.objects.update(state="queued")
        assert press(client, typed).status_code == 200

    def test_a_bad_width_of_one_of_several_images(self, client):
        typed = uploaded(client, good("a.png", 64), good("b.png", 65))
        first, second = typed["upload"]
        response = start(client, **typed, **{f"width_{first}": "640", f"width_{second}": "wide"})
        assert (response.status_code, sentences(response)) == (400, [MARKED])
        assert list(response.json()["fields"]) == [f"width_{second}"]
        assert not Job.objects.exists()

    def test_a_bad_width_for_all(self, client):
        response = start(client, good("a.png", 64), good("b.png", 65), width="7,5 ly", source="typed")
        assert list(response.json()["fields"]) == ["width"]

    def test_a_bad_setting_and_a_bad_rule(self, client):
        typed = {"threshold": "7", "one_sample": "on", "rule": "pixel", "rule_pixel": "wide"}
        assert list(start(client, good(), **typed).json()["fields"]) == ["threshold", "rule_pixel"]

    def test_a_data_bar_higher_than_the_image(self, client):
        response = start(client, good(), data_bar="rows", data_bar_rows="4000")
        assert response.status_code == 400
        assert "has only 48" in sentences(response)[0]

    def test_too_many_waiting_jobs_lose_no_image(self, client, settings):
        settings.DEEPSEGM_WAITING_JOBS = 1
        typed = uploaded(client, good("a.png", 64), good("b.png", 65))
        response = start(client, **typed)
        assert response.status_code == 429
        assert Job.objects.get().micrograph.name == "a.png"
        assert response.json()["started"] == typed["upload"][:1]
        assert [problem["name"] for problem in response.json()["problems"]] == ["b.png"]

    def test_what_was_removed_from_the_page_goes(self, client):
        first, second = uploaded(client, good("a.png", 64), good("b.png", 65))["upload"]
        assert start(client, upload=first, removed=second).status_code == 200
        assert Micrograph.objects.get().name == "a.png"

    @pytest.mark.parametrize("pk", ["nonsense", str(UUID(int=5))])
    def test_an_image_that_is_gone_is_named_as_such(self, client, pk):
        response = start(client, upload=[*uploaded(client, good())["upload"], pk])
        assert (response.status_code, sentences(response)) == (400, [GONE])
        assert not Job.objects.exists()

    def test_nobody_can_use_anothers_upload(self, client, make_micrograph, alice):
        for micrograph in (make_micrograph(owner=alice), make_micrograph(visitor=uuid4())):
            assert start(client, upload=str(micrograph.pk)).status_code == 400
        assert not Job.objects.exists()

    def test_the_width_of_the_file_sent_back_states_nothing(self, client):
        typed = uploaded(client, good("a.png", 64, CALIBRATED))
        assert start(client, **typed, width="470", source="metadata").status_code == 200
        assert recipe_of(Job.objects.get()).measurement.calibration is None


class TestScript:
    """What the page's script asks for."""

    def asked(self, client):
        """What the page is told of its one upload."""
        pk = str(Micrograph.objects.get().pk)
        return " ".join(client.post("/uploads/cards/", {"upload": pk}).json()["cards"][pk].split())

    def test_a_file_becomes_a_card(self, client):
        response = client.post("/uploads/", {"file": good("nice.png", 1024, CALIBRATED)})
        micrograph = Micrograph.objects.get()
        assert response.status_code == 201
        assert words(response).startswith("<article") and f'data-pending="{micrograph.pk}"' in words(response)
        page = self.asked(client)
        assert page.startswith("<article")
        assert f'data-upload="{micrograph.pk}"' in page
        assert re.search("from the file [^<]*tag 34118, [^<]*: 7.344 nm/px", page)
        assert 'value="7520"' in page
        assert 'value="metadata"' in page
        assert "last 8 rows" in page
        assert "3 pages" in page

    def test_a_bar_is_read_while_a_width_is_typed(self, client, monkeypatch):
        client.post("/uploads/", {"file": good()})
        self.asked(client)
        Micrograph.objects.update(state="queued")
        enqueued = []
        monkeypatch.setattr("segmentation.services.results.uploads.ring", enqueued.append)
        image, fields = Micrograph.objects.get(), {"width": "6", "source": "typed"}
        for sent, messages in (({}, 0), (fields, 1), (fields, 1), ({"width": "", "source": ""}, 1)):
            client.post("/uploads/cards/", {"upload": str(image.pk), **sent})
            assert len(enqueued) == messages
        assert Micrograph.objects.get().asked == IS_TYPED

    def test_a_file_without_calibration_has_no_scale(self, client):
        client.post("/uploads/", {"file": good()})
        assert UNSCALED in self.asked(client)

    def test_a_bad_file_becomes_a_sentence(self, client):
        response = client.post("/uploads/", {"file": bad("<i>.tif")})
        assert response.status_code == 400
        assert words(response).startswith("<article")
        assert SENTENCE in words(response)
        assert "<i>" not in words(response)

    def test_what_turns_out_to_be_no_image_becomes_a_sentence(self, client):
        response = client.post("/uploads/", {"file": SimpleUploadedFile("cut.png", picture()[:20])})
        assert response.status_code == 201
        assert DAMAGED in self.asked(client) and "data-pending" not in self.asked(client)

    def test_no_file(self, client):
        assert client.post("/uploads/").status_code == 400


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

    def test_it_is_of_one_account_or_one_browser(self, client, alice, charlie):
        client.post("/laboratory/", self.SET)
        for user in (alice, charlie):
            client.force_login(user)
            assert self.measured(client).repeatability is None
            client.post("/laboratory/", {"repeatability": "4" if user == alice else ""})
        client.force_login(alice)
        assert self.measured(client).repeatability == 4

    def test_scripts_of_the_account_take_it_too(self, client, alice):
        client.force_login(alice)
        client.post("/laboratory/", self.SET)
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
        for kind in offered:
            client.post("/sample/", {"example": kind, "token": uuid4().hex})
            job = Job.objects.latest("created")
            assert (recipe_of(job).task, job.micrograph.name) == (kind, EXAMPLES[kind])
        for nothing in ("lines", "../settings"):
            assert client.post("/sample/", {"example": nothing}).status_code == 400

    def test_it_can_be_downloaded(self, client):
        response = client.get("/sample.tif")
        assert response["Content-Disposition"] == 'attachment; filename="sem-sample.tif"'
        assert b"".join(response.streaming_content) == picture() + CALIBRATED
