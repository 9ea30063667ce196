"""Corrections of a result: by API, as a log that shows every change to it, and measured as a revision."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from uuid import uuid4

import numpy as np
import pandas
import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from PIL import Image

from segmentation.core.labels.corrections.operations import Corrections, correct, patch_of
from segmentation.core.labels.corrections.patches import Patch
from segmentation.core.labels.corrections.time_limit import TooLong, time_limit
from segmentation.core.labels.corrections.working import STRIP_ROWS, WorkingLabels
from segmentation.core.labels.segmentation import Segmentation
from segmentation.http.serving import serve_labels
from segmentation.middleware import hash_address
from segmentation.models import Edit, Job
from segmentation.services.ground import limits
from segmentation.services.ground.callers import visitor_id
from segmentation.services.ground.limits import OTHER_EDITS_RUN, OWN_EDIT_RUNS, edit_slot
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import publishing
from segmentation.services.results.corrections import edits as edits_service
from segmentation.services.results.corrections import edits as service
from segmentation.services.results.corrections.edits import Outdated
from tests.core.builders import segmentation_of
from tests.web.finished import SUMMARY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here")]
SECRET = "a secret of a script"
HEADERS = {"Authorization": f"Bearer {SECRET}"}
DELETE, UNDO = {"op": "delete", "ids": [2]}, {"op": "undo"}
SPLIT = {"op": "split", "id": 1, "line": [[30.5, 0], [30.5, 70]]}


def squares():
    labels = np.zeros((120, 160), np.int32)
    labels[10:60, 10:50], labels[10:40, 80:110], labels[70:100, 20:60] = 1, 2, 3
    return labels


@pytest.fixture
def result(make_micrograph, make_job, tmp_path):
    """A finished result of three squares, made by the script."""
    file = io.BytesIO()
    Image.fromarray(np.where(squares() > 0, 200, 40).astype(np.uint8)).save(file, "PNG")
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    size = {"width": 160, "height": 120}
    owner = {"visitor": visitor_id(SECRET)}
    micrograph = make_micrograph(content=file.getvalue(), sha256=sha256, **size, **owner)
    segmentation = segmentation_of(squares())
    layers = {"certainty": np.full((120, 160), 7, np.uint8)}
    segmentation = replace(segmentation, provenance=replace(segmentation.provenance, micrograph=sha256), layers=layers)
    segmentation.save(tmp_path / "segmentation.npz")
    job = make_job(micrograph=micrograph, state=Job.State.RUNNING, attempt=1, summary=SUMMARY, **owner)
    fields = {"file": tmp_path / "segmentation.npz", "provenance": segmentation.provenance}
    publishing.store_segmentation(job=job, **fields)
    Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
    return Job.objects.get(pk=job.pk)


@pytest.fixture
def script():
    return Client(enforce_csrf_checks=True, headers=HEADERS)


@pytest.fixture
def send(script, result):
    def post(base, *operations, client=script, job=result, key=""):
        body, headers = {"base": base, "operations": list(operations)}, {"Idempotency-Key": key} if key else {}
        return client.post(f"/api/v1/jobs/{job.pk}/edits", body, "application/json", headers=headers)

    return post


def labels_of(client, job):
    answer = client.get(f"/api/v1/jobs/{job.pk}/labels")
    return np.asarray(Image.open(io.BytesIO(b"".join(answer.streaming_content))))


def outlines(job):
    return edits_service.corrections_of(Job.objects.get(pk=job.pk)).now.crop((0, 0, 120, 160))


@pytest.mark.services
def test_corrections_are_stored_as_they_are_made_and_the_outlines_follow(send, script, result):
    assert (labels_of(script, result) == squares()).all()
    answer = send(0, DELETE, SPLIT)
    assert answer.status_code == 200 and answer.json()["base"] == 2
    assert answer.json()["made"] == [[], [1, 4]] and "patches" not in answer.json()
    labels = labels_of(script, result)
    assert set(np.unique(labels)) == {0, 1, 3, 4} and labels.dtype == np.int32
    log = script.get(f"/api/v1/jobs/{result.pk}/edits").json()
    assert log["base"] == 2 and [edit["operation"] for edit in log["edits"]] == [DELETE, SPLIT]
    assert log["edits"][1]["previous"] == log["edits"][0]["hash"]
    assert edits_service.broken_edits(Job.objects.get(pk=result.pk)) == []


def get(client, job, what):
    return client.get(f"/api/v1/jobs/{job.pk}/{what}")


def unpacked(content):
    """The head of runs, and the rows that they are of."""
    words = np.frombuffer(content, "<i4")
    (width, height, top, bottom, base, following), (ids, counts) = words[:6].tolist(), words[6:].reshape(-1, 2).T
    return (width, height, base, following), np.repeat(ids, counts).reshape(bottom - top, width)


def test_a_browser_that_follows_the_patches_sees_what_the_server_has(send, script, result):
    first = script.get(f"/api/v1/jobs/{result.pk}/labels?format=runs")
    assert first["Content-Type"] == "application/octet-stream"
    head, rows = unpacked(first.content)
    assert head == (160, 120, 0, 4) and (rows == squares()).all()
    body = {"base": 0, "operations": [DELETE, SPLIT, UNDO, {"op": "merge", "ids": [1, 3]}], "patches": True}
    answer = script.post(f"/api/v1/jobs/{result.pk}/edits", body, "application/json").json()
    seen = rows.ravel().copy()
    for patch, check in zip(answer["patches"], answer["checks"], strict=True):
        assert zlib.crc32(np.array(patch["runs"], "<i4").tobytes()) == check
        for start, count, number in patch["runs"]:
            assert (seen[start : start + count] != number).all(), "only what changes"
            seen[start : start + count] = number
    head, rows = unpacked(get(script, result, "labels?format=runs&top=7&bottom=66").content)
    assert head == (160, 120, 4, 5) and (rows == seen.reshape(120, 160)[7:66]).all()
    log = get(script, result, "edits").json()
    patches = [step.as_lists() for step in map(Patch.from_dict, (log["edits"][n]["patch"] for n in (0, 1, 3)))]
    assert patches == [*answer["patches"][:2], answer["patches"][3]] and log["edits"][2]["patch"] == {}
    assert Patch.from_dict(log["edits"][1]["before"]).as_lists() == answer["patches"][2], "which the undo refers to"


@pytest.mark.parametrize("shape", [(STRIP_ROWS, 64), (2 * STRIP_ROWS + 90, 70)])
def test_outlines_of_a_tall_image_come_whole(shape):
    tall = np.zeros(shape, np.int32)
    tall[10:60, 10:50], tall[-200:, 20:60] = 1, 70_000
    answer = serve_labels(WorkingLabels.of(segmentation_of(tall)), "tall.png")
    assert (np.asarray(Image.open(io.BytesIO(b"".join(answer.streaming_content)))) == tall).all()


def test_runs_are_compressed_where_the_browser_takes_it(script, result):
    plain = get(script, result, "labels?format=runs")
    packed = script.get(f"/api/v1/jobs/{result.pk}/labels?format=runs", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip" and gzip.decompress(packed.content) == plain.content
    assert "Content-Encoding" not in plain.headers


def test_every_object_is_told_with_what_is_known_of_it(send, script, result):
    aside = {"op": "set_aside", "ids": [3], "reason": "charging"}
    send(0, DELETE, SPLIT, aside, UNDO, aside)
    answer = get(script, result, "labels?format=objects").json()
    assert (answer["base"], answer["next"], len(answer["operations"])) == (5, 5, 3)
    assert (answer["ids"], answer["classes_of"], answer["by_hand"]) == ([1, 3, 4], [0, 0, 0], [1, 4])
    assert answer["set_aside"] == {"3": "charging"} and answer["classes"] == ["particle"] and answer["maps"] == []
    assert answer["confidence"][0] is None and answer["confidence"][1] > 0


def test_the_log_says_where_all_edits_lead(send, script, result):
    log = get(script, result, "edits").json()
    assert log == {"base": 0, "edits": [], "objects": {}, "next": 4, "standing": 0, "following": None}
    send(0, DELETE, SPLIT, UNDO)
    log = get(script, result, "edits?since=1").json()
    assert [edit["sequence"] for edit in log["edits"]] == [2, 3]
    assert (log["base"], log["next"], log["standing"]) == (3, 5, 1)
    assert log["objects"] == {"1": [0, pytest.approx(0.9), False, ""], "2": None, "4": None}
    assert get(script, result, "edits?since=7").json()["edits"] == []


def test_the_log_can_be_read_without_outlines(send, script, result):
    Job.objects.filter(pk=result.pk).update(segmentation=None)
    assert get(script, result, "edits").json()["next"] is None


@pytest.mark.parametrize(
    "what",
    ["edits?since=-1", "labels?format=png", "labels?format=runs&top=-1", "labels?format=runs&top=9&bottom=8",
     "labels?format=runs&top=999999999999999999999"],
)  # fmt: skip
def test_wrong_numbers_in_an_address_get_one_sentence(script, result, what):
    answer = get(script, result, what)
    assert answer.status_code == 422 and answer.json()["error"].endswith(".") and len(answer.json()) == 1


def test_undo_appends_the_inverse_and_goes_on_to_the_first_edit(send, script, result):
    send(0, DELETE, SPLIT)
    assert send(2, UNDO, UNDO).json()["base"] == 4
    assert (labels_of(script, result) == squares()).all()
    assert [row.undoes for row in Edit.objects.all()] == [None, None, 2, 1]
    answer = send(4, UNDO)
    assert answer.status_code == 422 and re.match("Operation 1: .*undo", answer.json()["error"])
    send(4, right := {"op": "reviewed", "ids": [1, 3]}, UNDO, right, DELETE)
    assert Job.objects.get(pk=result.pk).counts_in_effect == {"corrected": 1, "reviewed": 2}


def test_a_correction_costs_what_it_changes_and_an_undo_nothing(send, script, result, settings):
    comb = np.zeros((120, 160), np.int32)
    comb[10:12, 10:150] = comb[10:110, 10:150:2] = 1
    before = segmentation_of(comb)
    step = Corrections(WorkingLabels.of(before)).do({"op": "delete", "ids": [1]})
    assert len(step.patch.runs) > 6_000 and len(json.dumps(step.patch.as_dict())) < 600
    send(0, DELETE, UNDO, DELETE)
    log = get(script, result, "edits").json()["edits"]
    size = Job.objects.get(pk=result.pk).edit_bytes
    assert size == sum(len(json.dumps(edit)) for edit in log) and len(json.dumps(log[1])) < 500
    settings.DEEPSEGM_EDITS_MB = (size + 300) / 2**20
    answer = send(3, SPLIT)
    assert answer.status_code == 422 and "of corrections are stored" in answer.json()["error"]
    Job.objects.update(visitor=uuid4())
    assert limits.check_edits(size=300, **Job(visitor=visitor_id(SECRET)).maker) is None, "those of others do not count"


def test_rows_of_1_0_are_read_and_taken_back(send, script, result):
    """They have the runs as lists, and an undo has its own patches."""
    send(0, DELETE, SPLIT, UNDO)
    steps, previous = edits_service.corrections_of(Job.objects.get(pk=result.pk)).steps, ""
    for row, step in zip(Edit.objects.all(), steps, strict=True):
        row.patch, row.before, row.previous = step.patch.as_lists(), step.before.as_lists(), previous
        row.hash = previous = row.computed_hash()
        row.save()
    Job.objects.filter(pk=result.pk).update(edit_hash=previous)
    service._recent = service.Recent()
    assert send(3, SPLIT, UNDO, UNDO).json()["base"] == 6
    assert edits_service.broken_edits(Job.objects.get(pk=result.pk)) == []
    assert (labels_of(script, result) == squares()).all() and get(script, result, "edits").json()["standing"] == 0


@pytest.mark.parametrize(
    ("name", "value", "pages"), [("MOST_PAGE_EDITS", 2, [2, 2, 1]), ("MOST_PAGE_BYTES", 100, [1] * 5)]
)
@pytest.mark.services
def test_a_log_comes_in_pages(send, script, result, monkeypatch, name, value, pages):
    send(0, DELETE, UNDO, DELETE, UNDO, DELETE)
    monkeypatch.setattr(service, name, value)
    log = get(script, result, "edits").json()
    numbers = [[edit["sequence"] for edit in log["edits"]]]
    while log["following"]:
        log = script.get(log["following"]).json()
        numbers.append([edit["sequence"] for edit in log["edits"]])
    assert [*map(len, numbers)] == pages and [*chain(*numbers)] == [1, 2, 3, 4, 5] and log["base"] == 5
    late = send(0, SPLIT).json()
    assert [edit["sequence"] for edit in late["edits"]] == numbers[0] and late["base"] == numbers[0][-1]


@pytest.mark.services
def test_the_later_one_is_told_and_loses_nothing(send, script, result):
    send(0, DELETE)
    answer = send(0, SPLIT)
    assert answer.status_code == 409 and answer.json()["base"] == 1
    assert [edit["operation"] for edit in answer.json()["edits"]] == [DELETE]
    assert send(1, SPLIT).status_code == 200 and Edit.objects.count() == 2


@pytest.mark.services
def test_a_request_that_is_sent_again_with_its_key_is_made_once(send, result):
    first = send(0, DELETE, SPLIT, key="a")
    assert send(2, {"op": "delete", "ids": [3]}, key="b").status_code == 200
    repeat = send(0, DELETE, SPLIT, key="a")
    assert repeat.status_code == 200 and repeat.json() == first.json() and Edit.objects.count() == 3
    assert send(0, DELETE, SPLIT).status_code == 409, "without the key it is another request"
    assert edits_service.broken_edits(Job.objects.get(pk=result.pk)) == []


@pytest.mark.parametrize(("base", "operations"), [(0, [SPLIT]), (0, [DELETE, SPLIT]), (1, [DELETE])])
def test_a_key_of_other_corrections_is_refused(send, base, operations):
    send(0, DELETE, key="a")
    answer = send(base, *operations, key="a")
    assert answer.status_code == 409 and answer.json() == {"error": service.OTHER_EDITS}
    assert Edit.objects.count() == 1


def test_the_same_request_twice_at_once_is_made_once(send, monkeypatch):
    make, answers = service._steps_of, []

    def and_again(*args):
        monkeypatch.setattr(service, "_steps_of", make)
        answers.append(send(0, DELETE, key="a"))
        return make(*args)

    monkeypatch.setattr(service, "_steps_of", and_again)
    monkeypatch.setattr("segmentation.api.corrections.edit_slot", lambda **who: nullcontext())  # as on two machines
    answers.append(send(0, DELETE, key="a"))
    assert [answer.status_code for answer in answers] == [200, 200] and answers[0].json() == answers[1].json()
    assert Edit.objects.count() == 1


def test_a_result_is_read_once_whatever_is_refused_meanwhile(send, script, result, monkeypatch):
    read, times = service.open_outlines, []
    monkeypatch.setattr(service, "_recent", service.Recent())
    monkeypatch.setattr(service, "open_outlines", lambda *args: times.append(1) or read(*args))
    assert send(0, DELETE, {"op": "delete", "ids": [99]}).status_code == 422
    assert send(0, DELETE).status_code == 200 and send(0, SPLIT).status_code == 409
    assert get(script, result, "labels?format=objects").json()["ids"] == [1, 3] and len(times) == 1


def test_what_is_kept_of_another_log_is_not_used(send, script, result):
    """As after a database was put back to an earlier state."""
    send(0, DELETE)
    Edit.objects.all().delete()
    Job.objects.filter(pk=result.pk).update(edit_count=0, edit_hash="")
    entry = service._recent.entries[result.pk]
    send(0, {"op": "delete", "ids": [3]}, {"op": "delete", "ids": [1]})
    service._recent.entries[result.pk] = entry
    assert get(script, result, "labels?format=objects").json()["ids"] == [2]
    Job.objects.filter(pk=result.pk).update(edit_count=1, edit_hash=Edit.objects.get(sequence=1).hash)
    service._recent.entries[result.pk] = entry
    assert get(script, result, "labels?format=objects").json()["ids"] == [1, 2]


@pytest.mark.services
def test_what_another_process_stored_meanwhile_is_known(send, result, monkeypatch):
    send(0, DELETE)
    monkeypatch.setattr(service, "_recent", service.Recent())
    assert send(1, {"op": "restore", "ids": [2]}).status_code == 200
    monkeypatch.setattr(service, "_recent", service.Recent())
    assert (outlines(result) == squares()).all()


@pytest.mark.parametrize(
    ("operations", "sentence"),
    [([{"op": "delete", "ids": [9]}], "There is no object 9"), ([DELETE, DELETE], "Operation 2: There is no object 2")],
)
def test_an_impossible_operation_changes_nothing(send, script, result, operations, sentence):
    page = Client(headers={**HEADERS, "X-Requested-With": "DeepSegm"})
    for client in (script, page):
        answer = send(0, *operations, client=client)
        assert answer.status_code == 422 and sentence in answer.json()["error"]
    assert not Edit.objects.exists() and Job.objects.get(pk=result.pk).edit_count == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"base": -1, "operations": [{}]}', b'{"base": 0, "operations": []}', b"[" * 5000, b"\xff"],
)
def test_a_bad_body_gets_one_sentence(script, result, body):
    answer = script.post(f"/api/v1/jobs/{result.pk}/edits", body, "application/json")
    assert answer.status_code == 400 and answer.json()["error"].endswith(".")


def test_strangers_see_the_outlines_and_change_nothing(send, result):
    stranger = Client(headers={"Authorization": "Bearer the secret of somebody else"})
    assert labels_of(stranger, result).shape == (120, 160)
    assert send(0, DELETE, client=stranger).status_code == 403
    assert stranger.get(f"/api/v1/jobs/{uuid4()}/edits").status_code == 404


def test_only_a_finished_result_with_outlines_is_corrected(send, script, result):
    Job.objects.filter(pk=result.pk).update(state=Job.State.RUNNING)
    assert send(0, DELETE).status_code == 409
    Job.objects.filter(pk=result.pk).update(state=Job.State.DONE, segmentation=None)
    assert send(0, DELETE).json()["error"] == service.NO_OUTLINES
    assert script.get(f"/api/v1/jobs/{result.pk}/labels").status_code == 409


def test_the_log_shows_altered_missing_and_exchanged_rows(send, result):
    send(0, DELETE, SPLIT, {"op": "delete", "ids": [3]})
    job = Job.objects.get(pk=result.pk)
    first, second, third = Edit.objects.all()

    def wrong(change):
        change()
        problems = edits_service.broken_edits(job)
        for row in (first, second, third):
            row.save()
        return " ".join(problems)

    assert edits_service.broken_edits(job) == []
    altered = {**second.operation, "id": 3}
    assert "Edit 2 was altered" in wrong(lambda: Edit.objects.filter(pk=second.pk).update(operation=altered))
    assert "Edit 1 was altered" in wrong(lambda: Edit.objects.filter(pk=first.pk).update(author="Eve"))
    assert "Edit 2 is missing" in wrong(lambda: Edit.objects.filter(pk=second.pk).delete())
    Edit.objects.filter(pk=third.pk).delete()
    assert edits_service.broken_edits(job) == ["Edit 3 is missing."]
    Edit.objects.all().delete()
    assert edits_service.broken_edits(job) == ["Edit 1 is missing."]


def audit(*arguments):
    output = io.StringIO()
    try:
        call_command("audit", *map(str, arguments), stdout=output)
    except SystemExit as end:
        return end.code, output.getvalue()
    return 0, output.getvalue()


def test_the_log_is_verified_and_exported_from_the_shell(send, result, tmp_path, django_user_model):
    send(0, DELETE, SPLIT)
    code, output = audit("verify")
    assert code == 0 and output.startswith("2 edits ")
    assert audit("verify", result.pk)[0] == 0
    Edit.objects.filter(sequence=1).update(author="=1+1")
    status, output = audit("verify")
    assert status == 1 and f"{result.pk}: Edit 1 " in output and "altered" in output
    rows = json.loads(audit("export", result.pk)[1])
    assert [row["operation"] for row in rows] == [DELETE, SPLIT] and rows[0]["author"] == "=1+1"
    assert audit("export", result.pk, "--csv", "--out", tmp_path / "log.csv") == (0, "")
    table = pandas.read_csv(tmp_path / "log.csv")
    assert list(table["sequence"]) == [1, 2] and not table["author"][0].startswith("=")
    with pytest.raises(CommandError, match="no result"):
        audit("verify", uuid4())
    with pytest.raises(CommandError, match="Name the JOB"):
        audit("export")


@pytest.mark.django_db(transaction=True)
def test_two_editors_at_once_lose_nothing(result):
    """Each repeats what came too late, as the page does."""
    count, places = 12, {1: (10, 10), 3: (70, 20)}

    def edit(number):
        done, (top, left) = 0, places[number]
        while done < count:
            x, y = left + 3 * done, top + 1
            square = {"op": "erase", "polygon": [[x, y], [x + 2, y], [x + 2, y + 2], [x, y + 2]]}
            try:
                job = Job.objects.get(pk=result.pk)
                edits_service.edit_job(job=job, base=job.edit_count, operations=[square])
            except Outdated:
                continue
            except OperationalError:  # SQLite, locked by the other
                continue
            done += 1
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(edit, places))
    job = Job.objects.get(pk=result.pk)
    assert job.edit_count == 2 * count == job.edits.count() and edits_service.broken_edits(job) == []
    labels = outlines(job)
    assert (squares() > 0).sum() - (labels > 0).sum() == 2 * count * 4


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_outlines_that_cannot_be_read_are_a_sentence(send, script, result, damage):
    file = result.segmentation.file
    file.storage.delete(file.name)
    if damage == "damaged":
        file.storage.save(file.name, ContentFile(b"no segmentation"))
    assert send(0, DELETE).status_code == 409
    assert script.get(f"/api/v1/jobs/{result.pk}/labels").json()["error"] == service.NO_OUTLINES


def test_a_log_that_makes_no_sense_is_named_as_altered(send, result):
    send(0, DELETE, SPLIT)
    Edit.objects.filter(sequence=1).update(patch={}, operation=[])
    assert "Edit 1 was altered." in edits_service.broken_edits(Job.objects.get(pk=result.pk))


@pytest.mark.services
def test_a_result_that_is_deleted_meanwhile_is_gone(send, result, monkeypatch):
    make = service._steps_of

    def and_delete(*args):
        Job.objects.filter(pk=result.pk).delete()
        return make(*args)

    monkeypatch.setattr(service, "_steps_of", and_delete)
    assert send(0, DELETE).status_code == 404


def test_an_exported_log_can_be_verified_by_anyone(send, script, result):
    send(0, DELETE, SPLIT)
    for row in script.get(f"/api/v1/jobs/{result.pk}/edits").json()["edits"]:
        digest = row.pop("hash")
        text = json.dumps(row, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == digest


@pytest.mark.services
def test_whole_numbers_are_stored_as_any_database_gives_them_back(send, result):
    square = [[60.0, 60.0], [70.0, -0.0], [70.5, 1e16 / 1e15]]
    assert send(0, {"op": "draw", "polygon": square}).status_code == 200
    (edit,) = Edit.objects.all()
    assert json.dumps(edit.operation["polygon"]) == "[[60, 60], [70, 0], [70.5, 10]]"
    assert edits_service.broken_edits(Job.objects.get(pk=result.pk)) == []


def test_outlines_of_an_altered_log_are_not_shown(send, script, result, monkeypatch):
    send(0, DELETE)
    Edit.objects.update(patch={})
    monkeypatch.setattr(service, "_recent", service.Recent())
    assert script.get(f"/api/v1/jobs/{result.pk}/labels").json()["error"] == service.ALTERED
    assert send(1, SPLIT).status_code == 409


@pytest.mark.parametrize(
    ("name", "value", "sentence"), [("MOST_RUNS", 3, "TOO_LARGE"), ("LONGEST_SECONDS", -1.0, "TOO_LONG")]
)
def test_too_much_work_in_one_request_is_refused_and_changes_nothing(send, monkeypatch, name, value, sentence):
    monkeypatch.setattr(service, name, value)
    answer = send(0, DELETE, SPLIT)
    assert answer.status_code == 422 and answer.json()["error"] == getattr(service, sentence)
    assert not Edit.objects.exists()


@pytest.mark.parametrize(
    "operation",
    [{"op": "draw", "polygon": [[5, 5], [30, 5], [30, 30]]}, {"op": "paint", "points": [[5, 5]], "radius": 4},
     {"op": "fill", "ids": [1, 2]}, SPLIT, {"op": "smooth", "ids": [1]}, {"op": "merge", "ids": [1, 2]}],
    ids=lambda operation: operation["op"],
)  # fmt: skip
def test_the_time_of_a_request_ends_inside_one_operation_too(operation):
    labels = WorkingLabels.of(segmentation_of(squares()))
    with time_limit(0.0), pytest.raises(TooLong):
        patch_of(labels, operation, labels)


def test_a_caller_makes_one_edit_at_a_time_and_the_site_two(send):
    def mine():
        return edit_slot(user=None, visitor=uuid4(), address=hash_address("127.0.0.1"))  # a new secret helps nobody

    def other():
        return edit_slot(user=None, visitor=uuid4(), address=uuid4().hex)

    with mine():
        answer = send(0, DELETE)
    assert answer.status_code == 429 and answer.json()["error"] == OWN_EDIT_RUNS and answer["Retry-After"] == "1"
    with other(), other():
        assert send(0, DELETE).json()["error"] == OTHER_EDITS_RUN
    with other():
        assert send(0, DELETE).status_code == 200
    with mine():
        pass


def test_who_waits_for_a_place_has_it_before_those_who_come_again(send):
    def of(address):
        return edit_slot(user=None, visitor=None, address=address)

    with of("first"), of("second"):
        assert send(0, DELETE).json()["error"] == OTHER_EDITS_RUN
    with of("second"):
        with pytest.raises(Refused, match="Other people's"), of("first"):
            pass
        assert send(0, DELETE).status_code == 200
        with of("first"):
            pass


def random_operation(rng, ids):
    """Any correction that needs no map of the network; it may be impossible."""
    pair, item = [int(drawn) for drawn in rng.choice(ids, 2)], int(rng.choice(ids))
    (x, y), (width, height) = rng.uniform(0, 110, 2).round(2).tolist(), rng.uniform(2, 30, 2).round(2).tolist()
    square = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    stroke = {"points": [[x, y], [x + width, y + height]], "radius": round(float(rng.uniform(0.5, 6)), 1)}
    ways = [
        {"op": "delete", "ids": [item]}, {"op": "restore", "ids": [item]},
        {"op": "set_aside", "ids": pair, "reason": "charging"}, {"op": "reviewed", "ids": [item]},
        {"op": "merge", "ids": pair}, {"op": "split", "id": item, "line": [[x, 0], [x + width, 119]]},
        {"op": "draw", "polygon": square, "ground": bool(rng.integers(2))},
        {"op": "draw", "polygon": square, "id": item}, {"op": "paint", **stroke}, {"op": "erase", **stroke, "id": item},
        {"op": "erase", "polygon": square}, {"op": "fill", "ids": [item]}, {"op": "smooth", "ids": [item]}, UNDO,
    ]  # fmt: skip
    return ways[rng.integers(len(ways))]


@pytest.mark.slow
def test_many_corrections_are_replayed_and_taken_back_bit_for_bit(send, script, result):
    rng, base, at_once = np.random.default_rng(5), 0, 40
    automatic = Segmentation.load(result.segmentation.file.open("rb"))
    while base < 300:
        ids = script.get(f"/api/v1/jobs/{result.pk}/labels?format=objects").json()["ids"] or [1]
        batch = [random_operation(rng, ids) for _ in range(at_once)]
        while batch and (answer := send(base, *batch)).status_code == 422:
            del batch[int(re.match(r"Operation (\d+): ", answer.json()["error"])[1]) - 1]
        base += len(batch)
    assert audit("verify", result.pk)[0] == 0
    labels = labels_of(script, result)
    log = script.get(f"/api/v1/jobs/{result.pk}/edits").json()
    standing, edits = log["standing"], log["edits"]
    while log["following"]:
        log = script.get(log["following"]).json()
        edits += log["edits"]
    assert not (labels == squares()).all() and [edit["sequence"] for edit in edits] == [*range(1, base + 1)]
    assert (correct(automatic, [edit["operation"] for edit in edits]).labels == labels).all()
    for count in [100] * (standing // 100) + [standing % 100]:
        base = send(base, *[UNDO] * count).json()["base"]
    assert (labels_of(script, result) == squares()).all()
    assert send(base, UNDO).status_code == 422
    assert audit("verify", result.pk)[0] == 0
