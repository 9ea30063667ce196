"""What can be done with several results of the list: compare two, make a sample, make one table of all objects."""

from __future__ import annotations

import csv
import io
from uuid import UUID

import pandas
import pytest
from django.urls import reverse

from segmentation.core.micrograph.types import Calibration
from segmentation.models import Job, Sample
from tests.core.builders import disc_labels
from tests.web.finished import visit
from worker import tasks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "busy")]
VISITOR = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture
def mine(result):
    """Makes results of different images of one browser."""

    def make(*seeds, **more):
        return [
            result(disc_labels(30, (300, 400), seed), f"{seed:064d}", visitor=VISITOR, **more) for seed in seeds
        ]  # fmt: skip

    return make


@pytest.fixture
def do(client):
    visit(client, VISITOR)

    def post(what, jobs, **more):
        return client.post(reverse("results-selected"), {"do": what, "job": [job.pk for job in jobs], **more})

    return post


def test_two_are_compared_the_older_first(mine, do):
    first, second = mine(1, 2)
    answer = do("compare", [second, first])
    assert (answer.status_code, answer["Location"]) == (303, f"{reverse('compare')}?a={first.pk}&b={second.pk}")


class TestTable:
    def read(self, answer):
        return b"".join(answer.streaming_content).decode("utf-8-sig")

    def test_it_has_every_object_with_its_image_and_result(self, mine, do):
        jobs = mine(1, 2, used={"corrected": 4})
        answer = do("table", jobs)
        assert answer["Content-Type"].startswith("text/csv")
        table = pandas.read_csv(io.StringIO(self.read(answer)), comment="#")
        statistics = [job.summary["statistics"] for job in jobs]
        assert len(table) == sum(numbers["n_kept"] + numbers["n_set_aside"] for numbers in statistics)
        assert set(table.result) == {str(job.pk) for job in jobs}
        assert (table.corrected_by_hand == 4).all()
        rows = table[table.result == str(jobs[0].pk)]
        assert rows[rows.kept].min_feret_nm.median() == pytest.approx(statistics[0]["median"], rel=5e-6)

    def test_pixels_and_nanometres_are_columns_of_their_own(self, mine, do):
        jobs = [*mine(1), *mine(2, calibration=Calibration.absent())]
        head, *rows = csv.reader(io.StringIO(self.read(do("table", jobs))))
        by_result = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
        assert {"min_feret_nm", "min_feret_px"} <= set(head)
        assert [bool(by_result[str(job.pk)]["min_feret_px"]) for job in jobs] == [False, True]

    def test_what_is_missing_is_named(self, mine, do, make_job):
        jobs = [*mine(1), make_job(visitor=VISITOR, state="failed")]
        assert "# not included: tio2.png" in self.read(do("table", jobs))
        assert do("table", jobs[1:]).status_code == 409

    def test_a_name_cannot_act_as_a_formula(self, mine, do):
        (job,) = mine(1)
        job.micrograph.name = "=HYPERLINK(1).tif"
        job.micrograph.save()
        assert "\n=HYPER" not in self.read(do("table", [job]))


class TestSample:
    def test_its_images_are_the_same_outlines(self, mine, do):
        jobs = mine(1, 2, 3)
        assert do("sample", jobs).status_code == 303
        sample = Sample.objects.get()
        members = sample.jobs.order_by("micrograph__sha256")
        assert [member.segmentation_id for member in members] == [job.segmentation_id for job in jobs]
        assert [member.parent_id for member in members] == [job.pk for job in jobs]
        assert (sample.visitor, sample.settings["model"]) == (VISITOR, "particles")

    def test_the_results_stay_when_it_is_deleted(self, mine, do, client):
        jobs = mine(1, 2)
        do("sample", jobs)
        client.post(reverse("sample-delete", args=[Sample.objects.get().pk]))
        assert set(Job.objects.all()) == set(jobs)

    @pytest.mark.services
    def test_a_double_click_makes_one(self, mine, do):
        jobs = mine(1, 2)
        for _ in range(2):
            do("sample", jobs, token="t")
        assert Sample.objects.count() == 1

    def test_what_cannot_be_one_is_refused(self, mine, do, make_job, result):
        jobs = mine(1)
        other = make_job(visitor=VISITOR, state="running")
        assert do("sample", [*jobs, other]).status_code == 409
        twice = result(sha=jobs[0].micrograph.sha256, visitor=VISITOR)
        assert do("sample", [*jobs, twice]).status_code == 422
        assert not Sample.objects.exists()

    def test_it_is_pooled_like_any_other(self, no_files, mine, do):
        do("sample", mine(1, 2, 3))
        sample = Sample.objects.get()
        for job in sample.jobs.all():
            Job.objects.filter(pk=job.pk).update(
                state="done", attempt=1, summary=job.parent.summary, settings=job.parent.settings
            )
            for stored in job.parent.artifacts.all():
                stored.pk, stored.job = None, job
                stored.save(force_insert=True)
        Sample.objects.update(state="queued")
        tasks.do_analyses()
        sample.refresh_from_db()
        assert (sample.state, len(sample.pooled["of"])) == ("done", 3)
