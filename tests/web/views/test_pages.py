"""Help, models, accounts, errors, and what holds for every page: its policy, and no script in the markup."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from io import BytesIO
from unittest.mock import Mock
from uuid import uuid4

import numpy as np
import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.test import Client, RequestFactory
from django.utils.html import escape
from PIL import Image

from segmentation.core import tasks
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.quantities import number, significant
from segmentation.core.network import cards
from segmentation.core.network.card_entries import FIGURES, FRACTIONS, Score
from segmentation.core.report.figures.picture import captioned_webp
from segmentation.core.report.wording import per_cent
from segmentation.core.stages.pace import time_words
from segmentation.http.errors import bad_request
from segmentation.models import Job
from segmentation.services.results.uploads import example_sha256
from tests.web.finished import FILES, SUMMARY, templates, words

pytestmark = pytest.mark.django_db
AVAILABLE, FIND = cards.available, cards.find  # before a fixture replaces them


@pytest.fixture
def addresses(make_job):
    """Every page that a person can open."""
    jobs = [
        make_job(state=state, error="It failed.", summary=SUMMARY if state == Job.State.DONE else {}, files=FILES)
        for state in Job.State
    ]
    fixed = ["/", "/results/", "/help/", "/models/", "/models/particles/", "/accounts/login/", "/nothing/"]
    return [*fixed, *(f"/jobs/{job.pk}/" for job in jobs), f"/jobs/{jobs[0].pk}/delete/"]


class TestEveryPage:
    def test_it_keeps_the_strict_policy_and_has_title_language_one_heading_and_keys_in_its_forms(
        self, client, addresses
    ):
        for address in addresses:
            response = client.get(address)
            page = response.content.decode()
            policy = response["Content-Security-Policy"]
            assert "default-src 'self'" in policy and "unsafe" not in policy, address
            assert not re.search(r"<script(?![^>]*\bsrc=)", page), address
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page), address
            assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//(?!testserver)", page), address
            assert '<html lang="en">' in page and page.count("<h1>") == 1, address
            assert re.search(r"<title>[^<]+ · DeepSegm</title>", page), address
            for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", page, re.S):
                assert "csrfmiddlewaretoken" in form, address

    def test_the_place_in_the_menu_is_marked(self, client):
        for address, name in (
            ("/", "Analyse"),
            ("/results/", "My results"),
            ("/models/", "Models"),
            ("/models/particles/", "Models"),
            ("/help/", "Help"),
        ):
            assert f'aria-current="page">{name}</a>' in words(client.get(address))


def test_the_result_of_the_sample_image_alone_has_a_tour(client, make_job):
    job = make_job(state=Job.State.DONE, summary=SUMMARY, files=FILES)
    assert 'id="tour"' not in client.get(f"/jobs/{job.pk}/").content.decode()
    job.micrograph.sha256 = example_sha256()
    job.micrograph.save()
    assert 'id="tour"' in client.get(f"/jobs/{job.pk}/").content.decode()


class TestHelp:
    def test_every_reason_is_defined(self, client):
        page = words(client.get("/help/"))
        for reason in Reason:
            assert reason.value.capitalize() in page
        assert Reason.FRAME.definition in page

    def test_every_kind_of_analysis_is_explained_with_its_numbers(self, client):
        page = words(client.get("/help/"))
        for task in tasks.every():
            assert task.summary in page and all(escape(number(name).title) in page for name in task.quantities)

    def test_how_long_results_stay(self, client, settings):
        assert "they are deleted" in words(client.get("/help/"))
        settings.DEEPSEGM_RETENTION_DAYS = 30
        assert "deleted 30 days after" in words(client.get("/help/"))


class TestModels:
    def test_all_stand_under_what_they_measure(self, client, model, monkeypatch):
        steel = replace(model, name="steel", title="Steel", task="phases")
        monkeypatch.setattr("segmentation.core.network.cards.available", lambda: [model, steel])
        page = words(client.get("/models/"))
        first, phases = page.split(">Phases</h2>")
        assert ">Particles</h2>" in first and 'href="/models/particles/"' in first and 'href="/models/steel/"' in phases
        assert client.get("/models/steel/").status_code == 200 and client.get("/models/nothing/").status_code == 404

    def test_scores_are_shown_with_their_split(self, client, model, monkeypatch):
        score = {"data": "EMPS", "split": "held out", "ap50": 0.8, "dice": 0.94}
        scored = replace(model, scores=[score])
        monkeypatch.setattr("segmentation.core.network.cards.available", lambda: [scored])
        page = words(client.get("/models/particles/"))
        for text in ("EMPS", "held out", 'data-label="AP50">0.800</td>', 'data-label="Dice">0.940</td>'):
            assert text in page
        assert 'data-label="IoU"' not in page

    def test_sources_are_named_with_their_licences(self, client, model, monkeypatch):
        sources = [{"title": "EMPS <2021>", "licence": "MIT", "split": "fold 0 held out"}, {"title": "rendered"}]
        taught = replace(model, data=sources, limits=["No fibres."])
        monkeypatch.setattr("segmentation.core.network.cards.available", lambda: [taught])
        page = words(client.get("/models/particles/"))
        for text in ("EMPS &lt;2021&gt;", "Licence MIT; fold 0 held out", "Licence not stated", "<li>No fibres.</li>"):
            assert text in page

    def test_a_released_card_that_cannot_be_read_does_not_stop_the_page(self, client, monkeypatch):
        monkeypatch.setattr(
            "segmentation.core.network.cards.available",
            Mock(side_effect=ValueError("particles.toml: it lacks sha256.")),
        )
        assert '<p class="notice">' in words(client.get("/models/"))

    def test_every_figure_with_a_definition_is_checked_in_the_cards(self):
        assert set(FIGURES) >= set(FRACTIONS) and set(FIGURES) <= set(Score.model_fields)

    def test_a_model_can_be_used_at_once(self, client, model, monkeypatch):
        other = replace(model, name="my.own", title="Mine")
        monkeypatch.setattr("segmentation.core.network.cards.available", lambda: [model, other])
        page = words(client.get("/models/"))
        assert 'href="/?model=my.own"' in page
        assert page.count("default</span>") == 1
        home = words(client.get("/?model=my.own"))
        assert '<option value="my.own" selected>Mine</option>' in home
        assert '<option value="auto-particles" selected>' in words(client.get("/?model=nothing"))

    def test_lost_weights_do_not_stop_the_page(self, client, model):
        model.weights.unlink()
        assert "<dd>missing</dd>" in words(client.get("/models/particles/"))

    def test_none_installed(self, client, monkeypatch):
        monkeypatch.setattr("segmentation.core.network.cards.available", list)
        assert '<p class="notice">' in words(client.get("/models/"))


class TestAddedCards:
    @pytest.fixture
    def shelf(self, tmp_path, monkeypatch):
        """A folder of added models, empty, beside the released ones; the cards are read as they are."""
        monkeypatch.setattr(cards, "available", AVAILABLE)
        monkeypatch.setattr(cards, "find", FIND)
        folder = tmp_path / "shelf"
        folder.mkdir()
        monkeypatch.setattr(cards, "_user_folders", [folder])
        return folder

    @pytest.fixture
    def add(self, shelf):
        """Write a card of this name, with weights, to which entries are added."""

        def write(name, entries):
            (shelf / f"{name}.safetensors").write_bytes(b"weights")
            plain = {"title": '"Mine"', "summary": '""', "version": '"1"', "sha256": f'"{"a" * 64}"'}
            lines = {"name": f'"{name}"', **plain, "architecture": '{name = "unet"}', **entries}
            (shelf / f"{name}.toml").write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))

        return write

    @pytest.mark.parametrize(
        "entries",
        [{"diameter": '"x"'}, {"scores": "[{dice = 0.5}]"},
         {"limits": "[" * 5000 + "]" * 5000}],
    )  # fmt: skip
    def test_a_bad_one_is_left_out_of_every_page_and_the_others_stay(self, client, add, entries):
        add("good", {})
        add("bad", entries)
        for address in ("/models/", "/"):
            response = client.get(address)
            assert response.status_code == 200
            assert "model=good" in words(response) or 'value="good"' in words(response)
            assert "model=bad" not in words(response) and 'value="bad"' not in words(response)
        assert client.get("/models/bad/pictures/1").status_code == 404
        assert len(cards.problems()) == 1 and "bad.toml: " in cards.problems()[0]

    def test_a_huge_picture_beside_a_card_does_not_stop_the_page(self, client, add, shelf, monkeypatch):
        add("good", {})
        Image.new("L", (90, 90)).save(shelf / "good-1.webp")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert [client.get(f"/models/{name}").status_code for name in ("", "good/")] == [200, 200]


class TestWeights:
    def test_weights_and_card_can_be_taken_away(self, client, model):
        page = words(client.get("/models/particles/"))
        assert 'href="/models/files/particles.safetensors"' in page and 'href="/models/files/particles.toml"' in page
        answer = client.get("/models/files/particles.safetensors")
        assert answer.getvalue() == model.weights.read_bytes()
        assert answer["Content-Disposition"] == 'attachment; filename="particles.safetensors"'

    @pytest.mark.parametrize("name", ["nosuch.safetensors", "particles", ".."])
    def test_nothing_else_can_be(self, client, model, name):
        assert client.get(f"/models/files/{name}").status_code == 404

    def test_a_package_for_other_programs(self, client, monkeypatch, own_storage, settings):
        released = cards.read_card(cards.CARDS / "bubbles.toml")
        monkeypatch.setattr("segmentation.core.network.cards.available", lambda folder=None: [released])
        answer = client.get("/models/bubbles/package.zip")
        assert answer["Content-Disposition"] == 'attachment; filename="bubbles.bioimage.io.zip"'
        with zipfile.ZipFile(BytesIO(answer.getvalue())) as archive:
            assert {"rdf.yaml", "bubbles.onnx", "test_input.npy", "test_output.npy"} < set(archive.namelist())
        (kept,) = (settings.DEEPSEGM_DATA / "packages").iterdir()
        kept.write_bytes(b"sent again as it lies there, from disk")
        assert client.get("/models/bubbles/package.zip").getvalue() == kept.read_bytes()
        monkeypatch.setattr("segmentation.services.results.models_offered.__version__", "another")
        assert client.get("/models/bubbles/package.zip").getvalue().startswith(b"PK") and not kept.exists()

    def test_a_model_without_onnx_has_no_package(self, client, model):
        answer = client.get("/models/particles/package.zip")
        assert answer.status_code == 409 and "has no ONNX" in words(answer)
        assert client.get("/models/nosuch/package.zip").status_code == 404


class TestExamples:
    @pytest.fixture
    def examples(self, model):
        """Two pictures beside the card, of which one says what it shows."""
        described = captioned_webp(np.full((30, 40), 90, np.uint8), "Facetted <TiO₂> particles")
        (model.weights.parent / "particles-1.webp").write_bytes(described)
        Image.new("L", (40, 30), 90).save(model.weights.parent / "particles-3.webp")
        picture = np.full((20, 50), 90, np.uint8)
        for name in ("particles-4", "particles-convolutions"):
            (model.weights.parent / f"{name}.webp").write_bytes(captioned_webp(picture, f"{name}, 5 µm"))

    def test_those_that_exist_are_shown_with_their_texts(self, client, examples):
        page = words(client.get("/models/particles/"))
        tag = '<img src="/models/particles/pictures/1" width="40" height="30" alt="Facetted &lt;TiO₂&gt; particles"'
        assert tag in page
        assert "/models/particles/pictures/2" not in page
        assert re.search('<img [^>]*alt="[^"]+ the model Particles [^"]+"', page)

    def test_what_the_layers_make_of_a_picture_is_shown_apart(self, client, examples):
        page = words(client.get("/models/particles/"))
        first, apart = page.split("What the network sees in a picture")
        assert re.search('pictures/4" [^>]*alt="particles-4, 5 µm"', first)
        assert re.search('pictures/convolutions" width="50" height="20" alt="particles-convolutions, ', apart)
        served = client.get("/models/particles/pictures/convolutions")
        assert (served.status_code, served["Content-Type"]) == (200, "image/webp")

    def test_they_are_served_once(self, client, examples):
        response = client.get("/models/particles/pictures/1")
        assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
        assert response["Content-Security-Policy"].startswith("sandbox")
        second_response = client.get("/models/particles/pictures/1", headers={"If-None-Match": response["ETag"]})
        assert second_response.status_code == 304

    @pytest.mark.parametrize(
        "address",
        ["particles/2", "nothing/1", "..%2F..%2Fsecret/1", "particles/-1", "particles/1%2F..%2F3",
         "particles/max-pools"],
    )  # fmt: skip
    def test_nothing_else_is(self, client, examples, address):
        model, which = address.split("/")
        assert client.get(f"/models/{model}/pictures/{which}").status_code == 404
        assert client.post("/models/particles/pictures/1").status_code == 405

    def test_a_broken_picture_does_not_stop_the_page(self, client, model):
        (model.weights.parent / "particles-1.webp").write_bytes(b"no picture")
        assert client.get("/models/particles/").status_code == 200


class TestAccounts:
    def test_sign_in_and_out(self, client, alice):
        assert "Sign in" in words(client.get("/"))
        response = client.post("/accounts/login/", {"login": "alice", "password": "alice's password"})
        assert response["Location"] == "/"
        assert "alice</a>" in words(client.get("/"))
        assert client.get("/accounts/login/").status_code == 302
        assert client.get("/accounts/logout/").status_code == 405
        assert client.post("/accounts/logout/")["Location"] == "/"
        assert "alice</a>" not in words(client.get("/"))

    def test_sign_in_leads_back_but_never_to_another_site(self, client, alice):
        typed = {"login": "alice", "password": "alice's password"}
        assert client.post("/accounts/login/", {**typed, "next": "/results/"})["Location"] == "/results/"
        client.logout()
        assert client.post("/accounts/login/", {**typed, "next": "https://evil.example/"})["Location"] == "/"

    def test_a_wrong_password_is_explained_and_the_name_kept(self, client, alice):
        response = client.post("/accounts/login/", {"login": "alice", "password": "wrong"})
        page = words(response)
        assert response.status_code == 200
        assert "username or the password is wrong" in page
        assert 'value="alice"' in page
        assert "wrong" not in re.findall(r'value="([^"]*)"', page)

    def test_password_change(self, client, alice):
        assert client.get("/accounts/password/").status_code == 302
        client.force_login(alice)
        new = "a quite different one 7"
        typed = {"oldpassword": "alice's password", "password1": new, "password2": new}
        for wrong in ({"password1": "x", "password2": "x"}, {"password2": "y"}, {"oldpassword": "z"}):
            assert client.post("/accounts/password/", {**typed, **wrong}).status_code == 200
        response = client.post("/accounts/password/", typed, follow=True)
        assert "Password successfully changed" in words(response)
        alice.refresh_from_db()
        assert alice.check_password(new)

    def test_staff_find_the_admin(self, client, ada, alice):
        client.force_login(alice)
        assert "/status/" not in words(client.get("/"))
        client.force_login(ada)
        assert 'href="/status/"' in words(client.get("/"))
        page = client.get("/admin/")
        assert "status.html" in templates(page) and f'href="/admin/auth/user/{alice.pk}/change/"' in words(page)
        assert 'href="/admin/advanced/"' in words(page)
        assert 'href="/admin/segmentation/job/"' in words(client.get("/admin/advanced/"))


class TestErrors:
    def test_not_found(self, client):
        response = client.get(f"/jobs/{uuid4()}/")
        assert response.status_code == 404
        assert "404.html" in templates(response)

    def test_a_form_without_its_key(self):
        response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a"})
        assert response.status_code == 403
        assert "403_csrf.html" in templates(response)

    def test_an_error_of_ours(self, monkeypatch, settings):
        monkeypatch.setattr("segmentation.views.results.Paginator", None)
        response = Client(raise_request_exception=False).get("/results/")
        assert response.status_code == 500
        assert "500.html" in templates(response)
        assert "Traceback" not in words(response)

    @pytest.mark.parametrize(
        ("exception", "status", "message"),
        [(RequestDataTooBig(), 413, "too large"), (SuspiciousOperation(), 400, "could not be understood")],
    )
    def test_bad_requests(self, exception, status, message):
        request = RequestFactory().get("/")
        response = bad_request(request, exception)
        assert response.status_code == status
        assert message in words(response)

    def test_health_without_database(self, client, monkeypatch):
        from django.db import DatabaseError

        class Broken:
            def exists(self):
                raise DatabaseError

        monkeypatch.setattr("segmentation.views.watch.Job.objects", Broken())
        assert client.get("/healthz").status_code == 503


class TestWords:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(155.4321, "155"), (62.51, "62.5"), (7.34375, "7.34"), (0.012345, "0.0123"), (1234.5, "1230"),
         (123456, "123,000"), (99.96, "100"), (0, "0"), (None, "–"), (float("nan"), "–")],
    )  # fmt: skip
    def test_three_digits(self, value, text):
        assert significant(value) == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0.2187, "21.9 %"), (0.004, "0.4 %"), (0.996, "99.6 %"), (0.0, "0 %"), (1.0, "100 %"), (None, "–")],
    )
    def test_per_cent(self, value, text):
        assert per_cent(value) == text

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(3, "a few seconds"), (44, "about 40 seconds"), (150, "about 2 minutes"), (7300, "about 2 hours")],
    )
    def test_waiting_times(self, seconds, text):
        assert time_words(seconds) == text
