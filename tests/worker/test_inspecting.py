"""Looking into uploads: in a child process, in turn, once, and what follows for jobs and samples."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import numpy as np
import psutil
import pytest
import tifffile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.inspect import _inspect, _options
from segmentation.core.micrograph.scale_bar.readings import CUT_OFF
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.stages.preparation import NO_ROW
from segmentation.models import Job, Micrograph, Sample, Superseded
from segmentation.models.micrographs import MOST_BARS, OTHER_BAR_WAITS
from segmentation.services.ground.limits import most_pixels
from segmentation.services.ground.refusal import FULL, Refused
from segmentation.services.results import after_inspection, samples
from segmentation.services.results import jobs as jobs_service
from segmentation.services.results import uploads as uploads_service
from segmentation.services.results.jobs import UNREADABLE
from segmentation.services.results.samples import ScaleRule
from segmentation.services.upkeep import upkeep
from tests.conftest import inspect_uploads, picture
from tests.core.micrograph.test_barlayout import EARLIER, drawn, image_with
from tests.hostile import image, tiff
from worker.fetching import load_micrograph
from worker.reading import answers, decoding, inspecting
from worker.scratch import kept_file_path

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
WHO = {"user": None, "visitor": None, "address": ""}
BY_A_CHILD = decoding.inspect


@pytest.fixture(autouse=True)
def messages(monkeypatch):
    """Nobody answers: what comes in waits until a test looks into it."""
    enqueued: list[str] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, **options: enqueued.append(name))
    return enqueued


def receive(content=None, name="a.png", **fields):
    file = SimpleUploadedFile(name, picture() if content is None else content)
    return uploads_service.receive_upload(file=file, **{**WHO, **fields})


def looked_into(micrograph=None, most=1000):
    inspect_uploads(most)
    micrograph = micrograph or Micrograph.objects.get()
    micrograph.refresh_from_db()
    return micrograph


def child(monkeypatch, does):
    """Replace the inspecting child by a shell command."""
    monkeypatch.setattr(decoding, "_command", lambda *given: ["sh", "-c", does])


def damaged():
    """A whole file whose pixels are none."""
    content = picture()
    return content[:45] + bytes(byte ^ 0xFF for byte in content[45:-16]) + content[-16:]


class TestOne:
    def test_a_good_image(self, settings):
        micrograph = looked_into(receive())
        assert (micrograph.state, micrograph.kind) == ("done", "PNG, 8 bit")
        assert (micrograph.width, micrograph.height) == (64, 48)
        assert micrograph.preview.read().startswith(b"\x89PNG")
        assert micrograph.calibration["source"] == "none"
        assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == [kept_file_path(str(micrograph.pk))]

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_its_analysis_takes_the_pixels_that_were_decoded_and_decodes_again_without(
        self, monkeypatch, tmp_path, dtype
    ):
        side = SimpleUploadedFile("a.txt", b"[SemImageFile]\nPixelSize=24.8\n")
        micrograph = looked_into(receive(tiff(image(48, 64, dtype, 200)), name="a µ.tif", side=[side]))
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "read_micrograph", None)
            at_once = load_micrograph(micrograph, tmp_path)
        with kept_file_path(str(micrograph.pk)).open("r+b") as file:  # no longer what was decoded
            file.write(b"not an array")
        decoded = load_micrograph(micrograph, tmp_path)
        np.testing.assert_array_equal(at_once.pixels, decoded.pixels)
        assert at_once.pixels.dtype == decoded.pixels.dtype == dtype
        for name in ("name", "sha256", "calibration", "metadata", "notes", "reading"):
            assert getattr(at_once, name) == getattr(decoded, name), name

    def test_pixels_that_were_left_oblong_by_an_earlier_version_are_not_mixed_with_square_ones(self, tmp_path):
        content = tiff(image(48, 64), imagej=True, resolution=(0.25, 0.125), metadata={"unit": "nm"})
        micrograph = looked_into(receive(content, name="a.tif"))
        assert (micrograph.width, micrograph.height) == (64, 96)
        assert load_micrograph(micrograph, tmp_path).shape == (96, 64)
        micrograph.height = 48
        with pytest.raises(UnreadableImage, match="upload it again"):
            load_micrograph(micrograph, tmp_path)

    def test_an_unreadable_one_fails_with_its_sentence_and_its_bytes_go(self, own_storage, commit):
        with commit():
            micrograph = looked_into(receive(damaged(), name="--help.png"))
        assert micrograph.state == "failed" and micrograph.error.endswith(".") and "Traceback" not in micrograph.error
        assert not [path for path in own_storage.rglob("*") if path.is_file()]

    @pytest.mark.parametrize("does", ["kill -SEGV $$", "exit 3", "echo junk", "echo '{}'", "echo '[]'"])
    def test_a_child_that_dies_or_babbles_is_the_files_fault(self, monkeypatch, does):
        child(monkeypatch, does)
        micrograph = looked_into(receive())
        assert micrograph.state == "failed" and micrograph.error == decoding.DIED

    def test_a_child_that_somebody_kills_is_started_again_twice(self, monkeypatch, tmp_path):
        """The system does when memory is short: that is not the file's fault at once."""
        with monkeypatch.context() as patch:
            child(patch, "kill -9 $$")
            micrograph = receive()
            job = jobs_service.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), **WHO)
            inspect_uploads()
            micrograph.refresh_from_db()
            job.refresh_from_db()
            assert (micrograph.state, micrograph.error) == ("failed", decoding.DIED)
            assert (micrograph.attempt, job.state, job.error) == (3, "failed", decoding.DIED)
            second = looked_into(receive(), most=2)
            assert (second.state, second.deaths) == ("queued", 2)
        assert looked_into(second).state == "done"

    def test_a_file_that_takes_too_much_of_the_processor_is_refused_once(self, monkeypatch, tmp_path):
        """By its upload, and by an analysis if the upload took just less: it would take as much again."""
        child(monkeypatch, "ulimit -S -t 1; while :; do :; done")
        micrograph = looked_into(receive())
        assert (micrograph.state, micrograph.error, micrograph.attempt) == ("failed", decoding.TOO_SLOW, 1)
        (tmp_path / "a").touch()
        with pytest.raises(decoding.Unreadable, match="took too long"):
            decoding.read_micrograph(tmp_path / "a", name="a")

    @pytest.mark.parametrize(("size", "limit"), [(0, 10), (5, 15), (150, 60)])
    def test_the_time_of_the_processor_grows_with_the_file(self, monkeypatch, tmp_path, size, limit):
        commands = []
        monkeypatch.setattr(decoding, "_run", lambda command, *more: commands.append(command) or b"{}")
        with (tmp_path / "a").open("wb") as file:
            file.truncate(size * 2**20)
        for options in ({"later": True}, {"later": False}):  # the second one reads text
            with pytest.raises(decoding.Unreadable):
                decoding.inspect(tmp_path / "a", name="a", **options)
        limits = [float(word.partition("=")[2]) for command in commands for word in command if "--seconds" in word]
        assert limits == [limit, 60]

    def test_a_child_that_hangs_is_killed(self, monkeypatch, settings, tmp_path):
        settings.DEEPSEGM_INSPECTION_SECONDS = 1
        monkeypatch.setattr(decoding, "PATIENCE_FACTOR", 1)
        child(monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 600")
        assert looked_into(receive()).error == decoding.TOO_SLOW
        assert not _lives(tmp_path / "pid")

    def test_a_child_whose_upload_was_deleted_is_killed(self, monkeypatch, tmp_path):
        child(monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 600")
        micrograph = receive()
        report = Micrograph.report

        def deleted(row, **fields):
            if (tmp_path / "pid").exists():
                Micrograph.objects.all().delete()
            report(row, **fields)

        monkeypatch.setattr(Micrograph, "report", deleted)
        monkeypatch.setattr("worker.attempts.PROGRESS_REPORT_SECONDS", 0.0)
        inspect_uploads()
        assert not Micrograph.objects.filter(pk=micrograph.pk).exists()
        assert not _lives(tmp_path / "pid")

    def test_a_full_disk_under_the_child_is_not_the_files_fault(self, monkeypatch):
        command = decoding._command

        def to_a_full_disk(path, name, side, options):
            return command(path, name, side, ["--preview=/dev/full"])

        micrograph = receive()
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "_command", to_a_full_disk)
            patch.setattr(decoding, "is_space_scarce", lambda *_: True)
            assert (looked_into(micrograph).state, micrograph.stage) == ("queued", FULL)
        Micrograph.objects.update(due=None)
        assert looked_into(micrograph).state == "done"

    def test_pixels_that_are_kept_go_with_their_image(self, commit):
        micrograph = looked_into(receive())
        assert kept_file_path(str(micrograph.pk)).exists()
        with commit():
            micrograph.delete()
        assert not kept_file_path(str(micrograph.pk)).exists()

    @pytest.mark.services
    def test_the_preview_of_what_was_deleted_meanwhile_goes(self, own_storage, commit):
        attempt = Micrograph.objects.claim(receive().pk)
        with commit():
            Micrograph.objects.get(pk=attempt.pk).delete()
        with pytest.raises(Superseded):
            after_inspection.publish_inspection(micrograph=attempt, facts={}, preview=b"picture")
        assert not [path for path in own_storage.rglob("*") if path.is_file()]

    @pytest.mark.services
    def test_an_end_that_comes_too_late_changes_nothing(self):
        attempt = Micrograph.objects.claim(receive().pk)
        Micrograph.objects.update(state="queued")
        assert Micrograph.objects.claim(attempt.pk).attempt == 2
        with pytest.raises(Superseded):
            after_inspection.publish_inspection(micrograph=attempt, facts={}, preview=b"")
        with pytest.raises(Superseded):
            after_inspection.fail_upload(micrograph=attempt, sentence="late")
        assert Micrograph.objects.get().state == "running"

    def test_trouble_with_the_storage_is_not_the_files_fault(self, monkeypatch):
        micrograph = receive()
        with monkeypatch.context() as patch:
            patch.setattr(
                "django.core.files.storage.FileSystemStorage._save",
                Mock(side_effect=OSError(28, "No space left on device")),
            )
            assert (looked_into(micrograph).state, micrograph.stage) == ("queued", FULL)
        assert looked_into(micrograph).state == "queued"  # not due yet
        Micrograph.objects.update(due=None)
        assert looked_into(micrograph).state == "done"


class TestCost:
    """What a file would cost is told from its declared size, before anything is decoded."""

    def test_more_pixels_than_an_analysis_may_cost(self, settings, tmp_path):
        settings.DEEPSEGM_JOB_MEMORY_MB = 6000
        path = tmp_path / "blank.png"
        Image.new("L", (12000, 12000)).save(path, compress_level=1)
        micrograph = looked_into(receive(path.read_bytes()))
        assert micrograph.state == "failed"
        assert re.search(r"12000 x 12000 px\b.* 96", micrograph.error) and "smaller part" in micrograph.error

    def test_a_small_file_that_declares_a_giant(self, settings, tmp_path):
        path = tmp_path / "fax.tif"
        tifffile.imwrite(path, np.zeros((64, 64), np.uint8))
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags["ImageWidth"].overwrite(20000)
            file.pages[0].tags["ImageLength"].overwrite(20000)
        micrograph = looked_into(receive(path.read_bytes(), name="fax.tif"))
        assert micrograph.state == "failed" and "(20000 x 20000 px" in micrograph.error

    def test_time_counts_too(self, settings):
        settings.DEEPSEGM_JOB_MEMORY_MB, settings.DEEPSEGM_SOFT_LIMIT_SECONDS = 0, 60
        assert most_pixels() == 10_000_000
        settings.DEEPSEGM_MAX_MEGAPIXELS = 1
        assert most_pixels() == 1_000_000


@pytest.mark.services
class TestTurns:
    def test_every_sender_comes_in_turn(self, alice):
        """Nine archives of one visitor do not stand before the one image of another."""
        many = [receive(picture(64 + n), address="many", visitor=uuid4()) for n in range(3)]
        upload = receive(picture(80), address="one")
        order = []
        while (first := Micrograph.objects.first_in_turn()) is not None:
            order.append(Micrograph.objects.claim(first).pk)
            if len(order) == 1:
                late = receive(picture(90), user=alice)
        assert order == [many[0].pk, upload.pk, late.pk, many[1].pk]  # two of one sender are enough at a time
        Micrograph.objects.filter(pk=many[0].pk).update(state="done")
        assert Micrograph.objects.first_in_turn() == many[2].pk

    def test_one_message_leads_to_the_next(self, messages, reader):
        receive(), receive()
        messages.clear()
        inspect_uploads(1)
        assert Micrograph.objects.filter(state="done").count() == 1
        assert set(messages) == {"worker.inspections"}


class TestKnownBars:
    """A bar that is the same as in an earlier image of the sender is not read: no text, and no second look."""

    STORED = json.loads(json.dumps({**asdict(EARLIER), "same_as": ""}))

    @pytest.fixture
    def read_bar(self, monkeypatch):
        """The child does its work in this process. How often it reads text."""
        mock = Mock(return_value=replace(EARLIER, same_as=""))
        monkeypatch.setattr("segmentation.core.micrograph.scale_bar.barreading.read_bar", mock)

        def facts(path, name, side, options, report_alive):
            arguments = _options([str(path), f"--name={name}", *options])
            return answers.Facts.model_validate(json.loads(json.dumps(_inspect(arguments))))

        monkeypatch.setattr(decoding, "_read_facts", facts)
        return mock

    def image(self, time, name="a.tif", seed=0, **who):
        """An image without a scale of its own, under which the bar says another time."""
        return receive(tiff(image_with(drawn(time=time)[0], seed).pixels), name, **who)

    def known(self, **who):
        return Micrograph.objects.earlier_readings(receive(name="new.png", **who))

    def test_the_bar_of_the_next_image_is_known_at_its_first_look(self, read_bar):
        visitor = uuid4()
        self.image("10:00:00", "first.tif", visitor=visitor)
        inspect_uploads()
        assert read_bar.call_count == 1
        second = self.image("11:11:11", "second.tif", 1, visitor=visitor)
        inspect_uploads(1)
        third = self.image("12:22:22", "third.tif", 2, visitor=visitor)
        inspect_uploads(1)
        assert read_bar.call_count == 1
        for micrograph in (second, third):
            micrograph.refresh_from_db()
            assert (micrograph.state, micrograph.reading["same_as"]) == ("done", "first.tif")
            assert micrograph.scale.in_use.nm_per_pixel == EARLIER.nm_per_pixel
        self.image("11:11:11", "of another.tif", 3, visitor=uuid4())
        inspect_uploads()
        assert read_bar.call_count == 2

    def test_of_images_that_come_together_one_is_read(self, read_bar):
        visitor = uuid4()
        for number in range(4):
            self.image(f"10:00:0{number}", f"{number}.tif", number, visitor=visitor)
        inspect_uploads()
        assert read_bar.call_count == 1
        assert set(Micrograph.objects.values_list("state", "reading__sure")) == {("done", EARLIER.sure)}

    def test_nobody_gets_what_was_read_for_another(self, django_user_model):
        one, other = (django_user_model.objects.create_user(name) for name in ("one", "other"))
        visitor = uuid4()
        Micrograph.objects.filter(pk=receive(name="o.png", user=one, visitor=visitor).pk).update(reading=self.STORED)
        Micrograph.objects.filter(pk=receive(name="v.png", visitor=visitor).pk).update(reading=self.STORED)
        Micrograph.objects.filter(pk=receive(name="n.png").pk).update(reading=self.STORED)
        assert [bar["same_as"] for bar in self.known(user=one)] == ["o.png"]
        assert [bar["same_as"] for bar in self.known(visitor=visitor)] == ["v.png"]
        assert self.known(user=other) == self.known(user=other, visitor=visitor) == self.known(visitor=uuid4()) == []
        assert self.known() == []

    def test_the_latest_different_bars_are_known(self):
        visitor = uuid4()
        for number in range(2 * MOST_BARS + 4):
            layout = {**self.STORED["layout"], "sha256": str(number // 2)}
            reading = {**self.STORED, "layout": layout, "same_as": "first.png" if number % 2 else ""}
            Micrograph.objects.filter(pk=receive(name=f"{number}.png", visitor=visitor).pk).update(reading=reading)
        for reading in ({}, {"note": CUT_OFF}, {**self.STORED, "layout": None}):
            Micrograph.objects.filter(pk=receive(name="-", visitor=visitor).pk).update(reading=reading)
        known = self.known(visitor=visitor)
        assert [bar["layout"]["sha256"] for bar in known] == [str(MOST_BARS + 1 - place) for place in range(MOST_BARS)]
        assert {bar["same_as"] for bar in known} == {"first.png"}


@pytest.mark.services
class TestDataBars:
    """They are read in idle moments, and nobody waits for them whose scale does not need them."""

    @pytest.fixture(autouse=True)
    def bars(self, monkeypatch, reader):
        """Every image has a data bar, whose text is read at the second look. Which looks there were, without a process
        for each."""
        looks = []

        def inspected(path, *, name, later, **options):
            looks.append((name, later))
            outcome = reader(path, name=name)
            reading = {} if later else {"nm_per_pixel": 5.0}
            return replace(outcome, facts={**outcome.facts, "reading": reading}, unread=later)

        monkeypatch.setattr(decoding, "inspect", inspected)
        return looks

    def start(self, micrograph, **fields):
        return jobs_service.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), **WHO, **fields)

    def ready(self, job):
        return Job.objects.get(pk=job.pk).ready

    def test_they_come_last(self, bars):
        micrograph = receive(name="one.png")
        receive(name="two.png")
        inspect_uploads()
        assert [name for name, _ in bars] == ["one.png", "two.png", "one.png", "two.png"]
        micrograph.refresh_from_db()
        assert (micrograph.state, micrograph.reading, micrograph.deaths) == ("done", {"nm_per_pixel": 5.0}, 0)

    def test_a_newcomer_does_not_wait_for_all_images_of_another_sender(self, bars):
        many = uuid4()
        for number in range(6):
            receive(picture(64 + number), name="many.png", address="many", visitor=many)
        receive(picture(80), name="one.png", address="one")
        inspect_uploads()
        assert [name for name, _ in bars].index("one.png") == 1
        assert [name for name, _ in bars[:5]].count("one.png") == 2  # in turn, its bar too

    def test_those_that_somebody_waits_for_come_first(self, bars):
        receive(name="looked at.png")
        self.start(receive(name="wanted.png"), asked={"width": None, "source": "typed"})
        inspect_uploads(4)
        Job.objects.update(state="done")
        inspect_uploads()
        assert [name for name, _ in bars[2:]] == ["wanted.png", "looked at.png"]

    def test_they_are_read_while_no_job_waits_or_runs_and_then_begun_again(self, bars, monkeypatch):
        """Beside a job that has its scale, and would be twice as slow."""
        micrograph, taken = receive(), []
        look = decoding.inspect

        def arriving(path, *, later, report_alive, **options):
            if not later and not taken:
                taken.append(self.start(receive(picture(70)), asked={"width": "64", "source": "typed"}))
                with pytest.raises(inspecting.UrgentWorkWaits):
                    report_alive()
                raise inspecting.UrgentWorkWaits
            return look(path, later=later, report_alive=report_alive, **options)

        monkeypatch.setattr(decoding, "inspect", arriving)
        inspect_uploads()
        assert self.ready(taken[0])
        assert set(Micrograph.objects.values_list("state", "deaths", "faults")) == {("queued", 0, 0)}
        Job.objects.update(state="running")
        inspect_uploads()
        assert not Micrograph.objects.exclude(reading={}).exists()
        Micrograph.objects.filter(pk=micrograph.pk).update(created=timezone.now() - OTHER_BAR_WAITS)
        assert looked_into(micrograph).reading == {"nm_per_pixel": 5.0}  # not held for ever
        Job.objects.update(state="done")
        inspect_uploads()
        assert not Micrograph.objects.exclude(state="done").exists()

    def test_only_a_scale_that_hangs_on_it_waits(self, commit):
        micrograph = receive()
        untouched = self.start(micrograph, asked={"width": "", "source": None})
        typed = self.start(micrograph, asked={"width": "640", "source": "typed"})
        assert looked_into(micrograph, most=1).is_read
        assert micrograph.state == "queued"
        assert (self.ready(untouched), self.ready(typed)) == (False, True)
        late = self.start(micrograph, asked={"width": "64", "source": "typed"})
        later = self.start(micrograph, asked={"width": "", "source": None})
        assert (self.ready(late), self.ready(later)) == (True, False)
        Job.objects.filter(ready=True).update(state="done")
        with commit():
            looked_into(micrograph)
        assert self.ready(untouched) and self.ready(later)

    def test_a_job_whose_file_says_its_scale_does_not_wait(self, monkeypatch):
        monkeypatch.setattr(decoding, "inspect", BY_A_CHILD)
        path = Path(__file__).parents[2] / "static" / "sample" / "sem-sample.tif"
        micrograph = receive(path.read_bytes(), name="sem-sample.tif")
        job = self.start(micrograph, asked={"width": "", "source": None})
        assert looked_into(micrograph, most=1).state == "queued"
        assert self.ready(job)

    @pytest.mark.parametrize("does", ["exit 3", "echo junk", "kill -9 $$"])
    def test_an_image_outlives_a_reader_that_dies(self, monkeypatch, does):
        micrograph = receive()
        job = self.start(micrograph, asked={"width": None, "source": "typed"})
        inspect_uploads(1)
        monkeypatch.setattr(decoding, "inspect", BY_A_CHILD)
        child(monkeypatch, does)
        assert (looked_into(micrograph, most=1).state, micrograph.error) == ("done", "")
        assert micrograph.scale.disagreements() == [CUT_OFF]  # its page says so
        assert micrograph.file and self.ready(job)

    def test_a_sample_takes_in_by_the_same_rule(self, commit, look_into_all):
        micrograph, ruled = receive(name="own.png"), receive(picture(65), name="ruled.png")
        fields = {"settings": AnalysisSettings.of(), **WHO}
        with commit():
            first = samples.create_sample(name="own", uploads=[micrograph], scale=ScaleRule(), **fields)
            second = samples.create_sample(name="ruled", uploads=[ruled], scale=ScaleRule("width", 640.0), **fields)
        with commit():
            inspect_uploads(2)
        assert (first.jobs.count(), second.jobs.count()) == (0, 1)
        second.jobs.update(state="done")
        look_into_all()
        assert first.jobs.count() == 1


@pytest.mark.usefixtures("reader")
@pytest.mark.services
class TestJobs:
    def start(self, micrograph, **fields):
        return jobs_service.create_job(micrograph=micrograph, **{"settings": AnalysisSettings.of(), **WHO, **fields})

    def test_a_job_waits_for_its_image_and_then_has_its_scale(self, commit, look_into_all, messages):
        micrograph = receive()
        with commit():
            job = self.start(micrograph, asked={"width": "640 nm", "source": "typed"})
        assert (job.state, job.ready, job.position()) == ("queued", False, None)
        assert Job.objects.claim(job.pk) is None
        upkeep.enqueue_all()
        assert set(messages) == {"worker.inspections"}
        look_into_all()
        job.refresh_from_db()
        assert job.ready and job.get_settings().measurement.calibration.nm_per_pixel == 10
        assert messages[-1] == "worker.analyses"
        assert Job.objects.claim(job.pk).attempt == 1

    def test_a_job_of_what_is_no_image_fails_with_the_sentence(self, commit):
        micrograph = receive(damaged())
        job = self.start(micrograph)
        looked_into(micrograph)
        job.refresh_from_db()
        assert (job.state, job.error) == ("failed", micrograph.error)
        with pytest.raises(Refused, match=UNREADABLE):
            jobs_service.retry_job(job=job)

    def test_settings_that_do_not_suit_the_image_fail_it(self):
        job = self.start(receive(), settings=AnalysisSettings.of(data_bar=4000))
        inspect_uploads()
        job.refresh_from_db()
        assert (job.state, job.error) == ("failed", NO_ROW.format(rows=4000, tall=48))

    def test_the_pixels_of_one_sender_are_limited_once_they_are_known(self, settings, reader):
        settings.DEEPSEGM_WAITING_MEGAPIXELS = 1
        jobs = [self.start(receive(picture(1000, 600), **who), **who) for who in [{**WHO, "visitor": uuid4()}] * 2]
        inspect_uploads()
        assert sorted(Job.objects.values_list("state", flat=True)) == ["failed", "queued"]
        assert "1 megapixels of yours" in Job.objects.get(state="failed").error
        assert {job.pk for job in jobs} == set(Job.objects.values_list("pk", flat=True))

    def test_a_cancelled_one_stays_cancelled(self):
        job = jobs_service.cancel_job(job=self.start(receive()))
        inspect_uploads()
        job.refresh_from_db()
        assert job.state == "cancelled"
        jobs_service.retry_job(job=job)
        assert Job.objects.claim(job.pk).get_settings().measurement.calibration is None

    def test_a_retry_has_the_scale_that_was_asked_for(self, settings, reader):
        settings.DEEPSEGM_WAITING_MEGAPIXELS = 1
        who = {**WHO, "visitor": uuid4()}
        first, second = (
            self.start(receive(picture(1000, 600), **who), **who, asked={"width": "1 um", "source": "typed"})
            for _ in range(2)
        )
        inspect_uploads()
        second.refresh_from_db()
        assert second.state == "failed"
        with pytest.raises(Refused, match="1 megapixels"):
            jobs_service.retry_job(job=second)
        Job.objects.filter(pk=first.pk).update(state="done")
        second.refresh_from_db()
        jobs_service.retry_job(job=second)
        assert Job.objects.claim(second.pk).get_settings().measurement.calibration.nm_per_pixel == 1.0

    def test_a_fault_of_ours_keeps_the_image_for_another_try(self, monkeypatch):
        job = self.start(receive())
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "inspect", lambda *path, **options: 1 / 0)
            inspect_uploads()
        job.refresh_from_db()
        assert job.state == "failed" and "not in what you sent" in job.error
        jobs_service.retry_job(job=Job.objects.get(pk=job.pk))
        inspect_uploads()
        assert Job.objects.claim(job.pk)


