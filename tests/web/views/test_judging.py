"""Limits of a result and of a sample: the form, the decision, who may change them, and what keeps them."""

from __future__ import annotations

import json

import pytest

from segmentation.models import Edit, Job, Measuring, Sample, Segmentation, StaffAction
from segmentation.services.access import links
from segmentation.services.results import exports, jobs, samples
from tests.web.api.test_jobs import basic
from tests.web.finished import SUMMARY, VISITOR, visible, words

pytestmark = pytest.mark.django_db
FIELDS = {"title": "TiO2 grade A", "least median": "80", "most median": "0.2 µm", "most fraction_100nm": "10 %"}
LIMITS = [
    {"quantity": "median", "lower": 80.0, "upper": 200.0, "rule": "guard band", "factor": 1.0},
    {"quantity": "fraction_100nm", "lower": None, "upper": 0.1, "rule": "guard band", "factor": 1.0},
]


def number(value, low, high, unit="nm"):
    return {"value": value, "interval": [low, high], "low": low + 1e-3, "high": high - 1e-3, "unit": unit}


def measured(median=155.0, share=0.02, **more):
    """A summary with numbers that have intervals."""
    quantities = {
        "n_kept": {"value": 261, "interval": None, "low": None, "high": None, "unit": ""},
        "median": number(median, median - 20, median + 20),
        "d10": number(62.0, 50.0, 70.0),
        "d90": number(255.0, 230.0, 280.0),
        "fraction_100nm": number(share, share - 0.01, share + 0.02, ""),
    }
    return {**SUMMARY, "order": [*quantities], "quantities": quantities, **more}


@pytest.fixture
def job(make_job):
    return make_job(visitor=VISITOR, state="done", attempt=1, summary=measured())


@pytest.fixture
def sample(job):
    pooled = {**SUMMARY["statistics"], "of": [str(job.pk)], "images": [{}], "warnings": [], "flags": []}
    pooled |= {"median": 155.0, "intervals": {"median": (135.0, 175.0)}}
    pooled |= {"fraction_100nm": 0.02, "fraction_low": 0.01, "fraction_high": 0.04}
    return Sample.objects.create(
        visitor=VISITOR, name="Powder", settings=job.settings, submission="s", state="done", pooled=pooled
    )


@pytest.fixture(autouse=True)
def quality(maker):
    """The laboratory has switched Quality on."""
    maker.post("/laboratory/", {"quality": "on"})


def test_what_is_typed_becomes_limits_and_the_page_decides(maker, job):
    page = maker.get(f"/jobs/{job.pk}/")
    assert page.context["certificate"] is None and "Hold this result against limits" in words(page)
    answer = maker.post(f"/jobs/{job.pk}/specification/", FIELDS)
    assert answer.status_code == 303 and answer["Location"].endswith("#specification")
    job.refresh_from_db()
    stored = job.specification
    assert (stored["title"], stored["limits"]) == ("TiO2 grade A", LIMITS)
    assert stored["agreed_by"] == "without an account" and stored["was_measured"]
    assert f"Limits agreed on {stored['agreed'][:10]} by without an account, after the measurement." in words(
        maker.get(f"/jobs/{job.pk}/")
    )
    agreed = stored["agreed"]
    maker.post(f"/jobs/{job.pk}/specification/", FIELDS)  # the same limits once more
    job.refresh_from_db()
    assert job.specification["agreed"] == agreed
    seen = visible(maker.get(f"/jobs/{job.pk}/"))
    assert "Passes: both requirements of “TiO2 grade A” are met." in seen
    assert "Median 80 to 200 nm" in seen and "155 nm (135 to 175)" in seen


def test_corrections_change_the_decision_as_they_change_the_numbers(maker, job):
    maker.post(f"/jobs/{job.pk}/specification/", FIELDS)
    Job.objects.filter(pk=job.pk).update(summary=measured(median=190.0))
    page = maker.get(f"/jobs/{job.pk}/")
    assert page.context["certificate"].verdict == "undecided" and "(median size)" not in visible(page)
    assert "Undecided: 1 of 2 requirements of “TiO2 grade A” is open (median)." in visible(page)
    Job.objects.filter(pk=job.pk).update(summary=measured(median=260.0))
    assert maker.get(f"/jobs/{job.pk}/").context["certificate"].verdict == "fails"


def test_the_decision_comes_with_the_first_numbers_of_a_correction(maker, job):
    maker.post(f"/jobs/{job.pk}/specification/", FIELDS)
    corrected = {
        "step": 0,
        "edit_count": 1,
        "segmentation": Segmentation.objects.create(micrograph=job.micrograph, size=1),
    }
    Job.objects.filter(pk=job.pk).update(**corrected)
    edit = {"operation": {"op": "delete", "ids": [1]}, "patch": {}, "before": {}, "hash": "a" * 64}
    Edit.objects.create(job=job, sequence=1, **edit)
    Measuring.objects.create(job=job, step=1, state="running", summary=measured(median=260.0))
    parts = maker.get(f"/jobs/{job.pk}/state/").json()["parts"]
    assert 'data-part="decision"' in parts and "Fails: 1 of 2 requirements" in parts
    assert "Passes" in visible(maker.get(f"/jobs/{job.pk}/")), "until all is measured"


