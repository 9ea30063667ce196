"""Reference materials: listed by accounts and groups, and compared with results."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Group

from segmentation.core.quality.reference import ReferenceMaterial, compare_with_certificate
from segmentation.models import Job, Reference, StaffAction
from tests.web.api.test_jobs import basic, secret
from tests.web.finished import VISITOR, visible, words
from tests.web.views.test_judging import measured

pytestmark = pytest.mark.django_db
MATERIAL = {
    "name": "Made-up spheres, lot 1",
    "quantity": "median",
    "value": 150.0,
    "expanded": 4.0,
    "k": 2.0,
    "measurand": "median diameter by number, SEM",
    "certificate": "trial 1",
    "source": "",
    "batch": "",
    "expires": "",
}
TYPED = {**MATERIAL, "value": "0.15 µm", "expanded": "4", "k": "2"}


@pytest.fixture
def job(make_job):
    return make_job(visitor=VISITOR, state="done", attempt=1, summary=measured())


@pytest.fixture
def listed(maker):
    """One that VISITOR has listed."""
    answer = maker.post("/references/", TYPED)
    assert answer.status_code == 303
    return Reference.objects.get()


def test_what_is_typed_is_listed_as_the_certificate_states_it(maker, listed):
    assert listed.material == MATERIAL and listed.visitor == VISITOR
    assert "150 ± 4 nm (k = 2)" in visible(maker.get("/quality/"))
    assert "median diameter by number, SEM" in visible(maker.get(f"/references/{listed.pk}/"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"value": ""}, "Fill in the certified value."),
        ({"expanded": "some"}, "“some” is not a number: type a number such as 80 or 1.2 µm."),
        ({"measurand": ""}, "Fill in the measurand."),
        ({"k": "7"}, "k is at most 5, not 7.0."),
        ({"quantity": "n_kept"}, "Choose the number that the certificate states."),
        ({"group": "others"}, "You are in no group of this name."),
        ({"expires": "June"}, "a day such as 2027-06-30"),
    ],
)
def test_what_is_no_certificate_gets_a_sentence_and_stays_in_the_form(maker, change, sentence):
    page = maker.post("/references/", {**TYPED, **change})
    assert page.status_code in (400, 422) and sentence in visible(page).replace("&#x27;", "'")
    assert not Reference.objects.exists() and 'value="Made-up spheres, lot 1"' in words(page)


def test_the_same_certificate_is_listed_once(maker, listed):
    assert maker.post("/references/", TYPED).status_code == 409
    assert maker.post("/references/", {**TYPED, "certificate": "trial 2"}).status_code == 303


def test_a_result_says_bias_en_number_and_whether_it_agrees(maker, job, listed):
    assert maker.post(f"/jobs/{job.pk}/reference/", {"reference": str(listed.pk)}).status_code == 303
    job.refresh_from_db()
    assert job.reference == {**MATERIAL, "id": str(listed.pk)}
    expected = compare_with_certificate(ReferenceMaterial.read(MATERIAL), job.stored.value("median"))
    assert expected.agrees and expected.bias == pytest.approx(5.0)
    page = maker.get(f"/jobs/{job.pk}/")
    assert expected.sentence in visible(page) and "Agrees with the certificate" in visible(page)
    assert page.context["comparison"].ruler.limits[0].text == "146 nm"
    Job.objects.filter(pk=job.pk).update(summary=measured(median=190.0))
    assert "Does not agree with the certificate" in visible(maker.get(f"/jobs/{job.pk}/")), "as its numbers change"
    Job.objects.filter(pk=job.pk).update(summary=measured(order=[], quantities={}, statistics=None))
    assert "This result has no median" in visible(maker.get(f"/jobs/{job.pk}/"))


def test_a_list_of_its_measurements_and_what_a_deletion_leaves(maker, job, listed):
    maker.post(f"/jobs/{job.pk}/reference/", {"reference": str(listed.pk)})
    page = visible(maker.get(f"/references/{listed.pk}/"))
    assert "tio2.png" in page and "155 nm (135 to 175)" in page and "Agrees" in page
    assert "keep its certificate" in visible(maker.get(f"/references/{listed.pk}/delete/"))
    maker.post(f"/references/{listed.pk}/delete/")
    assert not Reference.objects.exists()
    assert "Measurement of Made-up spheres, lot 1" in visible(maker.get(f"/jobs/{job.pk}/"))
    maker.post(f"/jobs/{job.pk}/reference/", {"reference": ""})
    assert maker.get(f"/jobs/{job.pk}/").context["comparison"] is None
    actions = StaffAction.objects.values_list("account", "action")
    changed, deleted = (("without an account", f"{act} reference material") for act in ("changed the", "deleted a"))
    assert sorted(actions) == [changed, changed, deleted]


def test_a_group_lists_and_chooses_it_and_its_maker_alone_deletes_it(people, alice, charlie, make_job):
    Group.objects.create(name="microscopists").user_set.set([alice, charlie])
    assert people["alice"].post("/references/", {**TYPED, "group": "microscopists"}).status_code == 303
    row = Reference.objects.get()
    assert people["charlie"].get(f"/references/{row.pk}/").status_code == 200
    assert people["charlie"].post(f"/references/{row.pk}/delete/").status_code == 403
    assert people["nobody"].get(f"/references/{row.pk}/").status_code == 404
    theirs = make_job(owner=charlie, state="done", attempt=1, summary=measured())
    assert people["charlie"].post(f"/jobs/{theirs.pk}/reference/", {"reference": str(row.pk)}).status_code == 303
    assert "Made-up spheres" not in visible(people["visitor"].get("/quality/"))


def test_nobody_chooses_what_is_not_in_the_list_or_for_a_signed_result(maker, people, alice, job, listed):
    theirs = Reference.objects.create(owner=alice, name="a", material=MATERIAL)
    for text in (str(theirs.pk), "nonsense"):
        assert maker.post(f"/jobs/{job.pk}/reference/", {"reference": text}).status_code == 404
    Job.objects.filter(pk=job.pk).update(signature_hash="a" * 64)
    assert maker.post(f"/jobs/{job.pk}/reference/", {"reference": str(listed.pk)}).status_code == 409
    job.refresh_from_db()
    assert job.reference == {}


def test_scripts_list_choose_and_remove(script, alice, make_job):
    def ask(method, address, who="alice", **body):
        sent = {"data": json.dumps(body), "content_type": "application/json"} if body else {}
        return getattr(script, method)(f"/api/v1/{address}", headers=basic(who), **sent)

    job = make_job(owner=alice, state="done", attempt=1, summary=measured())
    made = ask("post", "references", material=MATERIAL)
    assert made.status_code == 201 and made.json()["material"] == MATERIAL
    assert [row["id"] for row in ask("get", "references").json()] == [made.json()["id"]]
    assert ask("post", "references", material={**MATERIAL, "value": -1}).json()["error"].startswith("value is above 0")
    answer = ask("put", f"jobs/{job.pk}/reference", reference=made.json()["id"]).json()
    assert answer["comparison"]["agreement"]["agrees"] and answer["comparison"]["agreement"]["bias"] == pytest.approx(5)
    assert ask("get", f"jobs/{job.pk}/reference").json() == answer
    assert ask("delete", f"references/{made.json()['id']}").status_code == 204
    assert ask("delete", f"jobs/{job.pk}/reference").status_code == 204
    nothing = {"reference": None, "comparison": None, "deleted": ""}
    assert ask("get", f"jobs/{job.pk}/reference").json() == nothing


def test_a_script_without_an_account_gets_its_secret_and_deletes_with_it(script):
    body = json.dumps({"material": MATERIAL})
    made = script.post("/api/v1/references", body, content_type="application/json").json()
    address = f"/api/v1/references/{made['id']}"
    assert script.delete(address).status_code == 403
    assert script.delete(address, headers=secret(made["secret"])).status_code == 204


def test_an_expired_certificate_is_said_beside_the_comparison(maker, job):
    maker.post("/references/", {**TYPED, "expires": "2020-06-30"})
    listed = Reference.objects.get()
    assert "2020-06-30" in visible(maker.get(f"/references/{listed.pk}/"))
    maker.post(f"/jobs/{job.pk}/reference/", {"reference": listed.pk})
    said = f"The certificate expired on 2020-06-30, before the measurement of {job.created:%Y-%m-%d}."
    assert said in visible(maker.get(f"/jobs/{job.pk}/"))
    assert said in maker.get(f"/api/v1/jobs/{job.pk}/reference").json()["comparison"]["sentence"]
    assert ReferenceMaterial.read({**MATERIAL, "expires": "2027-06-30"}).expiry_words("2027-06-30") == ""


@pytest.mark.parametrize("door", ["page", "api"])
def test_who_deletes_a_material_stands_with_its_results_and_in_the_log(people, script, make_job, alice, door):
    job = make_job(owner=alice, state="done", attempt=1, summary=measured())
    people["alice"].post("/references/", TYPED)
    listed = Reference.objects.get()
    people["alice"].post(f"/jobs/{job.pk}/reference/", {"reference": listed.pk})
    assert "Taken from the list" not in visible(people["alice"].get(f"/jobs/{job.pk}/"))
    if door == "page":
        people["alice"].post(f"/references/{listed.pk}/delete/")
    else:
        assert script.delete(f"/api/v1/references/{listed.pk}", headers=basic("alice")).status_code == 204
    note = StaffAction.objects.first()
    assert (note.account, note.action, note.before["value"]) == ("alice", "deleted a reference material", 150.0)
    assert StaffAction.objects.filter(target=str(listed.pk)).count() == 1
    said = "by alice."
    assert f"Taken from the list on {note.created:%Y-%m-%d} {said}" in visible(people["alice"].get(f"/jobs/{job.pk}/"))
    row = script.get(f"/api/v1/jobs/{job.pk}/reference", headers=basic("alice")).json()
    assert row["deleted"].endswith(said)
