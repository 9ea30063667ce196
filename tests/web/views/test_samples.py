"""Samples in the pages: made from the upload page, watched, changed, shared, deleted; by their owner only."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from segmentation.core.flags import Flag, as_json
from segmentation.core.measure.results import NO_PIXEL_SIZE
from segmentation.core.micrograph.scale_bar.readings import CUT_OFF
from segmentation.forms.samples import NO_PIXEL
from segmentation.models import Job, Micrograph, Sample, SampleArtifact, SideFile, WorkerProcess
from segmentation.presenters.progress import Progress
from segmentation.presenters.sample import EXCLUDED
from segmentation.services.results.samples import UNDER_WAY
from segmentation.views.samples import NO_FILES
from tests.conftest import TEXT_FILE, picture
from tests.web.archive import zipped
from tests.web.finished import SUMMARY, VISITOR, visible, visit, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reader")]
QUEUED, RUNNING, DONE, FAILED, CANCELLED = Job.State.values
SENTENCE = TEXT_FILE


def png(name="a.png", width=64):
    return SimpleUploadedFile(name, picture(width))


def archive(*entries, name="batch.zip"):
    return SimpleUploadedFile(name, zipped(entries))


def send(client, *files, **typed):
    """Start a sample of files, as the page's script does."""
    defaults = {"token": uuid4().hex, "width": "", "one_sample": "on", "sample_name": "Batch 7"}
    return client.post("/", {"file": files, **defaults, **typed})


def pooled_of(*jobs):
    """A pooled summary in which each of the jobs has 20 particles."""
    row = {"n": 20, "n_set_aside": 1, "median": 155.4, "low": 150.0, "high": 160.0, "outlier": "", "excluded": ""}
    between = {"variance": 0.01, "sd": 0.1, "share": 0.25, "p": 0.3}
    return {
        **SUMMARY["statistics"],
        "intervals": {"median": [148.0, 163.0]},
        "of": [str(job.pk) for job in jobs],
        "images": [{**row, "name": str(number)} for number, _ in enumerate(jobs)],
        "histogram": {"edges": [0, 50, 100], "counts": [[5, 15] for _ in jobs]},
        "calibration": {"low": 2.0, "high": 2.0, "sources": {"typed": len(jobs)}},
        "between": between,
        "warnings": [],
    }


@pytest.fixture
def finished(make_sample):
    """A sample as its worker leaves it, with a file."""

    def make(*states, **fields):
        sample = make_sample(*states or (DONE, DONE), **fields)
        sample.jobs.filter(state=DONE).update(summary=SUMMARY)
        sample.pooled = pooled_of(*sample.jobs.filter(state=DONE, included=True).order_by("created"))
        sample.state = Sample.State.DONE
        sample.save()
        stored = SampleArtifact(sample=sample, attempt=1, name="images.csv", size=7, content_type="text/csv")
        stored.file.save(f"{sample.folder}/1/images.csv", ContentFile(b"content"))
        return sample

    return make


def page_of(sample):
    return f"/samples/{sample.pk}/"


