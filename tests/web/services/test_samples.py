"""Samples: made once, extended, images in and out, queue and pooling, rescue, deletion; nothing left behind."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.types import Calibration
from segmentation.models import RESTART_FIELDS, Job, Micrograph, Sample, SampleArtifact, Superseded
from segmentation.services.ground import bundles
from segmentation.services.ground.queue import enqueue
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import jobs, publishing, samples
from segmentation.services.results.pooling import refresh_sample
from segmentation.services.results.samples import FULL, NO_IMAGES, ScaleRule
from segmentation.services.upkeep import upkeep
from tests.web.finished import SUMMARY, ZEISS

pytestmark = pytest.mark.django_db
QUEUED, RUNNING, DONE, FAILED, CANCELLED = Job.State.values


ME = UUID(int=7)


def create(uploads, user=None, visitor=ME, token="", **fields):
    defaults = {"name": "Batch 7", "settings": AnalysisSettings.of(), "scale": ScaleRule()}
    return samples.create_sample(uploads=uploads, user=user, visitor=visitor, token=token, **{**defaults, **fields})


def different(make_micrograph, count, **fields):
    return [make_micrograph(name=f"{number}.png", sha256=f"{number:064d}", **fields) for number in range(count)]


def state(sample):
    sample.refresh_from_db()
    return sample.state


def states(sample):
    return sorted(sample.members.values_list("state", flat=True))


@pytest.mark.services
class TestCreate:
    def test_each_image_becomes_a_job(self, make_micrograph, alice, commit):
        visitor = uuid4()
        with commit():
            sample = create(different(make_micrograph, 3), user=alice, visitor=visitor)
        assert [(job.owner, job.visitor, job.state) for job in sample.jobs.all()] == [(alice, visitor, QUEUED)] * 3
        assert state(sample) == Sample.State.WAITING

    def test_the_same_file_is_analysed_once_and_said(self, make_micrograph):
        first, second = make_micrograph(name="a.png"), make_micrograph(name="b.png")
        sample = create([first, second])
        assert [job.micrograph for job in sample.jobs.all()] == [first]
        ((note),) = sample.notes
        assert note["name"] == "b.png" and "a.png" in note["sentence"]
        assert not Micrograph.objects.filter(pk=second.pk).exists()

    def test_without_images_there_is_none(self, db):
        with pytest.raises(Refused, match=NO_IMAGES):
            create([])
        assert not Sample.objects.exists()

    def test_more_than_the_limit_are_named_and_left_out(self, make_micrograph, settings):
        settings.DEEPSEGM_SAMPLE_IMAGES = 2
        sample = create(different(make_micrograph, 3))
        assert sample.jobs.count() == Micrograph.objects.count() == 2
        assert sample.notes == [{"name": "2.png", "sentence": FULL.format(limit=2)}]

    def test_a_data_bar_higher_than_an_image_leaves_that_out(self, make_micrograph):
        tall = make_micrograph(name="tall.png", sha256="c" * 64, height=480)
        sample = create([tall, make_micrograph()], settings=AnalysisSettings.of(data_bar=100))
        assert [job.micrograph for job in sample.jobs.all()] == [tall]
        assert "has only 48" in sample.notes[0]["sentence"]

    def test_so_many_samples_under_way_and_no_more(self, make_micrograph, settings):
        settings.DEEPSEGM_WAITING_SAMPLES, settings.DEEPSEGM_WAITING_JOBS = 1, 1
        visitor = uuid4()
        create(different(make_micrograph, 5, visitor=visitor), visitor=visitor)
        with pytest.raises(Refused, match="1 of your samples") as refused:
            create([make_micrograph(visitor=visitor)], visitor=visitor)
        assert refused.value.status == 429
        create([make_micrograph()], visitor=uuid4())

    def test_its_images_do_not_use_up_the_single_ones(self, make_micrograph, settings):
        settings.DEEPSEGM_WAITING_JOBS = 1
        visitor = uuid4()
        create(different(make_micrograph, 5, visitor=visitor), visitor=visitor)
        single = make_micrograph(visitor=visitor)
        jobs.create_job(micrograph=single, settings=AnalysisSettings.of(), user=None, visitor=visitor, token="")

    @pytest.mark.parametrize(
        ("name", "title"), [("  ", "tio2.png"), ("a\r\nb\x00", "a b"), ("x" * 400, "x" * 150), ("A/B", "A/B")]
    )
    def test_names(self, make_micrograph, name, title):
        assert create([make_micrograph()], name=name).name == title

    def test_a_name_that_nobody_typed_follows_the_number_of_images(self, make_micrograph):
        sample = create([make_micrograph(name="0.png")], name="")
        later = [make_micrograph(name="1.png", sha256="e" * 64), make_micrograph(name="2.png", state="queued")]
        for upload, name in zip(later, ("0.png and 1 more", "0.png and 2 more"), strict=True):
            samples.add_images(sample=sample, uploads=[upload])
            assert Sample.objects.get().name == name


class TestScale:
    def calibrations(self, sample):
        return [job.get_settings().measurement.calibration for job in sample.jobs.order_by("created")]

    def test_each_its_own(self, make_micrograph):
        uploads = [make_micrograph(calibration=ZEISS), make_micrograph(sha256="c" * 64)]
        calibration, other = self.calibrations(create(uploads, scale=ScaleRule(Sample.Rule.OWN, 640.0)))
        assert calibration is None
        assert (other.nm_per_pixel, other.source) == (10.0, "typed")

    @pytest.mark.parametrize(
        ("scale", "pixels"),
        [(ScaleRule(Sample.Rule.WIDTH, 640.0), [10.0, 5.0]), (ScaleRule(Sample.Rule.PIXEL, 2.5), [2.5, 2.5])],
    )
    def test_one_for_all_comes_before_the_files(self, make_micrograph, scale, pixels):
        uploads = [make_micrograph(calibration=ZEISS), make_micrograph(sha256="c" * 64, width=128)]
        assert [calibration.nm_per_pixel for calibration in self.calibrations(create(uploads, scale=scale))] == pixels

    @pytest.mark.parametrize(
        ("scale", "relative"),
        [
            (ScaleRule(Sample.Rule.WIDTH, 2800.0, typed="2.8 µm"), 0.05 / 2.8),
            (ScaleRule(Sample.Rule.OWN, 7520.0, typed="7.52 um"), 0.005 / 7.52),
            (ScaleRule(Sample.Rule.PIXEL, 5.5, typed="5.50 nm/px"), 0.005 / 5.5),
            (ScaleRule(Sample.Rule.PIXEL, 5.5), 0.05 / 5.5),
            (ScaleRule(Sample.Rule.WIDTH, 2800.0), 0.5 / 2800),
        ],
    )
    def test_its_last_digit_says_how_well_it_is_known(self, make_micrograph, scale, relative):
        """Without the text the number itself is taken as typed in nm."""
        (made,) = self.calibrations(create([make_micrograph()], scale=scale))
        assert made.relative_uncertainty == pytest.approx(relative / 3**0.5)

    def test_images_added_later_are_known_as_well(self, make_micrograph):
        first, second = different(make_micrograph, 2)
        sample = create([first], scale=ScaleRule(Sample.Rule.WIDTH, 2800.0, typed="2.8 µm"))
        samples.add_images(sample=Sample.objects.get(), uploads=[second])
        calibration, other = self.calibrations(sample)
        assert calibration == other

    def test_what_was_typed_fits_and_can_be_read(self, make_micrograph):
        sample = create([make_micrograph()], scale=ScaleRule(Sample.Rule.WIDTH, 5.0, typed="5." + "0" * 300 + "\0 nm"))
        assert Sample.objects.get(pk=sample.pk).typed == "5." + "0" * 98

    def test_what_was_said_of_an_image_in_1_0_0_comes_first(self, make_micrograph):
        line = {"width": "192", "source": "drawn", "pixels": 50, "error": 1, "length": "150 nm"}
        sample = create([make_micrograph(asked=line)])
        assert self.calibrations(sample) == [Calibration.of_line(150, 50, 1)]

    def test_another_scale_makes_revisions_of_those_that_change(self, make_sample, commit):
        sample = make_sample(DONE, DONE)
        before = list(sample.members.order_by("created"))
        changed = AnalysisSettings.of(
            calibration=Calibration.of_pixel(2.5, detail="one pixel size for the whole sample")
        )
        Job.objects.filter(pk=before[0].pk).update(settings=changed.as_dict(), included=False)
        with commit():
            samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.PIXEL, 2.5))
        members = list(sample.members.order_by("created"))
        assert members[0] == before[0] and members[1].parent == before[1]
        assert members[1].micrograph == before[1].micrograph
        assert Job.objects.filter(pk=before[1].pk, state=DONE).exists()
        assert (sample.rule, sample.value, state(sample)) == ("pixel", 2.5, Sample.State.WAITING)

    def test_the_same_scale_with_more_digits_is_another(self, make_sample):
        sample = make_sample(DONE)
        samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.PIXEL, 2.5, typed="2.5"))
        Job.objects.update(state=DONE)
        samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.PIXEL, 2.5, typed="2.50"))
        sample.refresh_from_db()
        assert (sample.value, sample.typed) == (2.5, "2.50")
        calibration = sample.members.get().get_settings().measurement.calibration
        assert calibration.relative_uncertainty == pytest.approx(0.005 / 2.5 / 3**0.5)

    def test_a_deleted_revision_uncovers_the_one_before(self, make_sample):
        sample = make_sample(DONE)
        before = sample.members.get()
        samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.PIXEL, 2.5))
        jobs.delete_job(job=sample.members.get())
        assert sample.members.get() == before

    def test_a_deleted_revision_between_two_uncovers_nothing(self, make_sample):
        sample = make_sample(DONE)
        for value in (2.5, 3.5):
            samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.PIXEL, value))
            sample.jobs.update(state=DONE)
        last = sample.members.get()
        jobs.delete_job(job=last.parent)
        assert sample.members.get() == last

    def test_what_is_uncovered_stays_left_out(self, make_sample):
        sample = make_sample(DONE)
        samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.PIXEL, 2.5))
        samples.include_images(sample=sample, included={sample.members.get().pk: False})
        jobs.delete_job(job=sample.members.get())
        assert not sample.members.get().included

    def test_each_image_keeps_the_width_that_was_typed_for_it(self, make_micrograph):
        typed = {"width": "2000", "source": "typed"}, {"width": "4000", "source": "typed"}, {}
        sample = create([make_micrograph(sha256=f"{n:064d}", asked=width) for n, width in enumerate(typed)])
        sample.jobs.update(state=DONE)
        samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.OWN, 5000.0))
        widths = [
            job.get_settings().measurement.calibration.width_nm(job.micrograph.width)
            for job in sample.members.order_by("micrograph__sha256")
        ]
        assert widths == pytest.approx([2000, 4000, 5000])

    def test_a_scale_for_all_holds_for_what_is_still_being_read(self, make_micrograph):
        arriving = make_micrograph(state=Micrograph.State.QUEUED, asked={"width": "", "source": None})
        sample = create([arriving])
        samples.recalibrate_sample(sample=sample, scale=ScaleRule(Sample.Rule.WIDTH, 3000.0))
        assert Micrograph.objects.get(pk=arriving.pk).asked == {}


class TestRegions:
    """Regions that one image ignores, for all images of its size."""

    REGIONS = (((0.0, 0.0), (20.0, 20.0)),)

    def ignored(self, sample):
        members = sample.members.order_by("created", "micrograph__sha256")
        return [job.get_settings().measurement.ignore for job in members]

    def test_one_press_measures_those_of_the_same_size_again(self, make_micrograph, make_job, commit):
        large = make_micrograph(sha256="d" * 64, width=999)
        sample = create([*different(make_micrograph, 3), large])
        sample.jobs.update(state=DONE)
        first, second, *_ = sample.members.order_by("micrograph__sha256")
        settings = first.get_settings().replaced(ignore=self.REGIONS)
        drawn = make_job(micrograph=first.micrograph, parent=first, state=DONE, visitor=ME, settings=settings)
        assert len(samples.others_of_this_size(sample, drawn)) == 2
        with commit():
            samples.ignore_in_sample(sample=sample, job=drawn)
        members = {job.micrograph_id: job for job in sample.members}
        assert members[first.micrograph_id] == drawn and len(members) == 4
        again = members[second.micrograph_id]
        assert again.parent == second and again.get_settings() == second.get_settings().replaced(ignore=self.REGIONS)
        assert members[large.pk].get_settings().measurement.ignore == ()
        assert state(sample) == Sample.State.WAITING
        with pytest.raises(Refused, match="under way"):
            samples.ignore_in_sample(sample=sample, job=drawn)
        # An image that comes later ignores what all others of its size do.
        samples.add_images(sample=sample, uploads=[make_micrograph(sha256="e" * 64)])
        assert sample.members.get(micrograph__sha256="e" * 64).get_settings().measurement.ignore == self.REGIONS

    def test_the_settings_of_a_sample_hold_them(self, make_micrograph):
        sample = create(different(make_micrograph, 2), settings=AnalysisSettings.of(ignore=self.REGIONS))
        assert self.ignored(sample) == [self.REGIONS] * 2
        samples.add_images(sample=sample, uploads=[make_micrograph(sha256="e" * 64, width=999)])
        assert self.ignored(sample) == [self.REGIONS] * 3


@pytest.mark.services
class TestQueue:
    def test_a_message_is_sent_for_each_image_once(self, make_micrograph, queue, commit):
        with commit():
            sample = create(different(make_micrograph, 5))
        upkeep.rescue()
        assert queue == ["analyses"] * 5
        assert not sample.jobs.filter(enqueued=None).exists()

    def test_of_two_who_would_send_it_at_once_one_does(self, make_sample, monkeypatch):
        """Each of the threads that look into images refreshes the sample when its own image is read."""
        sample, sent = make_sample(QUEUED, QUEUED, QUEUED), []

        def send(name, **options):
            sent.append(name)
            if len(sent) == 1:  # another thread comes between
                refresh_sample(sample.pk)

        monkeypatch.setattr("celery.current_app.send_task", send)
        refresh_sample(sample.pk)
        assert sent == ["worker.analyses"] * 3

    def test_a_worker_that_has_a_message_at_once_sees_that_it_was_sent(self, make_job, monkeypatch):
        job, seen = make_job(), []

        def send(name, **options):
            seen.append(Job.objects.get(pk=job.pk).enqueued)

        monkeypatch.setattr("celery.current_app.send_task", send)
        assert enqueue([job.pk]) == 1 and seen[0] is not None

    def test_what_the_broker_refuses_counts_as_not_sent(self, make_job, monkeypatch):
        job = make_job()
        monkeypatch.setattr("celery.current_app.send_task", Mock(side_effect=OSError("full")))
        assert enqueue([job.pk]) == 0
        assert Job.objects.get(pk=job.pk).enqueued is None

    def test_an_image_of_another_sender_stands_behind_one_of_those_only(self, make_micrograph):
        create(different(make_micrograph, 6))
        who = {"user": None, "visitor": None, "token": ""}
        single = jobs.create_job(micrograph=make_micrograph(sha256="f" * 64), settings=AnalysisSettings.of(), **who)
        assert single.position() == 2

    def test_a_message_is_sent_again_at_a_start(self, make_sample, queue):
        make_sample(QUEUED, QUEUED, QUEUED).jobs.update(enqueued=timezone.now())
        make_sample(DONE, state=Sample.State.QUEUED, enqueued=timezone.now())
        assert upkeep.enqueue_all() == len(queue) == 4


@pytest.mark.services
class TestPooling:
    def test_it_is_wanted_once_all_have_ended(self, make_sample, queue, commit):
        sample = make_sample(RUNNING, DONE, FAILED)
        job = Job.objects.get(state=RUNNING)
        with commit():
            publishing.publish(job=job, files={}, summary=SUMMARY)
        assert state(sample) == Sample.State.QUEUED
        assert queue == ["analyses"]

    def test_not_before(self, make_sample, queue, commit):
        sample = make_sample(RUNNING, RUNNING)
        with commit():
            publishing.fail_row(row=sample.jobs.first(), sentence="No.")
        assert state(sample) == Sample.State.WAITING
        assert queue == []

    @pytest.mark.parametrize("change", ["exclude", "delete", "purge upload"])
    def test_every_change_pools_again_and_fences_off_what_runs(self, make_sample, queue, commit, change):
        sample = make_sample(DONE, DONE, state=Sample.State.QUEUED)
        running = Sample.objects.claim(sample.pk)
        job = sample.jobs.first()
        with commit():
            if change == "exclude":
                samples.include_images(sample=sample, included={job.pk: False})
            elif change == "delete":
                jobs.delete_job(job=job)
            else:
                job.micrograph.delete()
        assert state(sample) == Sample.State.QUEUED
        assert queue == ["analyses"]
        with pytest.raises(Superseded):
            publishing.publish_sample(sample=running, files={}, pooled={})
        assert state(sample) == Sample.State.QUEUED

    def test_excluding_twice_pools_once(self, make_sample, queue, commit):
        sample = make_sample(DONE)
        for _ in range(2):
            with commit():
                samples.include_images(sample=sample, included={sample.jobs.get().pk: False})
        assert queue == ["analyses"]

    def test_published_files_replace_those_before(self, make_sample, own_storage, tmp_path):
        sample = make_sample(DONE, state=Sample.State.QUEUED)
        for content in ("old", "new"):
            (tmp_path / "images.csv").write_text(content)
            Sample.objects.filter(pk=sample.pk).update(**RESTART_FIELDS)
            claimed = Sample.objects.claim(sample.pk)
            publishing.publish_sample(sample=claimed, files={"images.csv": tmp_path / "images.csv"}, pooled={"of": []})
        stored = SampleArtifact.objects.get()
        assert bundles.open_file(stored).read() == b"new"
        assert stored.content_type == "text/csv"
        assert [path.name for path in (own_storage / sample.folder).iterdir()] == ["2"]

    def test_whose_last_image_ended_unnoticed_is_pooled(self, make_sample, queue):
        sample = make_sample(DONE, FAILED)
        upkeep.rescue()
        assert state(sample) == Sample.State.QUEUED
        assert queue == ["analyses"]


@pytest.mark.services
class TestChange:
    def test_images_are_added_with_the_samples_settings(self, make_sample, make_micrograph, commit):
        sample = make_sample(DONE, settings=AnalysisSettings.of(filter=True), rule=Sample.Rule.PIXEL, value=2.0)
        same = make_micrograph(name="same.png", sha256=f"{0:064d}")
        with commit():
            notes = samples.add_images(sample=sample, uploads=[make_micrograph(sha256="e" * 64), same])
        assert [note.name for note in notes] == ["same.png"]
        added = sample.jobs.get(state=QUEUED).get_settings()
        assert added.measurement.filter and added.measurement.calibration.nm_per_pixel == 2.0
        assert state(sample) == Sample.State.WAITING
        assert len(sample.notes) == 1

    @pytest.mark.parametrize("end", [samples.cancel_sample, samples.delete_sample])
    def test_an_upload_that_another_analysis_waits_for_stays(self, make_micrograph, make_job, end):
        arriving = make_micrograph(state=Micrograph.State.QUEUED)
        alone = make_micrograph(name="b.png", sha256="b" * 64, state=Micrograph.State.QUEUED)
        job = make_job(micrograph=arriving)
        end(sample=create([arriving, alone]))
        assert list(Job.objects.all()) == [job] and list(Micrograph.objects.all()) == [arriving]

    def test_deleting_takes_jobs_files_and_unused_micrographs(
        self, make_sample, make_job, own_storage, commit, tmp_path
    ):
        sample = make_sample(DONE, RUNNING, state=Sample.State.QUEUED)
        shared = sample.jobs.first().micrograph
        make_job(micrograph=shared)
        (tmp_path / "a.csv").write_text("a")
        publishing.publish_sample(
            sample=Sample.objects.claim(sample.pk), files={"a.csv": tmp_path / "a.csv"}, pooled={"of": []}
        )
        with commit():
            samples.delete_sample(sample=sample)
        assert not Sample.objects.exists() and not SampleArtifact.objects.exists()
        assert list(Micrograph.objects.all()) == [shared]
        folders = {path.relative_to(own_storage).parts[:2] for path in own_storage.rglob("*") if path.is_file()}
        assert folders == {("uploads", str(shared.pk))}

    def test_a_deleted_sample_takes_no_more_images(self, make_sample, make_micrograph):
        sample = make_sample(DONE)
        Sample.objects.filter(pk=sample.pk).delete()
        with pytest.raises(Refused) as refused:
            samples.add_images(sample=sample, uploads=[make_micrograph(sha256="e" * 64)])
        assert refused.value.status == 404

    def test_retention_takes_a_sample_as_a_whole(self, make_sample):
        old, young = timezone.now() - timedelta(days=9), timezone.now()
        gone, recent = make_sample(DONE, DONE, created=old), make_sample(DONE, DONE, created=old)
        Job.objects.update(finished=old)
        Job.objects.filter(pk=recent.jobs.first().pk).update(finished=young)
        assert upkeep.purge(older_than=timedelta(days=5)).jobs == 2
        assert list(Sample.objects.all()) == [recent]
        assert recent.jobs.count() == 2 and not Job.objects.filter(sample=gone.pk).exists()
