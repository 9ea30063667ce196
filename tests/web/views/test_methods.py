"""The pages of methods: saved under a result, chosen on the start page, approved, and named by their results."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.network.cards import UnknownModel
from segmentation.core.quality.method import checksum_of
from segmentation.models import Job, Laboratory, Method, MethodVersion, Sample
from segmentation.quality.methods import services as methods
from tests.conftest import picture
from tests.web.api.test_jobs import basic
from tests.web.finished import summary, visible, words

pytestmark = pytest.mark.django_db
USED = {"name": "Powder", "version": 1, "state": "approved", "checksum": "c" * 64, "departures": []}


@pytest.fixture
def job(make_job, alice):
    return make_job(state="done", owner=alice, settings=AnalysisSettings.of(threshold=0.4, filter=True))


@pytest.fixture
def saved(job, alice):
    return methods.save_as_method(job=job, user=alice, name="Powder")


def drop(browser, *names, **fields):
    files = [SimpleUploadedFile(name, picture(64 + number)) for number, name in enumerate(names or ("a.png",))]
    return browser.post("/", {"file": files, "token": uuid4().hex, "width": "", **fields})


def with_method(**changes):
    return {**summary(), "method": {**USED, **changes}}


def test_a_result_offers_to_be_saved_and_leads_to_the_method(signed_in, alice, job):
    alice.groups.add(Group.objects.create(name="Powders"))
    assert "Save as method" not in words(signed_in.get(f"/jobs/{job.pk}/")), "a newcomer is not asked for it"
    signed_in.post("/laboratory/", {"quality": "on"})
    page = words(signed_in.get(f"/jobs/{job.pk}/"))
    assert "Save as method" in page and "the group Powders" in page
    answer = signed_in.post("/methods/", {"job": job.pk, "name": "Powder", "group": "Powders", "method": ""})
    version = MethodVersion.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/methods/{version.method_id}/?version=1")
    page = words(signed_in.get(answer["Location"]))
    assert "Particles: the median, by the model particles, with a scale from the file." in page
    fixed, defaults = page.partition("Settings at their default")[::2]
    assert "<dd>0.4</dd>" in fixed and "<dd>0.4</dd>" not in defaults
    assert "the next version of Powder" in words(signed_in.get(f"/jobs/{job.pk}/"))


def test_the_page_says_where_the_model_is_another_one_by_now(signed_in, saved, model, monkeypatch):
    address = f"/methods/{saved.method_id}/"
    assert "has other weights here now" in words(signed_in.get(address))  # the summary of the tests has another sha256
    same = replace(model, sha256="ab" * 32)
    monkeypatch.setattr("segmentation.core.network.cards.find", lambda name, folder=None: same)
    assert 'class="notice check"' not in words(signed_in.get(address))
    description = {**saved.description, "model": "gone"}
    MethodVersion.objects.update(description=description, checksum=checksum_of(description))
    monkeypatch.setattr("segmentation.core.network.cards.find", Mock(side_effect=UnknownModel("none")))
    assert "no longer has the model" in words(signed_in.get(address))


def test_nobody_saves_what_he_may_not_see_or_without_an_account(client, people, job):
    assert "Save as method" not in words(client.get(f"/jobs/{job.pk}/"))
    for name, status in (("charlie", 404), ("nobody", 404)):
        answer = people[name].post("/methods/", {"job": job.pk, "name": "Powder"})
        assert answer.status_code == status
    assert people["alice"].post("/methods/", {"job": "no id", "name": "Powder"}).status_code == 404
    assert not Method.objects.exists()


def test_strangers_see_no_method(people, saved):
    for address in (f"/methods/{saved.method_id}/", f"/methods/{saved.method_id}/version-1.json"):
        assert people["alice"].get(address).status_code == 200
        assert people["charlie"].get(address).status_code == 404
    assert people["nobody"].get("/methods/").status_code == 401
    assert "Powder" in words(people["alice"].get("/methods/"))
    assert "Powder" not in words(people["charlie"].get("/methods/"))
    for action in ("approve", "withdraw", "change", "discard"):
        assert people["charlie"].post(f"/methods/{saved.method_id}/{action}/", {"version": "1"}).status_code == 404
    assert people["alice"].get(f"/methods/{saved.method_id}/?version=x").status_code == 404


def test_the_start_page_shows_nothing_of_methods_where_there_are_none(signed_in, charlie, saved):
    assert f"/?method={saved.pk}" in words(signed_in.get("/"))
    saved.method.delete()
    assert "ethod:" not in words(signed_in.get("/"))


def test_a_chosen_method_fills_in_its_settings_and_the_job_follows_it(signed_in, alice, saved, settings):
    settings.DEEPSEGM_SCALE_UNCERTAINTY = 2.0  # which is no part of the method
    Laboratory.objects.create(owner=alice, texts={"operator": "Ada", "repeatability": "5"})
    page = words(signed_in.get(f"/?method={saved.pk}"))
    assert f'name="method" value="{saved.pk}"' in page and "Method: Powder, version 1, draft" in page
    assert '<input name="threshold" id="id_threshold"' in page and 'value="0.4"' in page
    answer = drop(signed_in, method=saved.pk)
    job = Job.objects.latest("created")
    assert answer["Location"] == f"/jobs/{job.pk}/" and job.method == saved
    assert job.get_settings() == AnalysisSettings.of(threshold=0.4, filter=True, operator="Ada")


def test_what_the_sender_sets_differently_is_taken(signed_in, saved):
    drop(signed_in, method=saved.pk, threshold="0.6")
    job = Job.objects.latest("created")
    assert (job.method, job.get_settings().segmentation.threshold) == (saved, 0.6)


def test_several_images_are_a_sample_that_follows_it(signed_in, saved):
    drop(signed_in, "a.png", "b.png", method=saved.pk, one_sample="on")
    sample = Sample.objects.get()
    assert sample.method == saved and [job.method for job in sample.jobs.all()] == [saved, saved]
    assert sample.settings["threshold"] == 0.4


def test_another_try_of_the_same_image_still_follows_it(signed_in, alice, saved, make_job):
    job = make_job(state="done", owner=alice, method=saved, settings=AnalysisSettings.of(threshold=0.4, filter=True))
    signed_in.post(f"/jobs/{job.pk}/change/", {"border_correction": "weight"})
    new = Job.objects.get(parent=job)
    assert (new.method, new.settings["border_correction"], new.settings["threshold"]) == (saved, "weight", 0.4)


@pytest.mark.parametrize("text", ["Powder@7", "Other", "x" * 400])
def test_a_method_that_is_not_there(signed_in, saved, text):
    assert signed_in.get("/", {"method": text}).status_code == 422
    assert drop(signed_in, method=text).status_code == 422 and Job.objects.count() == 1


def test_approving_and_withdrawing_on_the_page(people, alice, saved, settings):
    settings.DEEPSEGM_ONE_PERSON = True
    browser, address = people["alice"], f"/methods/{saved.method_id}/"
    fields = {"version": "1", "checksum": saved.checksum, "password": "alice's password"}
    assert "Approve version" not in words(browser.get(address))
    assert browser.post(f"{address}approve/", fields).status_code == 403
    alice.user_permissions.add(Permission.objects.get(codename="approve_method"))
    wrong = browser.post(f"{address}approve/", {**fields, "password": "wrong"})
    assert wrong.status_code == 403 and "The password is wrong" in words(wrong)
    assert browser.post(f"{address}approve/", fields).status_code == 303
    page = visible(browser.get(address))
    assert "Approved by alice (account alice)" in page and ", who wrote it" in page and "Write the next version" in page
    answer = browser.post(f"{address}withdraw/", {"version": "1", "reason": ""})
    assert answer.status_code == 422 and "Type the reason" in words(answer)
    browser.post(f"{address}withdraw/", {"version": "1", "reason": "A fault."})
    assert MethodVersion.objects.get().state == "withdrawn" and "A fault." in words(browser.get(address))
    assert drop(browser, method=saved.pk).status_code == 409


def test_its_author_does_not_approve_it_on_the_page(people, alice, saved):
    browser, address = people["alice"], f"/methods/{saved.method_id}/"
    alice.user_permissions.add(Permission.objects.get(codename="approve_method"))
    page = visible(browser.get(address))
    assert "Approve version" not in page and "another account approves it" in page
    fields = {"version": "1", "checksum": saved.checksum, "password": "alice's password"}
    answer = browser.post(f"{address}approve/", fields)
    assert answer.status_code == 403 and MethodVersion.objects.get().state == "draft"


def test_the_next_version_of_a_draft_with_results_asks_for_a_reason(signed_in, alice, saved, make_job):
    make_job(owner=alice, method=saved)
    address = f"/methods/{saved.method_id}/"
    page = visible(signed_in.get(address))
    assert "Reason of the next version" in page and "Delete this draft" not in page
    fields = {"quantity": "median", "scale_sources": ["metadata"], "least_images": "5", "least_particles": "1"}
    answer = signed_in.post(f"{address}change/", fields)
    assert answer.status_code == 422 and "Type the reason" in visible(answer)
    assert signed_in.post(f"{address}change/", {**fields, "reason": "More images."}).status_code == 303
    assert "Reason of version 2: More images." in visible(signed_in.get(address))
    assert signed_in.post(f"{address}discard/", {"version": "1"}).status_code == 409
    assert MethodVersion.objects.get(number=1).description == saved.description


def test_the_form_changes_a_draft_and_says_what_is_wrong(signed_in, saved):
    address = f"/methods/{saved.method_id}/"
    fields = {
        "quantity": "d90",
        "scale_sources": ["metadata", "typed"],
        "texts": ["operator"],
        "least_images": "5",
        "least_particles": "500",
        "half_width": "2,5",
    }
    for wrong, sentence in (
        ({"least_images": "0"}, "Type a whole number of at least 1."),
        ({"scale_sources": []}, "Tick at least one source of a scale."),
        ({"half_width": "x"}, "Type per cent from 0.01 to 100"),
        ({"half_width": "101"}, "Type per cent from 0.01 to 100"),
        ({"quantity": "fit"}, "wrong-text"),
        ({"least median": "x"}, "“x” is not a number"),
        ({"least median": "9", "most median": "8"}, "the lower limit is below the upper one"),
    ):
        answer = signed_in.post(f"{address}change/", {**fields, **wrong})
        assert answer.status_code == 400 and sentence in words(answer)
    assert signed_in.post(f"{address}change/", fields).status_code == 303
    method = MethodVersion.objects.get().written.read()
    assert (method.quantity, method.least_images, method.texts) == ("d90", 5, ("operator",))
    assert method.scale_sources == ("metadata", "typed") and method.stopping.half_width == 0.025
    page = visible(signed_in.get(address))
    assert "the D90 to ±2.5 %" in page and "from the file or typed in" in page
    limits = {"least median": "80", "most median": "0.12 µm", "most fraction_100nm": "10", "rule": "simple"}
    assert signed_in.post(f"{address}change/", {**fields, **limits}).status_code == 303
    median, share = MethodVersion.objects.get().written.read().limits
    assert (median.lower, median.upper, median.rule) == (80, 120, "simple") and share.upper == 0.1
    page = signed_in.get(address)
    assert "median 80 to 120 nm" in visible(page) and 'name="most median" value="120"' in words(page)
    assert signed_in.post(f"{address}change/", fields).status_code == 303  # empty fields take the limits away
    assert MethodVersion.objects.get().written.read().limits == ()
    again = signed_in.post(f"{address}change/", fields)
    assert again.status_code == 409 and "Nothing is changed" in words(again)
    assert signed_in.post(f"{address}discard/", {"version": "1"})["Location"] == "/methods/"
    assert not Method.objects.exists()


def test_the_file_is_the_version_as_it_was_written(signed_in, saved):
    answer = signed_in.get(f"/methods/{saved.method_id}/version-1.json")
    assert (
        answer.json() == saved.written.as_dict() and 'filename="Powder version 1.json"' in answer["Content-Disposition"]
    )


def test_a_result_names_its_method_and_what_departs_from_it(signed_in, alice, charlie, client, make_job, saved):
    scale = "The scale is typed in; the method asks for one from the file."
    job = make_job(state="done", owner=alice, method=saved, summary=with_method(departures=[scale]))
    page = words(signed_in.get(f"/jobs/{job.pk}/"))
    assert f"/methods/{saved.method_id}/?version=1" in page and scale in page
    assert "Powder, version 1, approved" in page and "withdrawn since then" not in page
    MethodVersion.objects.update(state="withdrawn")
    assert "It was withdrawn since then." in words(signed_in.get(f"/jobs/{job.pk}/"))
    saved.method.delete()
    page = words(signed_in.get(f"/jobs/{job.pk}/"))
    assert "Method: Powder, version 1, approved." in page and "/methods/" not in page.partition('id="save-method"')[0]


def test_the_demo_method_asks_for_two_images_and_is_made_once(signed_in, alice):
    address = signed_in.post("/methods/", {"demo": "1"})["Location"]
    page = words(signed_in.get(address))
    assert "Demo: powder, median size" in page and "the median to ±10 %" in page
    assert MethodVersion.objects.get().state == "draft"
    assert signed_in.post("/methods/", {"demo": "1"}).status_code == 409


def test_who_answers_for_a_method_sees_its_log(people, script, alice, saved, django_user_model):
    change = saved.written.read().model_copy(update={"least_images": 3})
    methods.change_method(method=saved.method, description=change, user=alice)
    page = people["alice"].get(f"/methods/{saved.method_id}/")
    assert [entry.action for entry in page.context["log"]] == ["changed a draft of a method", "saved a method"]
    assert "Changed a draft of a method" in visible(page)
    path = f"/api/v1/methods/{saved.method_id}/log"
    entries = script.get(path, headers=basic("alice")).json()
    assert [(entry["account"], entry["action"]) for entry in entries] == [
        ("alice", "changed a draft of a method"),
        ("alice", "saved a method"),
    ]
    assert script.get(path, headers=basic("charlie")).status_code == 404
    viewer = django_user_model.objects.create_user("viewer", password="viewer's password", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_method"))
    assert script.get(path, headers=basic("viewer")).status_code == 403