class TestUpload:
    def test_an_archive_in_the_plain_form_makes_single_results(self, client):
        file = archive(("a.png", picture(64)), ("b.png", picture(65)), ("notes.doc", b"words"))
        assert client.post("/", {"file": file})["Location"] == "/results/"
        assert Job.objects.filter(sample=None).count() == 2
        assert "notes.doc: " in visible(client.get("/results/"))

    def test_side_files_of_added_images(self, client, reader):
        send(client, png("first.png", 70))
        side = SimpleUploadedFile("A.TXT", b"$CM_PIXEL_SIZE 1 nm")
        alone = SimpleUploadedFile("lonely.hdr", b"x")
        client.post(f"{page_of(Sample.objects.get())}add/", {"file": [png("a.png"), side, alone]})
        micrograph = Micrograph.objects.get(name="a.png")
        assert reader.calls[1:] == [("a.png", ["A.TXT"], True)]
        assert [beside["name"] for beside in micrograph.side] == ["A.TXT"]
        assert micrograph.size == len(picture())
        assert micrograph.file.storage.open(micrograph.side[0]["file"]).read() == b"$CM_PIXEL_SIZE 1 nm"
        assert Sample.objects.get().notes[0]["name"] == "lonely.hdr"

    def test_a_side_file_goes_with_its_upload(self, client, own_storage, commit):
        client.post("/", {"file": [png("a.png"), SimpleUploadedFile("a.txt", b"x")]})
        with commit():
            Micrograph.objects.get().delete()
        assert not SideFile.objects.exists() and not [path for path in own_storage.rglob("*") if path.is_file()]

    def test_bars_of_a_large_drop_are_not_read(self, client, reader):
        send(client, png("first.png", 63))
        files = [png(f"{number}.png", 64 + number) for number in range(13)]
        client.post(f"{page_of(Sample.objects.get())}add/", {"file": files})
        assert {read_bar for *_, read_bar in reader.calls[1:]} == {False}

    def test_names_are_paired(self, client):
        names = ["f/a.tif", "f/a.txt", "g/a.tif", "b.hdr", "c.png"]
        answer = client.post("/uploads/pairs/", {"names": json.dumps(names)}).json()
        assert answer["images"] == [[0, [1]], [2, []], [3, []], [4, []]]
        assert client.post("/uploads/pairs/", {"names": json.dumps(["x"] * 5001)}).status_code == 413
        assert [client.post("/uploads/pairs/", {"names": bad}).status_code for bad in ("", "7", "{")] == [400] * 3
        assert client.get("/uploads/pairs/").status_code == 405

    def test_the_answer_on_names_grows_as_they_do(self, client):
        """426 kB of one stem were answered with 246 MB: each image with the names of all files beside it."""
        sides = ["".join(letters) + ".txt" for letters in product(*zip("abcdefghijk", "ABCDEFGHIJK", strict=True))]
        names = json.dumps([*(f"abcdefghijk.{number}" for number in range(2500)), *sides[:2500]])
        answer = client.post("/uploads/pairs/", {"names": names})
        assert answer.status_code == 200 and len(answer.content) < 2 * len(names)