@pytest.mark.usefixtures("reader")
@pytest.mark.services
class TestSamples:
    def start(self, uploads, **fields):
        defaults = {"name": "Batch", "uploads": uploads, "settings": AnalysisSettings.of(), "scale": ScaleRule(), **WHO}
        return samples.create_sample(**{**defaults, **fields})

    def state(self, sample):
        return Sample.objects.get(pk=sample.pk).state

    def test_images_are_taken_in_as_they_are_read_in_the_order_in_which_they_came(self, commit, look_into_all):
        uploads = [receive(picture(64 + n), name=f"{n}.png") for n in range(3)]
        Micrograph.objects.filter(pk=uploads[1].pk).update(asked={"width": "65", "source": "typed"})  # of 1.0.0
        with commit():
            sample = self.start(uploads)
        assert (self.state(sample), sample.jobs.count()) == ("waiting", 0)
        upkeep.rescue()
        assert self.state(sample) == "waiting"
        look_into_all()
        jobs = list(sample.members.order_by("created", "pk"))
        assert [job.micrograph.name for job in jobs] == ["0.png", "1.png", "2.png"]
        scales = [getattr(job.get_settings().measurement.calibration, "nm_per_pixel", None) for job in jobs]
        assert scales == [None, 1.0, None]

    def test_what_cannot_be_read_is_noted_and_the_rest_goes_on(self, commit, look_into_all):
        with commit():
            sample = self.start([receive(damaged(), name="bad.png")])
        look_into_all()
        assert [note["name"] for note in Sample.objects.get().notes] == ["bad.png"]
        assert self.state(sample) == "queued"  # to be pooled: it says that there is nothing to pool

    def test_the_same_file_twice_is_taken_once(self, look_into_all):
        self.start([receive(name="a.png"), receive(name="b.png")])
        look_into_all()
        assert Job.objects.count() == Micrograph.objects.count() == 1
        assert "as a.png" in Sample.objects.get().notes[0]["sentence"]

    def test_what_the_limits_do_not_allow_is_kept_for_later(self, look_into_all, settings):
        settings.DEEPSEGM_WAITING_MEGAPIXELS = 1
        visitor = uuid4()
        sample = self.start([receive(picture(1000, 600 + n), visitor=visitor) for n in range(3)], visitor=visitor)
        look_into_all()
        assert sorted(sample.jobs.values_list("state", flat=True)) == ["failed", "failed", "queued"]
        samples.retry_failed(sample=sample)
        assert sample.jobs.filter(state="queued").count() == 1
        sample.jobs.filter(state="queued").update(state="done")
        samples.retry_failed(sample=sample)
        assert sorted(sample.jobs.values_list("state", flat=True)) == ["done", "failed", "queued"]

    def test_cancelling_forgets_what_is_still_to_be_read(self, commit):
        sample = self.start([receive()])
        with commit():
            samples.cancel_sample(sample=sample)
        assert not Micrograph.objects.exists() and self.state(sample) == "queued"

    def test_deleting_takes_along_what_is_still_to_be_read(self):
        samples.delete_sample(sample=self.start([receive()]))
        assert not Micrograph.objects.exists()


def test_memory_beyond_the_limit_ends_the_child_alone(settings, tmp_path):
    """A decoder that takes more than it may dies, and its sender is told; the worker has not felt it."""
    settings.DEEPSEGM_INSPECTION_MEMORY_MB = 500
    settings.DEEPSEGM_JOB_MEMORY_MB = 0
    path = tmp_path / "large.png"
    Image.new("I;16", (9000, 9000)).save(path, compress_level=1)
    micrograph = looked_into(receive(path.read_bytes()))
    assert micrograph.state == "failed" and "memory" in micrograph.error


POOL_CHILD = """
import os, threading, resource
from worker.processes.child import end_pool_child, enter_pool
end_pool_child()
enter_pool(os.getppid(), 600)
try:
    held = bytearray(10**9)
except MemoryError:
    print("refused", flush=True)
threading.Thread(target=end_pool_child).start()
while True:
    pass
"""


def test_a_pool_child_may_take_so_much_memory_and_ends_in_the_middle_of_anything():
    done = subprocess.run([sys.executable, "-c", POOL_CHILD], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("refused", -signal.SIGKILL), done.stderr


def _lives(pid_file):
    return psutil.pid_exists(int(pid_file.read_text()))