def test_a_refused_picture_is_not_decided(maker, job):
    maker.post(f"/jobs/{job.pk}/specification/", FIELDS)
    Job.objects.filter(pk=job.pk).update(summary=measured(refused=True))
    certificate = maker.get(f"/jobs/{job.pk}/").context["certificate"]
    assert certificate.verdict == "undecided" and certificate.conformity.at_least is None
    assert all("no numbers are given for this image" in row.sentence for row in certificate.rows)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"least median": "many"}, "“many” is not a number: type a number such as 80 or 1.2 µm."),
        ({"least median": "300"}, "the lower limit is below the upper one."),
        ({"most fraction_100nm": "1,000.5"}, "“1,000.5” is not a number: type a number such as 10."),
        ({"factor": "7"}, "The guard band is 0 to 3 times U, such as 1."),
        (dict.fromkeys(FIELDS, ""), "Type at least one limit."),
        ({"rule": "luck"}, "Select a valid choice. luck is not one of the available choices."),
    ],
)
def test_what_cannot_be_a_limit_gets_a_sentence_and_stays_in_the_form(maker, job, change, sentence):
    page = maker.post(f"/jobs/{job.pk}/specification/", {**FIELDS, **change})
    assert page.status_code == 400 and sentence in visible(page).replace("&#x27;", "'")
    assert 'id="limits" open' in words(page) and f'value="{change.get("title", "TiO2 grade A")}"' in words(page)
    job.refresh_from_db()
    assert job.specification == {}


def test_without_a_scale_only_counts_have_limits(maker, job):
    quantities = measured()["quantities"]
    in_pixels = {name: {**value, "unit": value["unit"] and "px"} for name, value in quantities.items()}
    in_pixels["fraction_100nm"]["value"] = None
    Job.objects.filter(pk=job.pk).update(summary=measured(quantities=in_pixels))
    form = maker.get(f"/jobs/{job.pk}/").context["limits_form"]
    assert [row.title for row in form.rows] == ["Particles counted"]


def test_simple_acceptance_and_the_removal(maker, job):
    fields = {"most median": "160", "rule": "simple"}
    maker.post(f"/jobs/{job.pk}/specification/", fields)
    assert maker.get(f"/jobs/{job.pk}/").context["certificate"].verdict == "passes"
    maker.post(f"/jobs/{job.pk}/specification/", {**fields, "rule": "guard band"})
    assert maker.get(f"/jobs/{job.pk}/").context["certificate"].verdict == "undecided"
    maker.post(f"/jobs/{job.pk}/specification/", {"remove": "1"})
    job.refresh_from_db()
    assert job.specification == {} and maker.get(f"/jobs/{job.pk}/conformity/").status_code == 302


def test_a_sample_has_limits_too(maker, sample):
    assert maker.post(f"/samples/{sample.pk}/specification/", FIELDS).status_code == 303
    page = maker.get(f"/samples/{sample.pk}/")
    assert page.status_code == 200 and page.context["certificate"].rows[0].measured == "155 nm (135 to 175)"
    assert maker.post(f"/samples/{sample.pk}/specification/", {}).status_code == 400
    assert "Powder" in visible(maker.get(f"/samples/{sample.pk}/conformity/"))


def test_a_signed_result_keeps_its_limits(maker, job):
    maker.post(f"/jobs/{job.pk}/specification/", FIELDS)
    Job.objects.filter(pk=job.pk).update(signature_hash="a" * 64, fixed=True)
    answer = maker.post(f"/jobs/{job.pk}/specification/", {"remove": "1"})
    assert answer.status_code == 409 and "This result is signed" in visible(answer)
    page = maker.get(f"/jobs/{job.pk}/")
    assert page.context["limits_form"] is None and page.context["certificate"].verdict == "passes"
    job.refresh_from_db()
    assert job.specification["limits"] == LIMITS


def test_who_may_change_and_who_may_look(people, alice, make_job):
    job = make_job(owner=alice, state="done", attempt=1, summary=measured())
    address = f"/jobs/{job.pk}/specification/"
    refused = {name: people[name].post(address, FIELDS).status_code for name in ("nobody", "visitor", "charlie")}
    assert refused == {"nobody": 404, "visitor": 404, "charlie": 404}
    assert people["alice"].post(address, FIELDS).status_code == 303
    links.change_link(row=job, renew=True)
    secret = links.secret_of(links.link_of(job))
    seen = people["nobody"].get(f"/jobs/{job.pk}/conformity/?link={secret}")
    assert seen.status_code == 200 and "both requirements" in visible(seen)
    assert people["nobody"].post(f"{address}?link={secret}", {"remove": "1"}).status_code == 403