class TestPage:
    def test_a_finished_sample(self, client, finished):
        sample = finished(DONE, DONE, FAILED)
        sample.jobs.filter(state=FAILED).update(error="Damaged.")
        response = client.get(page_of(sample))
        page = words(response)
        for text in (
            "Batch 7",
            "155",
            "148 to 163",
            "2 of 3 images counted</p>",
            "The images differ in their typical size no more than by chance.",
            "2 nm/px",
        ):
            assert text in page, text
        assert "Damaged." in page
        assert page.count('<svg class="bars"') == 2
        assert 'id="histogram"' in page
        assert f"{page_of(sample)}files/images.csv?download" in page
        assert "hx-get" not in page
        assert "style=" not in page and "onclick" not in page

    def test_it_says_what_the_page_of_an_image_says(self, client, finished):
        """What was typed for the report, which intervals may be too narrow, and why there are none by volume."""
        sample = finished()
        sample.settings |= {"operator": "A. Muster", "sampling_plan": "five fields on a grid"}
        cautions = ["The 95 % intervals of the D10 may be too narrow: fewer than 4 images."]
        weighted = {"volume": {"mean": 170.0, "intervals": {}, "note": "By volume there are none."}}
        sample.pooled |= {"cautions": cautions, "weighted": weighted, "interval_note": "", "interval_basis": "by image"}
        sample.save()
        page = words(client.get(page_of(sample)))
        for text in (
            "<dt>Operator</dt><dd>A. Muster</dd>",
            "five fields on a grid",
            cautions[0],
            "By volume there are none.",
        ):
            assert text in page, text

    def test_outliers_and_excluded_images_are_marked_with_the_reason(self, client, finished):
        sample = finished(DONE, DONE, DONE)
        first, second, third = sample.jobs.order_by("created")
        sample.pooled["images"][0]["outlier"] = "far larger"
        sample.pooled["images"][1]["excluded"] = "No calibration."
        sample.pooled["of"] = sample.pooled["of"][:2]
        sample.save()
        Job.objects.filter(pk=third.pk).update(included=False)
        images = {image.job.pk: image for image in client.get(page_of(sample)).context["pooled"].images}
        assert images[first.pk].outlier == "far larger"
        assert images[second.pk].reason == "No calibration."
        assert images[third.pk].reason == EXCLUDED
        assert [images[job.pk].n for job in (first, second, third)] == [20, 0, 0]
        assert "Outlier</span>" in words(client.get(page_of(sample)))

    def test_a_note_shows_its_images_and_what_does_not_count_is_greyed(self, client, finished):
        sample = finished(DONE, DONE, visitor=VISITOR)
        visit(client, VISITOR)
        sample.pooled["images"][1]["excluded"] = NO_PIXEL_SIZE
        sample.pooled |= as_json([Flag("1 image does not count.", ids=(2,))])
        sample.save()
        page = words(client.get(page_of(sample)))
        assert 'data-ids="2"' in page and "which images" in page
        assert page.count('class="entry out" data-place="2"') == 1 == page.count('class="entry" data-place="1"')
        assert page.count('#scale">Set its scale</a>') == 1 == page.count('name="counted"') and "not counted" in page

    def test_only_who_may_set_the_scale_is_asked_for_it(self, client, finished):
        sample = finished(DONE, visitor=VISITOR)
        sample.pooled |= {"calibration": {"low": None, "high": None, "sources": {"none": 1}}}
        sample.save()
        badge = 'href="#scale"'
        assert badge not in client.get(page_of(sample)).content.decode()
        assert badge in visit(client, VISITOR).get(page_of(sample)).content.decode()

    def test_beside_the_images_stands_which_file_does_not_count(self, client, finished):
        sample = finished(DONE)
        sample.notes = [{"name": "b.tif", "sentence": "This is the same file as a.tif; it is analysed once."}]
        sample.save()
        images = words(client.get(f"{page_of(sample)}images/"))
        assert "same file as a.tif" in images and "<details" in images and " open>" in images

    def test_progress_over_all(self, client, make_sample):
        sample = make_sample(DONE, FAILED, RUNNING, QUEUED)
        Job.objects.filter(state=RUNNING).update(progress=0.5, stage="segmenting")
        response = client.get(f"{page_of(sample)}status/")
        page = words(response)
        assert response.context["progress"].per_cent == 62
        assert re.search("1 of 4 images done, 1 without", page)
        assert "2.png: segmenting, 50 %" in page
        assert "hx-get" in page

    def test_neither_place_nor_progress_goes_backwards(self, client, make_sample, monkeypatch):
        """Another sender overtook: number 3 became number 5; and an image that started again was at 0 %."""
        sample = make_sample(DONE, QUEUED)
        address = f"{page_of(sample)}status/"
        places = iter([3, 5, 2, 4])
        monkeypatch.setattr(Job, "position", lambda job: next(places))
        said = []
        for _ in range(4):
            page = words(client.get(address))
            said.append(re.search(r"number (\d) in the queue", page))
            address = re.search(r'hx-get="(.*?)"', page)[1].replace("&amp;", "&")
        assert [of and of[1] for of in said] == ["3", None, "2", None]
        sample = make_sample(DONE, RUNNING)
        Job.objects.filter(state=RUNNING).update(progress=0.5)
        page = words(client.get(f"{page_of(sample)}status/"))
        address = re.search(r'hx-get="(.*?)"', page)[1].replace("&amp;", "&")
        Job.objects.filter(state=RUNNING).update(progress=0.0)
        assert 'value="75"' in page and 'value="75"' in words(client.get(address))
        assert client.get(f"{page_of(sample)}status/?place=x&per_cent=-1").context["progress"].per_cent == 50

    def test_polling_ends_with_the_page_loaded_anew_and_no_form_sent_again(self, client, finished):
        sample = finished()
        response = client.get(f"{page_of(sample)}status/", headers={"HX-Request": "true"})
        assert response["HX-Redirect"] == page_of(sample)
        gone = client.get(f"/samples/{uuid4()}/status/", headers={"HX-Request": "true"})
        assert (gone.status_code, gone["HX-Refresh"]) == (404, "true")

    def test_the_table_alone(self, client, make_sample):
        page = words(client.get(f"{page_of(make_sample(QUEUED))}images/"))
        assert "<h1" not in page and "0.png" in page

    def test_the_first_time_there_are_the_images_alone_and_later_the_page_stays(self, client, finished):
        sample, client = finished(visitor=VISITOR), visit(client, VISITOR)
        Sample.objects.update(state=Sample.State.QUEUED)
        page = words(client.get(page_of(sample)))
        assert "0.png" in page and 'id="pooled"' in page and "data-tabs" in page
        assert "the numbers below are the earlier ones" in page and 'name="counted"' in page
        Sample.objects.update(pooled={})
        page = words(client.get(page_of(sample)))
        assert "0.png" in page and "155" in page and 'id="pooled"' not in page and "data-tabs" not in page

    def test_the_sentence_stands_above_the_images_and_is_grey_while_they_are_counted(self, finished, client):
        sample, maker = finished(DONE, DONE, visitor=VISITOR), visit(client, VISITOR)
        page = words(maker.get(page_of(sample)))
        said = page[page.index('class="answer"') : page.index('aria-label="Images"')]
        assert 'class="sentence"' in said and 'id="counting"' in said and "aria-busy" not in said
        assert 'id="counting"' not in page[page.index('aria-label="Images"') :], "no strip lies over the pictures"
        Sample.objects.update(state=Sample.State.QUEUED)
        page = words(maker.get(page_of(sample)))
        assert page.count('aria-busy="true"') == 2 and '<noscript><meta http-equiv="refresh"' in page
        Sample.objects.update(state=Sample.State.DONE, pooled={})
        assert words(maker.get(page_of(sample))).count('id="counting"') == 1, "also where no image counts"

    def test_many_images_are_left_out_and_counted_once(self, finished, queue, commit):
        sample, maker = finished(DONE, DONE, DONE, visitor=VISITOR), visit(Client(), VISITOR)
        first, second, third = (str(pk) for pk in sample.jobs.order_by("created").values_list("pk", flat=True))
        Job.objects.filter(pk=third).update(included=False)
        with commit():
            answer = maker.post(f"{page_of(sample)}images/", {"shown": [first, second, "x"], "counted": [second]})
        assert answer.status_code == 303 and answer["Location"] == f"{page_of(sample)}#images"
        assert list(sample.jobs.filter(included=True).values_list("pk", flat=True)) == [UUID(second)]
        assert queue == ["analyses"], "images that were not shown stay as they are"

    def test_bars_that_are_read_later_load_it_anew_where_they_change_its_numbers(self, client, finished):
        sample = finished(DONE, DONE)
        first = sample.jobs.first()
        Job.objects.filter(pk=first.pk).update(summary={**first.summary, "unread": True})
        page = words(client.get(page_of(sample)))
        asks = f"{page_of(sample)}status/?late={sample.attempt}"
        assert "Bars in the images are still being read" in page and f'hx-get="{asks}"' in page
        assert client.get(f"/api/v1/samples/{sample.pk}").json()["scale_check"] == "pending"
        htmx = {"HX-Request": "true"}
        assert client.get(asks, headers=htmx).status_code == 204
        Job.objects.filter(pk=first.pk).update(summary={**first.summary, "unread": False})
        assert client.get(asks, headers=htmx).content == b"", "nothing has changed"
        Sample.objects.filter(pk=sample.pk).update(state="running", attempt=sample.attempt + 1)
        assert client.get(asks, headers=htmx).status_code == 204
        Sample.objects.filter(pk=sample.pk).update(state=Sample.State.DONE)
        assert client.get(asks, headers=htmx).headers["HX-Redirect"] == page_of(sample)

    def test_bars_that_were_not_read_in_time_are_read_again_by_one_click(self, finished, queue):
        sample, maker = finished(DONE, DONE, visitor=VISITOR), visit(Client(), VISITOR)
        Micrograph.objects.filter(jobs=sample.jobs.first()).update(reading={"note": CUT_OFF})
        page = words(maker.get(page_of(sample)))
        assert f'action="{page_of(sample)}retry/"' in page and "Read the bars again" in page
        maker.post(f"{page_of(sample)}retry/")
        assert Sample.objects.get(pk=sample.pk).scale_check == "pending"
        assert Micrograph.objects.filter(state="queued", reading={}).count() == 1

    def test_two_hundred_images_take_few_queries(
        self, client, make_micrograph, make_sample, django_assert_max_num_queries
    ):
        sample = make_sample(*[DONE] * 3)
        micrograph = make_micrograph()
        fields = {"micrograph": micrograph, "sample": sample, "settings": {}, "model_name": "m", "summary": SUMMARY}
        Job.objects.bulk_create(Job(**fields, submission=uuid4().hex, state=DONE) for _ in range(197))
        sample.pooled, sample.state = pooled_of(*sample.jobs.order_by("created", "pk")), Sample.State.DONE
        sample.save()
        client.get(page_of(sample))  # its files are to be written ahead from now on
        with django_assert_max_num_queries(16):
            response = client.get(page_of(sample))
        assert len(response.context["pooled"].images) == 200

    def test_the_time_of_a_sample_counts_the_queue_before_it(self, make_job, make_sample, make_micrograph):
        WorkerProcess.objects.create(name="analyses@here", queues="analyses", version="1")
        now, image = timezone.now(), make_micrograph(width=1000, height=1000)
        timings = {"timings": {"network": 8}}
        make_job(micrograph=image, state=DONE, started=now - timedelta(seconds=10), finished=now, summary=timings)
        other = make_job(micrograph=image, state="queued", queued=now - timedelta(hours=1), address="another")
        sample = make_sample("queued")
        Micrograph.objects.update(width=1000, height=1000)
        behind = Progress.of(sample)
        assert behind.seconds == pytest.approx(20, rel=0.3) and "number 2 in the queue" in behind.line
        other.delete()
        assert Progress.of(sample).seconds == pytest.approx(10, rel=0.3)
        sample.jobs.update(ready=False)
        assert Progress.of(sample).seconds is None

    def test_hostile_names_are_shown_as_text(self, client, make_sample):
        sample = make_sample(DONE, name="<script>alert(1)</script>", notes=[{"name": "<b>", "sentence": "<i>"}])
        page = client.get(page_of(sample)).content.decode()
        assert "<script>alert" not in page and "<i>" not in page
        assert "<script>alert" not in client.get("/samples/", follow=True).content.decode()


