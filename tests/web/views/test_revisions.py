"""The revisions of a result: listed for whom they belong to, with what each changed."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.wording import capital
from segmentation.models import Job
from segmentation.views.job.revisions import revisions, setting_changes
from tests.web.finished import FILES, SUMMARY, ZEISS, summary, visit, words

pytestmark = pytest.mark.django_db
VISITOR, OTHER = uuid4(), uuid4()
FROM_FILE = f"7.344 nm/px ({Source.METADATA.words})"
BEGAN = timezone.now() - timedelta(hours=1)
GRAINS = AnalysisSettings.of("grains", model="grain-boundaries")


@pytest.fixture
def micrograph(make_micrograph):
    return make_micrograph(calibration=ZEISS, visitor=VISITOR)


@pytest.fixture
def revise(make_job, micrograph):
    """Jobs of one image, each a minute after the one before."""
    made = []

    def make(parent=None, settings=None, **fields):
        defaults = {"visitor": VISITOR, "state": Job.State.DONE, "summary": SUMMARY, "files": FILES, "attempt": 1}
        when = BEGAN + timedelta(minutes=len(made))
        job = make_job(
            micrograph=micrograph,
            parent=parent,
            settings=settings or AnalysisSettings.of(),
            created=when,
            **{**defaults, **fields},
        )
        made.append(job)
        return job

    return make


def changed(new, old):
    return capital("; ".join(setting_changes(new.get_settings(), old.get_settings())))


def listed(job, visitor=VISITOR, user=None):
    return revisions(job, user or AnonymousUser(), visitor)


def test_a_lone_result_lists_nothing(client, revise):
    page = words(visit(client, VISITOR).get(f"/jobs/{revise().pk}/"))
    assert 'id="revisions"' not in page


def test_each_says_what_it_changed_and_what_came_of_it(revise):
    first = revise()
    second = revise(
        first, AnalysisSettings.of(calibration=Calibration.of_width(640, 64)), summary=summary(median=211.7)
    )
    third = revise(
        second, second.get_settings().replaced(filter=True, border_correction="weight"), state=Job.State.RUNNING
    )
    fourth = revise(first, AnalysisSettings.of(threshold=0.4, flips=True, scale=0.5, data_bar=8))
    assert [
        (revision.number, revision.changes, revision.is_newest, revision.is_shown) for revision in listed(second)
    ] == [
        (1, FROM_FILE, False, False),
        (2, f"10 nm/px ({Source.TYPED.words})", False, True),
        (3, changed(third, second), False, False),
        (4, changed(fourth, first), True, False),
    ]
    outcomes = [(revision.outcome, revision.main_number) for revision in listed(fourth)]
    assert outcomes[1:3] == [("261 particles", "median 212 nm"), ("Under way", "")]


def test_the_page_links_them_and_marks_the_newest(client, revise, make_segmentation, micrograph):
    first = revise(segmentation=make_segmentation(micrograph=micrograph))
    second = revise(first, AnalysisSettings.of(filter=True))
    page = words(visit(client, VISITOR).get(f"/jobs/{first.pk}/"))
    assert f'<a href="/jobs/{second.pk}/">Version 2</a> <span class="badge good">' in page
    assert "version 1 of 2" in page
    assert "<b>Version 1</b>" in page
    assert "the newest is version 2" in page and "data-correct " in page
    Job.objects.filter(pk=first.pk).update(fixed=True, title="checked")
    page = words(visit(client, VISITOR).get(f"/jobs/{first.pk}/"))
    assert "Version “checked”. This version stays as it is." in page and "data-correct " not in page
    newest = words(visit(client, VISITOR).get(f"/jobs/{second.pk}/"))
    assert "This is version" not in newest and "“checked”" in newest


def test_deleting_one_keeps_the_others_and_the_image(client, revise, micrograph):
    first = revise()
    second = revise(first, AnalysisSettings.of(filter=True))
    third = revise(second, AnalysisSettings.of(threshold=0.3))
    browser = visit(client, VISITOR)
    assert "other versions (2)" in words(browser.get(f"/jobs/{second.pk}/delete/"))
    browser.post(f"/jobs/{second.pk}/delete/")
    micrograph.refresh_from_db()
    third.refresh_from_db()
    assert set(Job.objects.all()) == {first, third}
    assert [revision.changes for revision in listed(third)] == [FROM_FILE, "Threshold: 0.3"]
    assert browser.get(f"/jobs/{third.pk}/").status_code == 200
    browser.post(f"/jobs/{first.pk}/delete/")
    assert [revision.number for revision in listed(Job.objects.get())] == [1]


class TestAccess:
    def test_a_link_does_not_lead_to_later_revisions_of_others(self, revise):
        first = revise()
        second = revise(first, AnalysisSettings.of(filter=True))
        assert [revision.job for revision in listed(first, visitor=OTHER)] == [first]
        assert [revision.job for revision in listed(second, visitor=OTHER)] == [first, second]
        assert [revision.job for revision in listed(second, visitor=None)] == [first, second]

    def test_others_reruns_of_a_shared_link_are_theirs(self, revise):
        first = revise()
        theirs = revise(first, AnalysisSettings.of(filter=True), visitor=OTHER)
        assert [revision.job for revision in listed(first)] == [first]
        assert [revision.job for revision in listed(theirs, visitor=OTHER)] == [first, theirs]

    def test_a_private_origin_stays_private(self, revise, alice, charlie):
        first = revise(owner=alice)
        theirs = revise(first, AnalysisSettings.of(filter=True), owner=charlie, visitor=OTHER)
        assert [revision.job for revision in listed(theirs, user=charlie)] == [theirs]
        assert [revision.job for revision in listed(first, user=alice)] == [first]
        browser = Client()
        browser.force_login(charlie)
        assert str(first.pk) not in words(browser.get(f"/jobs/{theirs.pk}/"))

    def test_staff_see_those_of_the_same_owner(self, revise, alice, ada):
        first = revise(owner=alice)
        second = revise(first, AnalysisSettings.of(filter=True), owner=alice)
        assert [revision.job for revision in listed(first, user=ada)] == [first, second]


class TestInItsSample:
    """A revision may take the place of the one that the image's sample counts."""

    @pytest.fixture
    def pair(self, make_sample, make_job):
        """A sample of two images, the job of the first, and a revision of it outside the sample."""
        sample = make_sample(Job.State.DONE, Job.State.DONE, visitor=VISITOR)
        sample.jobs.update(summary=SUMMARY, visitor=VISITOR)
        counted = sample.jobs.order_by("created")[0]
        rerun = make_job(
            micrograph=counted.micrograph,
            parent=counted,
            visitor=VISITOR,
            state=Job.State.DONE,
            summary=SUMMARY,
            files=(*FILES, "table.npz"),
        )
        return sample, counted, rerun

    def use(self, sample, job, visitor=VISITOR):
        return visit(Client(), visitor).post(f"/samples/{sample.pk}/images/{job.pk}/", {"included": "instead"})

    def test_it_is_taken_and_its_page_asks_nothing(self, pair, queue, commit):
        """The page of the sample asks: one question in one place."""
        sample, counted, rerun = pair
        page = words(visit(Client(), VISITOR).get(f"/jobs/{rerun.pk}/"))
        assert 'value="instead"' not in page and "another version of it counts in the sample" in page
        with commit():
            response = self.use(sample, rerun)
        assert (response.status_code, response["Location"]) == (303, f"/samples/{sample.pk}/#image-{rerun.pk}")
        assert set(sample.members.values_list("pk", flat=True)) == {
            rerun.pk,
            sample.jobs.exclude(micrograph=rerun.micrograph).get().pk,
        }
        assert Job.objects.get(pk=counted.pk).sample is None
        assert queue == ["analyses"]
        assert "another version of it" not in words(visit(Client(), VISITOR).get(f"/jobs/{rerun.pk}/"))
        assert self.use(sample, counted).status_code == 303
        assert counted.pk in sample.members.values_list("pk", flat=True)

    def test_one_without_a_table_to_be_pooled_is_measured_once_more(self, pair, queue, commit):
        sample, _, rerun = pair
        rerun.artifact("table.npz").delete()
        with commit():
            self.use(sample, rerun)
        rerun.refresh_from_db()
        assert (rerun.state, rerun.sample, queue) == (Job.State.QUEUED, sample, ["analyses"])

    def test_when_it_is_deleted_the_one_before_counts_again(self, pair, queue):
        sample, counted, rerun = pair
        Job.objects.filter(pk=rerun.pk).update(parent=counted)
        self.use(sample, rerun)
        visit(Client(), VISITOR).post(f"/jobs/{rerun.pk}/delete/")
        assert counted.pk in sample.members.values_list("pk", flat=True)

    @pytest.mark.parametrize(
        "change", [{"settings": GRAINS.as_dict()}, {"state": Job.State.RUNNING}, {"state": Job.State.FAILED}]
    )
    def test_one_of_another_kind_of_analysis_or_not_done_is_not_taken(self, pair, change):
        sample, counted, rerun = pair
        Job.objects.filter(pk=rerun.pk).update(**change)
        assert self.use(sample, rerun).status_code == 409
        assert counted.pk in sample.members.values_list("pk", flat=True)

    def test_an_excluded_image_stays_excluded(self, pair):
        sample, counted, rerun = pair
        sample.jobs.filter(pk=counted.pk).update(included=False)
        self.use(sample, rerun)
        assert not Job.objects.get(pk=rerun.pk).included

    def test_of_an_image_measured_again_within_the_sample_only_the_new_one_counts(self, pair, make_job):
        sample, counted, rerun = pair
        make_job(
            micrograph=counted.micrograph,
            parent=counted,
            sample=sample,
            visitor=VISITOR,
            state=Job.State.DONE,
            summary=SUMMARY,
        )
        self.use(sample, rerun)
        assert [job.pk for job in sample.members.filter(micrograph=rerun.micrograph)] == [rerun.pk]

    def test_strangers_and_other_images_are_refused(self, pair, revise):
        sample, _, rerun = pair
        assert self.use(sample, rerun, OTHER).status_code == 403
        assert self.use(sample, revise()).status_code == 404