def test_each_change_is_in_the_log_once(people, alice, make_job):
    job = make_job(owner=alice, state="done", attempt=1, summary=measured())
    for person in ("alice", "ada"):  # ada is staff, and not the owner
        people[person].post(f"/jobs/{job.pk}/specification/", {**FIELDS, "title": person})
        people[person].post(f"/jobs/{job.pk}/specification/", {**FIELDS, "title": person})  # changes nothing
    rows = list(StaffAction.objects.order_by("pk").values_list("account", "action"))
    assert rows == [("alice", "changed the limits"), ("ada", "changed the limits")]
    newest = StaffAction.objects.latest("pk")
    assert newest.before["specification"]["title"] == "alice" and newest.after["specification"]["title"] == "ada"


def test_versions_and_samples_of_a_result_have_its_limits(maker, job, make_segmentation):
    maker.post(f"/jobs/{job.pk}/specification/", FIELDS)
    job.refresh_from_db()
    again = jobs.rerun_job(job=job, settings=job.get_settings().replaced(filter=True), user=None, visitor=VISITOR)
    assert again.specification == job.specification
    Job.objects.filter(pk=job.pk).update(segmentation=make_segmentation())
    job.refresh_from_db()
    sample = samples.sample_of_results(name="", jobs=[job], moves=True, user=None, visitor=VISITOR, address="")
    assert sample.specification == job.specification


def test_the_page_for_a_supplier_is_offered_and_written_anew_after_each_change(maker, make_job, make_segmentation):
    job = make_job(
        visitor=VISITOR,
        state="done",
        attempt=1,
        summary=measured(),
        files=("bundle.zip", "report.pdf", "particles.csv"),
    )
    Job.objects.filter(pk=job.pk).update(segmentation=make_segmentation())
    job.refresh_from_db()
    assert "conformity.pdf" not in exports.unwritten_files(job)
    assert maker.get(f"/jobs/{job.pk}/files/conformity.pdf").status_code == 404
    maker.post(f"/jobs/{job.pk}/specification/", FIELDS)
    job = Job.objects.get(pk=job.pk)
    assert "conformity.pdf" in exports.unwritten_files(job)
    assert set(job.artifacts.values_list("name", flat=True)) == {"particles.csv"}, "the others are written anew"
    assert "files/conformity.pdf" in words(maker.get(f"/jobs/{job.pk}/"))


class TestApi:
    @pytest.fixture
    def rows(self, alice, job, sample):
        """Alice's job and sample."""
        Job.objects.filter(pk=job.pk).update(owner=alice)
        Sample.objects.filter(pk=sample.pk).update(owner=alice)
        return {"jobs": job, "samples": sample}

    def ask(self, client, method, address, who="alice", **body):
        sent = {"data": json.dumps(body), "content_type": "application/json"} if body else {}
        return getattr(client, method)(f"/api/v1/{address}/specification", headers=basic(who), **sent)

    def test_limits_are_set_read_and_removed(self, script, rows):
        address = f"jobs/{rows['jobs'].pk}"
        assert self.ask(script, "get", address).json() == {"specification": None, "decision": None}
        answer = self.ask(script, "put", address, title="A", limits=LIMITS).json()
        assert answer["specification"]["limits"] == LIMITS and answer["decision"]["verdict"] == "passes"
        median, share = answer["decision"]["decisions"]
        assert median["accepted"] == [100.0, 180.0] and median["probability"] == pytest.approx(1.0, abs=1e-5)
        assert share["accepted"] == [None, pytest.approx(0.08)]
        assert self.ask(script, "get", address).json() == answer
        assert self.ask(script, "delete", address).status_code == 204
        assert self.ask(script, "get", address).json()["specification"] is None

    @pytest.mark.parametrize(
        ("limits", "sentence"),
        [
            ([], "limits is a list of at least 1"),
            ([{"quantity": "beauty", "lower": 1}], "the name of a number of a result"),
            ([{"quantity": "median"}], "a lower limit, an upper limit, or both"),
            ([LIMITS[0], LIMITS[0]], "median has two requirements"),
        ],
    )
    def test_what_cannot_be_limits_is_refused_with_a_sentence(self, script, rows, limits, sentence):
        answer = self.ask(script, "put", f"jobs/{rows['jobs'].pk}", limits=limits)
        assert answer.status_code == 422 and sentence in answer.json()["error"]

    def test_a_sample_has_them_and_a_stranger_sees_nothing(self, script, rows, charlie):
        address = f"samples/{rows['samples'].pk}"
        assert self.ask(script, "put", address, limits=LIMITS).json()["decision"]["verdict"] == "passes"
        methods = {"get": {}, "put": {"limits": LIMITS}, "delete": {}}
        assert {self.ask(script, way, address, "charlie", **body).status_code for way, body in methods.items()} == {404}