class TestChange:
    @pytest.fixture
    def owner(self):
        return visit(Client(), VISITOR)

    def test_an_image_goes_out_and_comes_back(self, owner, finished, queue, commit):
        sample = finished(visitor=VISITOR)
        job = sample.jobs.order_by("created")[0]
        address = f"{page_of(sample)}images/{job.pk}/"
        for typed, included in (("off", False), ("on", True)):
            with commit():
                response = owner.post(address, {"included": typed})
            job.refresh_from_db()
            assert (response.status_code, response["Location"]) == (303, f"{page_of(sample)}#image-{job.pk}")
            assert job.included is included
        assert queue == ["analyses"] * 2

    def test_images_are_added(self, owner, finished):
        sample = finished(visitor=VISITOR)
        response = owner.post(f"{page_of(sample)}add/", {"file": [png("new.png", 70)]})
        assert response.status_code == 303 and sample.jobs.count() == 3
        for _ in range(2):
            response = owner.post(f"{page_of(sample)}add/", {"file": [png("again.png", 70)]})
            assert (response.status_code, response["Location"]) == (303, page_of(sample))
            assert words(owner.get(page_of(sample))).count("as new.png") == 2
        assert words(owner.get(page_of(sample))).count("as new.png") == 1
        owner.post(f"{page_of(sample)}add/", {"file": [SimpleUploadedFile("x.tif", b"text")]})
        assert f"x.tif: {SENTENCE}" in words(owner.get(page_of(sample)))
        assert NO_FILES in words(owner.post(f"{page_of(sample)}add/"))
        assert sample.jobs.count() == 3

    def test_a_result_becomes_a_sample_with_the_images_that_are_added(
        self, owner, finished, client, make_segmentation, make_job
    ):
        job = finished(visitor=VISITOR).jobs.first()
        Job.objects.filter(pk=job.pk).update(sample=None, segmentation=make_segmentation(micrograph=job.micrograph))
        address = f"/jobs/{job.pk}/add/"
        assert f'action="{address}"' in owner.get(f"/jobs/{job.pk}/").content.decode()
        assert owner.post(address)["Location"] == f"/jobs/{job.pk}/"
        response = owner.post(address, {"file": [png("new.png", 70)], "token": "once"})
        again = owner.post(address, {"file": [png("new.png", 70)], "token": "once"})
        assert response["Location"] == again["Location"] and response.status_code == 303
        made = Sample.objects.get(pk=response["Location"].split("/")[2])
        images = {each.micrograph.name: each.pk for each in made.jobs.all()}
        assert set(images) == {job.micrograph.name, "new.png"} and images[job.micrograph.name] == job.pk
        Job.objects.filter(pk=job.pk).update(sample=None, state=DONE, edit_count=1)
        owner.post(address, {"file": [png("third.png", 72)]})
        assert job.reruns.get().corrects == 1 and job.reruns.get().sample.jobs.count() == 2
        Job.objects.filter(pk=job.pk).update(sample=None, edit_count=0)
        owner.post(f"/jobs/{job.pk}/width/", {"width": "5 µm"})  # still to be measured
        scaled = job.reruns.get(sample=None)
        make_job(micrograph=job.micrograph, parent=job, segmentation=scaled.segmentation, visitor=uuid4())  # of another
        response = owner.post(address, {"file": [png("fourth.png", 73)]})
        assert job.reruns.get(sample=response["Location"].split("/")[2]).settings == scaled.settings
        assert client.post(address, {"file": [png("other.png", 71)]}).status_code in (403, 404)

    def test_failed_ones_are_tried_again_and_the_rest_cancelled(self, owner, finished, commit):
        sample = finished(DONE, FAILED, CANCELLED, visitor=VISITOR)
        retried, ended = ([DONE, QUEUED, QUEUED], "waiting"), ([CANCELLED, CANCELLED, DONE], "queued")
        for what, found in (("retry", retried), ("cancel", ended)):
            with commit():
                assert owner.post(f"{page_of(sample)}{what}/").status_code == 303
            sample.refresh_from_db()
            assert (sorted(job.state for job in sample.jobs.all()), sample.state) == found

    def test_another_scale(self, owner, finished):
        sample = finished(visitor=VISITOR)
        response = owner.post(f"{page_of(sample)}scale/", {"rule": "pixel", "rule_pixel": "no"})
        assert response.status_code == 400 and NO_PIXEL in words(response)
        assert owner.post(f"{page_of(sample)}scale/", {"rule": "pixel", "rule_pixel": "2.5"}).status_code == 303
        assert sample.jobs.count() == 4 and sample.members.count() == 2
        response = owner.post(f"{page_of(sample)}scale/", {"rule": "pixel", "rule_pixel": "3"})
        assert response.status_code == 409 and UNDER_WAY in words(response)

    def test_deleting_asks_first(self, owner, finished):
        sample = finished(visitor=VISITOR)
        assert "2 images" in words(owner.get(f"{page_of(sample)}delete/"))
        assert owner.post(f"{page_of(sample)}delete/")["Location"] == "/results/"
        assert not Sample.objects.exists() and not Job.objects.exists()

    def test_an_image_of_another_sample_is_not_found(self, owner, finished):
        own_sample, other = finished(visitor=VISITOR), finished(visitor=VISITOR)
        address = f"{page_of(own_sample)}images/{other.jobs.first().pk}/"
        assert owner.post(address, {"included": "off"}).status_code == 404


