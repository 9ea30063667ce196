"""Archives: unpacked in a child, their images analysed or put into a sample."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import Job, Micrograph, Sample
from segmentation.services.ground.refusal import FULL
from segmentation.services.results import after_inspection, samples, uploads
from segmentation.services.results import jobs as jobs_service
from segmentation.services.results.samples import ScaleRule
from tests.conftest import inspect_uploads, picture
from tests.web.archive import zipped
from worker.reading import inspecting

from .test_inspecting import WHO, looked_into, messages, receive  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]


@pytest.mark.usefixtures("reader")
class TestArchives:
    @pytest.fixture(autouse=True)
    def _one_child_alone(self, request):
        """The first test starts the program that unpacks."""
        if request.function.__name__ != "test_it_becomes_uploads_of_its_sender":
            request.getfixturevalue("children_here")

    def archive(self, *entries, **fields):
        content = zipped(entries or [("x/a.png", picture(64)), ("b.png", picture(65)), ("c.doc", b"words")])
        return receive(content, name="batch.zip", holds_several_images=True, **fields)

    def test_it_becomes_uploads_of_its_sender(self, own_storage, look_into_all):
        visitor = uuid4()
        archive = self.archive(visitor=visitor, address="hash")
        look_into_all()
        archive.refresh_from_db()
        assert archive.state == "done" and [note["name"] for note in archive.notes] == ["c.doc"]
        assert not list(own_storage.glob(f"uploads/{archive.pk}/*"))
        images = archive.images.order_by("created")
        assert [(image.name, image.width, image.visitor, image.address) for image in images] == [
            ("a.png", 64, visitor, "hash"),
            ("b.png", 65, visitor, "hash"),
        ]

    def test_a_second_attempt_stores_nothing_twice(self, monkeypatch):
        archive = self.archive(("a.png", picture(64)), ("b.png", picture(64)), ("b (2).png", picture(66)))
        receive_upload, count = uploads.receive_upload, []

        def killed(**fields):
            count.append(1)
            if len(count) == 3:
                raise OSError(5, "Input/output error")
            return receive_upload(**fields)

        with monkeypatch.context() as patch:
            patch.setattr(uploads, "receive_upload", killed)
            patch.setattr("segmentation.services.results.publishing.LONGEST_WAIT", timedelta(minutes=9))
            patch.setattr("segmentation.services.results.publishing.FIRST_WAIT", timedelta(minutes=9))
            inspect_uploads()
        assert archive.images.count() == 2
        Micrograph.objects.update(due=None)
        assert looked_into(archive).state == "done"
        assert sorted(archive.images.values_list("name", flat=True)) == ["a.png", "b (2).png", "b.png"]

    def test_its_images_take_their_turn_as_any_other(self, monkeypatch):
        """What is in two of its folders under one name, with the same bytes, is still two images."""
        archive = self.archive(("c.doc", b"words"), *((f"{n}/a.png", picture(64)) for n in range(3)), address="many")
        receive(name="one.png", address="one")
        receive(name="two.png", address="one")
        turns, real = [], inspecting.inspect_upload
        monkeypatch.setattr("worker.tasks.inspect_upload", lambda row, *how: (turns.append(row.name), real(row, *how)))
        inspect_uploads()
        archive.refresh_from_db()
        assert turns == ["batch.zip", "one.png", "a.png", "two.png", "a.png", "a.png"]
        assert archive.state == "done"
        assert (archive.images.count(), [note["name"] for note in archive.notes]) == (3, ["c.doc"])

    def test_for_a_sample(self, look_into_all):
        archive = self.archive()
        sample = samples.create_sample(
            name="Batch",
            uploads=[archive],
            settings=AnalysisSettings.of(),
            scale=ScaleRule("pixel", 2.5, typed="2.5"),
            **WHO,
        )
        look_into_all()
        jobs = sample.members.order_by("created")
        assert [job.micrograph.name for job in jobs] == ["a.png", "b.png"]
        assert {job.get_settings().measurement.calibration.nm_per_pixel for job in jobs} == {2.5}
        assert [note["name"] for note in Sample.objects.get().notes] == ["c.doc"]

    def test_one_that_is_half_unpacked_when_the_sample_is_made(self, commit, look_into_all):
        archive = self.archive(("a.png", picture(64)))
        look_into_all()
        Micrograph.objects.filter(pk=archive.pk).update(state="running", attempt=2)
        archive.refresh_from_db()
        sample = samples.create_sample(
            name="B", uploads=[archive], settings=AnalysisSettings.of(), scale=ScaleRule(), **WHO
        )
        assert [job.micrograph.name for job in sample.jobs.all()] == ["a.png"]
        archive.refresh_from_db()
        with commit():
            after_inspection.publish_archive(micrograph=archive, notes=[])
        assert Micrograph.objects.filter(sample=sample).count() == 0

    def test_an_image_that_comes_out_while_the_sample_is_made_belongs_to_it(self, look_into_all, monkeypatch):
        """The worker has read where its images go, the form is sent, and then the image is stored."""
        archive = self.archive(("a.png", picture(64)), ("b.png", picture(65)))
        receive_upload, made = uploads.receive_upload, []

        def late(**fields):
            if not made:
                defaults = {"settings": AnalysisSettings.of(), "scale": ScaleRule(), **WHO}
                upload = Micrograph.objects.get(pk=archive.pk)
                made.append(samples.create_sample(name="B", uploads=[upload], **defaults))
            return receive_upload(**fields)

        monkeypatch.setattr(uploads, "receive_upload", late)
        look_into_all()
        assert [job.micrograph.name for job in made[0].members.order_by("created")] == ["a.png", "b.png"]
        assert not Micrograph.objects.filter(sample=made[0]).exists()

    def test_of_an_attempt_that_was_killed_while_storing_nothing_is_missing(self, look_into_all):
        first, fresh = self.archive(("a.png", picture(64)), ("b.png", picture(65))), None
        look_into_all()
        first.images.filter(name="b.png").update(state="receiving")
        fresh = self.archive(("a.png", picture(64)), ("b.png", picture(65)))
        first.images.update(archive=fresh)
        assert looked_into(fresh).state == "done"
        assert sorted(fresh.images.values_list("name", "state")) == [("a.png", "done"), ("b.png", "done")]

    def test_what_its_browser_claims_meanwhile_is_the_accounts(self, look_into_all, alice, monkeypatch):
        visitor = uuid4()
        archive = self.archive(visitor=visitor)
        receive_upload = uploads.receive_upload

        def late(**fields):
            Micrograph.objects.filter(pk=archive.pk).update(owner=alice)
            return receive_upload(**fields)

        monkeypatch.setattr(uploads, "receive_upload", late)
        after_inspection.start_analysis(micrograph=archive, settings=AnalysisSettings.of(), asked={}, token="t")
        look_into_all()
        assert {micrograph.owner for micrograph in Micrograph.objects.all()} == {alice}
        assert {job.owner for job in Job.objects.all()} == {alice}

    def test_sent_twice_it_makes_no_second_jobs(self, look_into_all):
        visitor = uuid4()
        for _ in range(2):
            archive = self.archive(visitor=visitor)
            after_inspection.start_analysis(micrograph=archive, settings=AnalysisSettings.of(), asked={}, token="form")
        look_into_all()
        assert sorted(job.micrograph.name for job in Job.objects.all()) == ["a.png", "b.png"]
        assert Micrograph.objects.filter(is_archive=False).count() == 2

    def test_what_the_limits_do_not_allow_is_kept_for_later(self, look_into_all, settings):
        settings.DEEPSEGM_WAITING_JOBS = 1
        archive = self.archive(address="hash")
        typed = {"width": "65", "source": "typed"}
        after_inspection.start_analysis(micrograph=archive, settings=AnalysisSettings.of(), asked=typed, token="t")
        look_into_all()
        assert sorted(Job.objects.values_list("micrograph__name", "state")) == [
            ("a.png", "queued"),
            ("b.png", "failed"),
        ]
        Job.objects.filter(state="queued").update(state="done")
        job = jobs_service.retry_job(job=Job.objects.get(state="failed"))
        assert Job.objects.claim(job.pk).get_settings().measurement.calibration.nm_per_pixel == 1.0

    def test_one_that_is_deleted_meanwhile_is_no_error(self, monkeypatch, caplog):
        archive = self.archive()
        receive_upload = uploads.receive_upload

        def late(**fields):
            Micrograph.objects.filter(pk=archive.pk).delete()
            return receive_upload(**fields)

        monkeypatch.setattr(uploads, "receive_upload", late)
        inspect_uploads()
        assert "Traceback" not in caplog.text
        Micrograph.objects.all().delete()

    def test_each_image_by_itself(self, look_into_all):
        archive = self.archive()
        typed = {"width": "65", "source": "typed"}
        after_inspection.start_analysis(
            micrograph=archive, settings=AnalysisSettings.of(filter=True), asked=typed, token="t"
        )
        look_into_all()
        jobs = {job.micrograph.name: job.get_settings() for job in Job.objects.all()}
        assert set(jobs) == {"a.png", "b.png"} and all(recipe.measurement.filter for recipe in jobs.values())
        assert jobs["b.png"].measurement.calibration.nm_per_pixel == 1.0

    def test_without_room_it_waits_and_nothing_of_it_is_called_damaged(self, settings):
        archive = self.archive(("a.png", picture(64)))
        settings.DEEPSEGM_MIN_FREE_MB = 10**9
        assert (looked_into(archive).state, archive.stage) == ("queued", FULL)
        settings.DEEPSEGM_MIN_FREE_MB = 1
        Micrograph.objects.update(due=None)
        assert looked_into(archive).images.count() == 1
