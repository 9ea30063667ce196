"""A sample that grows by a method, in page and API: what waits, the one sentence, and how it is closed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.method import MethodDescription
from segmentation.core.quality.stopping import departures_of
from segmentation.models import Job, Method, MethodVersion, Sample, StaffAction
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import growing, jobs, samples
from segmentation.services.results.corrections import edits
from tests.conftest import picture
from tests.web.api.test_jobs import basic
from tests.web.finished import visible
from tests.web.views.test_samples import pooled_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reader")]
WAITS = "A pixel is 8.00 nm; in the images that count it is 2.00 nm."


@pytest.fixture
def version(alice):
    method = Method.objects.create(name="Powder", owner=alice)
    said = MethodDescription.of_result(
        AnalysisSettings.of(),
        "cd" * 32,
        Source.TYPED,
        least_images=3,
        stopping={"quantity": "median", "half_width": 0.05},
    )
    fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice"}
    return MethodVersion.objects.create(method=method, number=1, **fields)


@pytest.fixture
def grown(make_sample, alice, version):
    """Two images that count and one that waits."""
    sample = make_sample(*["done"] * 3, owner=alice, method=version, state=Sample.State.DONE)
    first, second, third = sample.members.order_by("created")
    Job.objects.filter(pk=third.pk).update(included=False, waits=WAITS)
    sample.pooled = pooled_of(first, second)
    sample.save()
    return sample


def page(client, sample):
    return client.get(f"/samples/{sample.pk}/")


def third(sample):
    return sample.members.order_by("created")[2]


def close(client, sample, **fields):
    return client.post(f"/samples/{sample.pk}/close/", fields)


def test_the_page_has_the_sentence_of_the_method_and_no_other(people, grown):
    text = visible(page(people["alice"], grown))
    assert "2 images, 261 particles: 155 nm (148 to 163); the method asks for 3 images, 1 more." in text
    assert "The method ends with the median to ±5 %, at least 3 images." in text
    assert "enough?" not in text
    Sample.objects.update(method=None)
    assert "The method ends" not in visible(page(people["alice"], grown))


def test_an_image_that_waits_has_its_reason_and_one_button(people, grown, commit):
    answer = page(people["alice"], grown)
    text = answer.content.decode()
    assert "1 image waits for a yes" in visible(answer) and WAITS in text
    address = f"/samples/{grown.pk}/images/{third(grown).pk}/"
    assert text.count(f'action="{address}"') == 1 and f'name="counted" value="{third(grown).pk}"' not in text
    with commit():
        assert people["alice"].post(address, {"included": "on"}).status_code == 303
    job = third(grown)
    assert (job.included, job.waits, job.agreed_by) == (True, "", "alice")
    assert f"although it had waited: {WAITS}" in visible(page(people["alice"], grown))
    note = StaffAction.objects.first()
    assert (note.account, note.action, note.target) == ("alice", "counted an image", str(job.pk))
    assert note.before == {"included": False, "waits": WAITS}
    grown.refresh_from_db()
    assert grown.state == Sample.State.QUEUED


def test_the_form_of_the_ticks_does_not_say_yes_for_it(people, grown):
    first, *_ = grown.members.order_by("created")
    people["alice"].post(f"/samples/{grown.pk}/images/", {"shown": [first.pk], "counted": []})
    assert third(grown).waits and not grown.members.get(pk=first.pk).included


def test_it_is_closed_early_with_a_reason_alone_and_this_is_logged(people, grown):
    answer = close(people["alice"], grown, reason=" ")
    assert answer.status_code == 422 and growing.NO_REASON in answer.content.decode()
    assert close(people["alice"], grown, reason="The filament broke").status_code == 303
    grown.refresh_from_db()
    assert grown.closed and (grown.closed_by, grown.closed_reason) == ("alice", "The filament broke")
    note = StaffAction.objects.first()
    assert (note.account, note.action, note.after) == ("alice", "closed a sample", {"closed": "The filament broke"})
    text = visible(page(people["alice"], grown))
    assert "The filament broke" in text and "It takes no more images." in text
    assert "Add images" not in text and "count it all the same" not in text
    assert close(people["alice"], grown, reason="again").status_code == 409


def test_where_enough_is_measured_it_is_closed_without_a_reason(people, grown):
    version = grown.method
    said = {**version.description, "least_images": 2, "stopping": {"quantity": "median", "half_width": 0.2}}
    MethodVersion.objects.update(description=said)
    text = visible(page(people["alice"], grown))
    assert "these images are enough for the median to ±20 %." in text and "A further image waits for your yes." in text
    assert close(people["alice"], grown).status_code == 303
    assert "(enough is measured)." in visible(page(people["alice"], grown))


def test_who_may_close(people, grown, make_sample, alice):
    assert close(people["charlie"], grown, reason="x").status_code == 404
    assert close(people["nobody"], grown, reason="x").status_code == 404
    plain = make_sample("done", owner=alice, state=Sample.State.DONE)
    assert close(people["alice"], plain, reason="x").status_code == 409
    Job.objects.filter(pk=third(grown).pk).update(edit_count=1)  # its numbers are still to be made
    assert close(people["alice"], grown, reason="x").status_code == 409
    Job.objects.filter(pk=third(grown).pk).update(edit_count=0)
    Sample.objects.filter(pk=grown.pk).update(state=Sample.State.WAITING)
    assert close(people["alice"], grown, reason="x").status_code == 409
    assert not Sample.objects.exclude(closed=None).exists()


def test_a_closed_sample_takes_no_image_by_any_door(people, script, grown, make_micrograph):
    close(people["alice"], grown, reason="The filament broke")
    count = grown.jobs.count()
    files = {"file": SimpleUploadedFile("new.png", picture(64))}
    assert people["alice"].post(f"/samples/{grown.pk}/add/", files).status_code == 409
    files = {"file": SimpleUploadedFile("new.png", picture(64))}
    assert script.post(f"/api/v1/samples/{grown.pk}/images", files, headers=basic("alice")).status_code == 409
    yes = {"included": "on"}
    assert people["alice"].post(f"/samples/{grown.pk}/images/{third(grown).pk}/", yes).status_code == 409
    with pytest.raises(Refused, match="closed"):
        samples.add_images(sample=grown, uploads=[make_micrograph(sha256="e" * 64)])
    [note] = samples.add_read_images(
        Sample.objects.get(pk=grown.pk), [make_micrograph(name="late.png", sha256="f" * 64)]
    )
    assert note == ("late.png", growing.CLOSED, 409)
    assert grown.jobs.count() == count and third(grown).waits


def test_another_scale_lets_a_waiting_image_be_held_against_the_method_anew(grown):
    job = third(grown)
    settings = job.get_settings().replaced(data_bar=0)
    new = samples.scale_image(job=job, settings=settings)
    assert (new.included, new.waits, new.agreed_by) == (True, "", "")


def test_the_api_says_how_far_it_is_and_closes(script, grown, charlie):
    address = f"/api/v1/samples/{grown.pk}"
    row = script.get(address, headers=basic("alice")).json()
    assert row["growth"] == {
        "sentence": "2 images, 261 particles: 155 nm (148 to 163); the method asks for 3 images, 1 more.",
        "is_enough": False,
        "more": 1,
        "waiting": 1,
    }
    assert row["closed"] is None and [image["waits"] for image in row["images"]] == [False, False, True]
    assert row["images"][2]["left_out"] == WAITS

    def post(account, reason):
        sent = {"content_type": "application/json", "headers": basic(account)}
        return script.post(f"{address}/close", {"reason": reason}, **sent)

    assert post("charlie", "x").status_code == 404
    assert post("alice", "").status_code == 422
    row = post("alice", "The filament broke").json()
    assert row["closed"] and (row["closed_by"], row["closed_reason"]) == ("alice", "The filament broke")
    assert [(event["opened"], event["by"], event["is_enough"]) for event in row["history"]] == [(False, "alice", False)]
    Sample.objects.update(method=None)
    assert script.get(address, headers=basic("alice")).json()["growth"]["sentence"].startswith("2 images, 261")
    Sample.objects.update(closed=None)
    assert script.get(address, headers=basic("alice")).json()["growth"] is None


def test_a_closed_sample_is_not_tried_again_measured_again_or_extended(people, grown, make_job, alice):
    failed = third(grown)
    Job.objects.filter(pk=failed.pk).update(state=Job.State.CANCELLED)
    Sample.objects.update(closed=grown.created, closed_by="alice")
    grown.refresh_from_db()
    failed.refresh_from_db()
    counted = grown.members.order_by("created")[0]
    other = make_job(owner=alice, state="done", micrograph=counted.micrograph)
    for change in (
        lambda: samples.retry_failed(sample=grown),
        lambda: jobs.retry_job(job=failed),
        lambda: samples.scale_image(job=counted, settings=counted.get_settings()),
        lambda: samples.ignore_in_sample(sample=grown, job=counted),
        lambda: samples.replace_image(sample=grown, job=other),
        lambda: samples.replace_outdated_versions(sample=grown),
        lambda: samples.include_images(sample=grown, included={counted.pk: False}),
        lambda: edits.edit_job(job=counted, base=0, operations=[{"op": "delete", "ids": [1]}]),
        lambda: jobs.delete_job(job=counted),
        lambda: jobs.delete_job(job=counted, signed=True),
    ):
        with pytest.raises(Refused) as refusal:
            change()
        assert (refusal.value.status, refusal.value.sentence) == (409, growing.CLOSED)


def test_what_counts_in_a_closed_sample_changes_by_no_door(people, script, grown, make_job, alice, desk):
    close(people["alice"], grown, reason="The filament broke")
    counted = grown.members.order_by("created")[0]
    other = make_job(owner=alice, state="done", micrograph=counted.micrograph)
    before = list(grown.jobs.order_by("pk").values_list("pk", "included", "waits"))
    address, post = f"/samples/{grown.pk}/images", people["alice"].post
    assert post(f"{address}/{other.pk}/", {"included": "instead"}).status_code == 409
    assert post(f"{address}/{counted.pk}/", {"included": "off"}).status_code == 409
    assert post(f"{address}/", {"shown": [counted.pk], "counted": []}).status_code == 409
    assert post(f"/samples/{grown.pk}/corrections/").status_code == 409
    assert post(f"/jobs/{counted.pk}/delete/").status_code == 409
    api = {"headers": basic("alice")}
    correction = {"base": 0, "operations": [{"op": "delete", "ids": [1]}]}
    address_of_edits = f"/api/v1/jobs/{counted.pk}/edits"
    assert script.post(address_of_edits, correction, content_type="application/json", **api).status_code == 409
    assert script.delete(f"/api/v1/jobs/{counted.pk}", **api).status_code == 409
    path = f"/api/v1{address}/{other.pk}"
    assert script.post(path, {"included": "instead"}, **api).status_code == 409
    desk.post(reverse("admin:segmentation_job_delete", args=[counted.pk]), {"post": "yes"})
    action = {"action": "delete_selected", "_selected_action": [str(counted.pk)], "post": "yes"}
    desk.post(reverse("admin:segmentation_job_changelist"), action)
    everything = {"do": "delete", "sure": "yes", "job": str(counted.pk)}
    post(reverse("results-selected"), everything)
    Job.objects.filter(sample=grown).update(created=grown.created - timedelta(days=90))
    call_command("purge_jobs", "--older-than", "30d")
    assert list(grown.jobs.order_by("pk").values_list("pk", "included", "waits")) == before


def test_opening_again_needs_the_right_and_a_reason(people, script, grown, alice):
    close(people["alice"], grown, reason="The filament broke")
    address, reason = f"/samples/{grown.pk}/reopen/", {"reason": "A new filament."}
    assert "Open this sample again" not in visible(page(people["alice"], grown))
    assert people["alice"].post(address, reason).status_code == 403
    assert people["charlie"].post(address, reason).status_code == 404
    alice.user_permissions.add(Permission.objects.get(codename="reopen_sample"))
    Sample.objects.filter(pk=grown.pk).update(state="done")
    assert "Open this sample again" in visible(page(people["alice"], grown))
    assert people["alice"].post(address, {"reason": " "}).status_code == 422
    assert people["alice"].post(address, reason).status_code == 303
    grown.refresh_from_db()
    assert grown.closed is None and [event["opened"] for event in grown.history] == [False, True]
    note = StaffAction.objects.first()
    assert (note.account, note.action, note.after["opened"]) == (
        "alice",
        "opened a closed sample again",
        "A new filament.",
    )
    said = departures_of(grown.history)
    assert len(said) == 1 and said[0].endswith("by alice: A new filament.") and "opened again" in said[0]
    assert people["alice"].post(address, reason).status_code == 409
    sent = {"content_type": "application/json", "headers": basic("alice")}
    assert script.post(f"/api/v1/samples/{grown.pk}/reopen", reason, **sent).status_code == 409


def test_a_closed_sample_keeps_the_sentence_of_its_end(people, grown):
    close(people["alice"], grown, reason="The filament broke")
    said = "2 images, 261 particles: 155 nm (148 to 163); the method asks for 3 images, 1 more."
    MethodVersion.objects.update(description={**grown.method.description, "least_images": 9})
    Job.objects.filter(sample=grown).update(waits="")
    assert said in visible(page(people["alice"], grown))


def test_a_withdrawn_method_takes_no_further_image(people, grown, make_micrograph):
    MethodVersion.objects.update(state=MethodVersion.State.WITHDRAWN)
    grown.refresh_from_db()
    with pytest.raises(Refused) as refusal:
        samples.add_images(sample=grown, uploads=[make_micrograph()])
    assert (refusal.value.status, refusal.value.sentence) == (409, growing.WITHDRAWN)


@pytest.mark.parametrize("pooled", [{"statistics": 3}, {"flags": "x"}, [1, 2], {"statistics": {"median": "a"}}])
def test_a_sample_whose_numbers_cannot_be_read_answers_with_a_sentence(people, grown, pooled):
    Sample.objects.update(pooled=pooled)
    answer = page(people["alice"], grown)
    assert answer.status_code == 409 and "numbers of this result cannot be read" in visible(answer)