class TestAccess:
    def test_the_list_shows_ones_own(self, finished, people, alice):
        finished(owner=alice, name="hers"), finished(visitor=VISITOR, name="the browser's")
        lists = {name: people[name].get("/samples/", follow=True).context["cards"] for name in people}
        names = {name: [card.name for card in cards] for name, cards in lists.items()}
        assert names == {"alice": ["hers"], "visitor": ["the browser's"], "charlie": [], "nobody": [], "ada": []}

    def test_changing_is_offered_only_where_allowed(self, finished, people):
        sample = finished(visitor=VISITOR)
        offers = {name: "Delete this sample" in words(people[name].get(page_of(sample))) for name in people}
        assert offers == {"visitor": True, "ada": True, "nobody": False, "alice": False, "charlie": False}

    def test_a_file_is_downloaded_under_the_samples_name(self, client, finished):
        response = client.get(f"{page_of(finished(name='Batch 7/B 1.5'))}files/images.csv")
        assert response["Content-Disposition"] == 'attachment; filename="Batch 7_B 1.5_images.csv"'
        assert client.get(f"/samples/{uuid4()}/files/images.csv").status_code == 404


class TestAdmin:
    def test_what_is_left_is_cancelled(self, desk, finished):
        sample = finished(DONE, RUNNING)
        desk.post("/admin/segmentation/sample/", {"action": "cancel", "_selected_action": [str(sample.pk)]})
        assert sample.jobs.filter(state=CANCELLED).count() == 1

    def test_deleting_takes_everything(self, desk, finished):
        typed = {"action": "delete_selected", "_selected_action": [str(finished().pk)], "post": "yes"}
        desk.post("/admin/segmentation/sample/", typed)
        assert not Sample.objects.exists() and not Micrograph.objects.exists()


class TestName:
    def test_it_can_be_changed_and_the_files_follow(self, client, finished, commit):
        sample = finished(visitor=VISITOR)
        owner = visit(client, VISITOR)
        assert 'value="Batch 7"' in words(owner.get(page_of(sample)))
        for typed, name, state in (("Batch 7", "Batch 7", "done"), ("  Titania \n P25 ", "Titania P25", "queued")):
            with commit():
                response = owner.post(f"{page_of(sample)}name/", {"name": typed})
            sample.refresh_from_db()
            assert (response.status_code, sample.name, sample.state) == (303, name, state)

    def test_by_its_maker_only(self, client, finished):
        sample = finished(visitor=uuid4())
        assert visit(client, VISITOR).post(f"{page_of(sample)}name/", {"name": "Mine"}).status_code == 403
        assert "Change the name" not in words(client.get(page_of(sample)))
        sample.refresh_from_db()
        assert sample.name == "Batch 7"


def test_ticks_that_were_not_sent_yet_go_with_added_images(people, make_sample, alice):
    sample = make_sample("done", "done", owner=alice, state=Sample.State.DONE)
    first, second = sample.members.order_by("created")
    fields = {
        "file": SimpleUploadedFile("new.png", picture(64)),
        "shown": [first.pk, second.pk],
        "counted": [second.pk],
    }
    assert people["alice"].post(f"/samples/{sample.pk}/add/", fields).status_code == 303
    assert [job.included for job in (sample.jobs.get(pk=pk) for pk in (first.pk, second.pk))] == [False, True]
    assert sample.jobs.get(pk=first.pk).choice["by"] == "alice"
