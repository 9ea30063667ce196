"""Signatures under results: who may sign, what is covered, what shows it; and the evidence in a bundle."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile

import pypdf
import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from segmentation.core.quality.method import checksum_of
from segmentation.models import Edit, ExportJob, Job, Method, MethodVersion, Signature, StaffAction
from segmentation.models.edits import hash_of
from segmentation.services.ground import bundles
from segmentation.services.ground import queue as queue_service
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import exports, jobs, samples
from segmentation.services.results.corrections import edits, signing
from segmentation.services.upkeep import upkeep
from tests.web.finished import VISITOR, visit, words
from worker.tasks import do_analyses, do_inspections

from .test_edits import DELETE, SPLIT, audit, result, squares  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here", "busy")]


@pytest.fixture(autouse=True)
def _quick(coarse, monkeypatch, queue):
    """Exports are written by the tests themselves."""
    monkeypatch.setattr("celery.current_app.send_task", lambda *args, **options: None)


@pytest.fixture
def finished(result, alice):  # noqa: F811
    """A measured revision of Alice's, of two corrections."""
    Job.objects.filter(pk=result.pk).update(owner=alice)
    job = Job.objects.get(pk=result.pk)
    edits.edit_job(job=job, base=0, operations=[DELETE, SPLIT], user=alice)
    fields = {"settings": job.get_settings(), "user": alice, "visitor": None, "address": ""}
    made = jobs.rerun_with_corrections(job=job, **fields)
    do_analyses()
    made.refresh_from_db()
    assert made.state == "done", made.error
    return made


@pytest.fixture
def sign(signed_in, finished):
    def post(client=signed_in, job=finished, **fields):
        form = {"password": "alice's password", "name": "Dr. Alice Example", "meaning": "made", **fields}
        return client.post(f"/jobs/{job.pk}/sign/", form)

    return post


@pytest.fixture
def script_of():
    """A script that signs in with the password of an account."""

    def client(name):
        word = base64.b64encode(f"{name}:{name}'s password".encode()).decode()
        return Client(headers={"Authorization": f"Basic {word}"})

    return client


def written(job, name="bundle.zip") -> bytes:
    """A file that is written when it is asked for."""
    export = exports.file_of(job, name)
    if isinstance(export, ExportJob):
        do_analyses()
        job = Job.objects.get(pk=job.pk)
    with bundles.open_file(job.artifact(name)) as file:
        return file.read()


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


# Who may


def test_the_maker_signs_with_the_password(sign, finished, signed_in):
    assert sign().status_code == 303
    row = Signature.objects.get()
    assert (row.account, row.name, row.meaning, row.sequence) == ("alice", "Dr. Alice Example", "made", 1)
    with finished.segmentation.file.open("rb") as file:
        assert row.labels_sha256 == hashlib.sha256(file.read()).hexdigest()
    with bundles.open_file(finished.artifact("result.json")) as file:
        assert row.result_sha256 == hashlib.sha256(file.read()).hexdigest()
    page = signed_in.get(f"/jobs/{finished.pk}/").content.decode()
    assert 'data-meaning="made" data-account="alice"' in page and row.labels_sha256 in page and "UTC" in page


def test_a_wrong_password_signs_nothing_and_is_counted(sign, settings, signed_in):
    settings.AXES_FAILURE_LIMIT = 3
    assert [sign(password="wrong").status_code for _ in range(3)] == [403, 403, 429]
    assert sign().status_code == 429 and not Signature.objects.exists()


def test_who_may_not(sign, finished, charlie, desk):
    assert sign(client=Client()).status_code == 404, "the result is private"
    other = Client()
    other.force_login(charlie)
    assert sign(client=other, password="charlie's password", meaning="reviewed").status_code == 404
    assert sign(client=desk, password="ada's password").status_code == 403, "ada has not made it"
    assert sign(client=desk, password="ada's password", meaning="approved").status_code == 303
    assert sign(meaning="liked").status_code == 422 and sign(name="x" * 200).status_code == 422
    Job.objects.filter(pk=finished.pk).update(owner=None)
    assert sign(client=Client(), meaning="reviewed").status_code == 403
    assert sign(client=other, password="charlie's password", meaning="reviewed", name="").status_code == 303
    assert [row.name for row in Signature.objects.all()] == ["Dr. Alice Example", "charlie"]


def test_nobody_reviews_or_approves_what_he_made(sign, finished, charlie, signed_in, script_of):
    for meaning in ("reviewed", "approved"):
        assert sign(meaning=meaning).status_code == 403
    signed_in.post("/laboratory/", {"quality": "on"})
    page = words(signed_in.get(f"/jobs/{finished.pk}/"))
    assert '<option value="made"' in page and '<option value="approved"' not in page
    address = f"/api/v1/jobs/{finished.pk}/signatures"
    answer = script_of("alice").post(
        address, {"password": "alice's password", "meaning": "approved"}, "application/json"
    )
    assert answer.status_code == 403 and "another account" in answer.json()["error"]
    Job.objects.filter(pk=finished.parent_id).update(owner=None)
    Edit.objects.filter(sequence=1).update(author="charlie")  # of the result whose corrections this one measures
    Job.objects.filter(pk=finished.pk).update(owner=None)
    assert finished.makers == {"alice", "charlie"}
    other = Client()
    other.force_login(charlie)
    for client, name in ((other, "charlie"), (signed_in, "alice")):
        assert sign(client=client, password=f"{name}'s password", meaning="approved").status_code == 403
    assert not Signature.objects.exists()


def test_who_approved_a_result_does_not_make_it_his_own_later(sign, finished, ada, desk):
    other = {"client": desk, "password": "ada's password"}
    assert sign(**other, meaning="approved").status_code == 303
    Job.objects.filter(pk=finished.pk).update(owner=ada)
    assert sign(**other, meaning="made").status_code == 403


def test_what_a_browser_made_is_taken_over_before_it_is_signed(sign, finished, signed_in):
    Edit.objects.all().delete()
    Job.objects.update(owner=None, visitor=VISITOR)
    answer = sign(client=visit(signed_in, VISITOR), meaning="approved")
    assert answer.status_code == 403 and "take it over" in words(answer)


def test_where_one_person_works_alone_the_papers_say_so(sign, finished, settings, signed_in, script_of):
    settings.DEEPSEGM_ONE_PERSON = True
    assert sign().status_code == 303 and sign(meaning="approved").status_code == 303
    said = "(account alice, who made the result)"
    assert words(signed_in.get(f"/jobs/{finished.pk}/")).count(said) == 1
    assert script_of("alice").get(f"/api/v1/jobs/{finished.pk}").json()["own_approval"] is True
    assert "alice, who made the result" in text_of(written(finished, "report.pdf"))


@pytest.mark.services
def test_nobody_signs_twice_as_the_same_and_nothing_unfinished(sign, finished, desk):
    other = {"client": desk, "password": "ada's password", "meaning": "approved"}
    assert sign().status_code == 303 and sign().status_code == 409
    assert sign(**other).status_code == 303 and sign(**other).status_code == 409
    assert [row.previous for row in Signature.objects.all()] == ["", Signature.objects.first().hash]
    Job.objects.filter(pk=finished.pk).update(state="failed")
    assert sign(client=desk, password="ada's password", meaning="reviewed").status_code == 409


def test_by_api(finished, script_of):
    client, address = script_of("alice"), f"/api/v1/jobs/{finished.pk}"
    fields = {"password": "alice's password", "meaning": "made"}
    assert client.post(f"{address}/signatures", {**fields, "password": "no"}, "application/json").status_code == 403
    answer = client.post(f"{address}/signatures", fields, "application/json")
    assert answer.status_code == 201 and answer.json()["name"] == "alice"
    job = client.get(address).json()
    (row,) = job["signatures"]
    assert row == answer.json() and row["numbers_sha256"] == hash_of(job["result"])
    digest = row.pop("hash")
    assert hash_of(row) == digest
    assert Client().post(f"{address}/signatures", fields, "application/json").status_code == 404
    assert client.post(f"{address}/signatures", {"meaning": "made"}, "application/json").status_code == 400


@pytest.mark.services
def test_of_two_signatures_at_one_moment_the_later_is_told(sign, finished, monkeypatch):
    digests = signing._digests

    def meanwhile(job):
        Job.objects.filter(pk=job.pk).update(signature_hash="f" * 64)
        return digests(job)

    monkeypatch.setattr(signing, "_digests", meanwhile)
    assert sign().status_code == 409 and not Signature.objects.exists()


# What is signed stays


def test_a_later_correction_makes_an_unsigned_revision_and_leaves_the_signed_one(sign, finished, alice, signed_in):
    sign()
    before = finished.summary, Signature.objects.get().as_dict()
    with pytest.raises(Refused, match="stays as it is"):
        edits.edit_job(job=finished, base=0, operations=[{"op": "delete", "ids": [1]}], user=alice)
    assert "This version stays as it is." in words(signed_in.get(f"/jobs/{finished.pk}/"))
    address = signed_in.post(f"/jobs/{finished.pk}/go-on/")["Location"]
    do_analyses()
    made = Job.objects.exclude(pk__in=[finished.pk, finished.parent_id]).get()
    assert address == f"/jobs/{made.pk}/#correct" and made.state == "done"
    edits.edit_job(job=made, base=0, operations=[{"op": "delete", "ids": [1]}], user=alice)
    do_inspections()
    signed, made = Job.objects.get(pk=finished.pk), Job.objects.get(pk=made.pk)
    assert (signed.summary, signed.signatures.get().as_dict()) == before and not made.signatures.exists()
    assert signing.broken_signatures(signed) == []


@pytest.mark.services
def test_nobody_but_an_administrator_deletes_it_nor_what_it_rests_on(sign, finished, signed_in, desk):
    sign()
    for job in (finished, finished.parent):
        assert signed_in.post(f"/jobs/{job.pk}/delete/").status_code == 409
        with pytest.raises(Refused):
            jobs.delete_job(job=job)
    done = {"do": "delete", "sure": "yes", "job": str(finished.pk)}
    assert signed_in.post(reverse("results-selected"), done).status_code == 302
    Job.objects.update(finished="2001-01-01T00:00:00Z")
    upkeep.purge(older_than=__import__("datetime").timedelta(days=1))
    assert Job.objects.count() == 2
    assert desk.get(reverse("admin:segmentation_signature_changelist")).status_code == 200
    change = reverse("admin:segmentation_signature_change", args=[Signature.objects.get().pk])
    assert finished.segmentation_id and Signature.objects.get().hash in words(desk.get(change))
    desk.post(change, {"name": "Mallory"})
    assert Signature.objects.get().name == "Dr. Alice Example"
    remove = reverse("admin:segmentation_signature_delete", args=[Signature.objects.get().pk])
    assert desk.post(remove, {"post": "yes"}).status_code == 403
    desk.post(reverse("admin:segmentation_job_delete", args=[finished.pk]), {"post": "yes"})
    assert not Job.objects.filter(pk=finished.pk).exists() and not Signature.objects.exists()


def test_a_signature_outlives_the_account_in_the_log(sign, finished, desk, ada, alice):
    sign()
    sign(client=desk, password="ada's password", meaning="approved")
    before = {row.account: row.as_dict() for row in Signature.objects.all()}
    alice.delete()
    assert not Job.objects.filter(pk=finished.pk).exists() and not Signature.objects.exists()
    kept = StaffAction.objects.filter(action=signing.DELETED)
    assert {row.account: row.before for row in kept} == before
    assert (
        before["ada"]["name"] == "Dr. Alice Example"
        and before["ada"]["time"]
        and before["ada"]["meaning"] == "approved"
    )


def test_a_signed_result_is_not_measured_again_for_a_sample(sign, finished, make_sample, alice):
    sample = make_sample(owner=alice)
    Job.objects.filter(sample=sample).update(micrograph=finished.micrograph)
    sign()
    with pytest.raises(Refused, match="never changes"):
        samples.replace_image(sample=sample, job=Job.objects.get(pk=finished.pk))
    assert Job.objects.get(pk=finished.pk).state == "done"


def test_a_sample_with_a_signed_result_stays(sign, finished, make_sample, alice, signed_in):
    sample = make_sample(owner=alice)
    Job.objects.filter(pk=finished.pk).update(sample=sample)
    sign()
    assert signed_in.post(reverse("sample-delete", args=[sample.pk])).status_code == 409
    samples.delete_sample(sample=sample, signed=True)
    assert not Signature.objects.exists()


# Printed


def test_a_signature_is_printed_in_the_report_and_the_cached_files_are_made_anew(sign, finished, desk):
    assert "Dr. Alice Example" not in text_of(written(finished, "report.pdf"))
    sign()
    text = text_of(written(finished, "report.pdf"))
    row = Signature.objects.get()
    for line in ("Signature", "Made", "Dr. Alice Example", "alice", row.printed.time):
        assert line in text
    for digest in row.digests.values():
        assert digest in text.replace(" ", "")
    sign(client=desk, password="ada's password", meaning="approved", name="A. E.")
    assert "A. E." in text_of(written(finished, "report.pdf"))
    with zipfile.ZipFile(io.BytesIO(written(finished))) as bundle:
        assert len(json.loads(bundle.read("signatures.json"))) == 2
        assert "A. E." in text_of(bundle.read("report.pdf"))
        assert hashlib.sha256(bundle.read("segmentation.npz")).hexdigest() == row.labels_sha256
        assert hashlib.sha256(bundle.read("result.json")).hexdigest() == row.result_sha256


def test_a_signature_while_files_are_written_has_them_written_again(sign, finished, monkeypatch):
    from segmentation.core.report import files

    export, write_all = queue_service.ask_for_files(finished), files.write_all

    def and_sign(*args, **options):
        monkeypatch.setattr(files, "write_all", write_all)
        paths = write_all(*args, **options)
        assert sign().status_code == 303
        return paths

    monkeypatch.setattr(files, "write_all", and_sign)
    do_analyses()
    export.refresh_from_db()
    assert export.state == "queued" and finished.artifact("report.pdf") is None
    do_analyses()
    assert "Dr. Alice Example" in text_of(written(finished, "report.pdf"))


# Verified


def change_file(stored, content=None):
    with stored.storage.open(stored.name, "rb") as file:
        old = file.read()
    stored.storage.delete(stored.name)
    middle = len(old) // 2
    new = old[:middle] + bytes([old[middle] ^ 1]) + old[middle + 1 :] if content is None else content
    assert stored.storage.save(stored.name, ContentFile(new)) == stored.name


def test_one_altered_byte_is_found_and_named(sign, finished):
    sign()
    assert audit("verify", finished.pk) == (0, audit("verify", finished.pk)[1])
    change_file(finished.segmentation.file)
    code, output = audit("verify", finished.pk)
    assert code == 1 and "segmentation.npz" in output and "signature 1" in output


def test_a_changed_result_or_number_is_found_and_named(sign, finished):
    sign()
    file = finished.artifact("result.json").file
    with bundles.open_file(finished.artifact("result.json")) as opened:
        content = opened.read().replace(b'"width": 160', b'"width": 161')
    change_file(file, bundles.compressed(content))
    Job.objects.filter(pk=finished.pk).update(summary={**finished.summary, "found": 99})
    code, text = audit("verify")
    assert (
        code == 1
        and "result.json" in text
        and signing.COVERED_NAMES["numbers"] in text
        and "segmentation.npz" not in text
    )


def test_changed_limits_and_a_changed_method_are_found_and_named(sign, finished, alice):
    limits = {"title": "A", "limits": [{"quantity": "median", "lower": 1.0}]}
    method = Method.objects.create(owner=alice, name="Powder")
    description = {"task": "particles", "settings": {"threshold": 0.4}}
    fields = {"description": description, "checksum": checksum_of(description), "author": "alice"}
    version = MethodVersion.objects.create(method=method, number=1, **fields)
    Job.objects.filter(pk=finished.pk).update(specification=limits, method=version)
    sign()
    covered = Signature.objects.get().covered
    assert covered["method"]["sha256"] == version.checksum
    assert covered["decision"]["all"] == covered["decision"]["median"] != ""
    assert audit("verify")[0] == 0
    for rows, change, back, what in (
        (Job, {"specification": {**limits, "title": "B"}}, {"specification": limits}, "specification"),
        (Job, {"reference": {"name": "Gold"}}, {"reference": {}}, "reference material"),
        (Job, {"method": None}, {"method": version}, "method"),
        (MethodVersion, {"description": {"task": "phases"}}, {"description": description}, "method"),
    ):
        rows.objects.all().update(**change)
        code, text = audit("verify", finished.pk)
        assert code == 1 and f"The {what} is not what was signed by signature 1" in text, what
        rows.objects.all().update(**back)
    MethodVersion.objects.update(state="withdrawn")
    assert audit("verify")[0] == 0


def test_a_signature_of_an_earlier_release_keeps_its_hash(sign):
    sign()
    row = Signature.objects.get()
    row.covered = {}
    row.hash = row.computed_hash()
    assert "covered" not in row.as_dict()
    Signature.objects.update(covered={}, hash=row.hash)
    Job.objects.filter(pk=row.job_id).update(signature_hash=row.hash)
    assert audit("verify")[0] == 0


def test_an_altered_signature_is_named(sign):
    sign()
    signed = Signature.objects.values().get()
    others = {"created": "2020-01-01T00:00:00Z", "meaning": "reviewed"}
    for field in ("name", "account", "meaning", "labels_sha256", "created", "hash", "previous"):
        Signature.objects.update(**{field: others.get(field, "e" * 64)})
        code, output = audit("verify")
        assert code == 1 and "ignature 1" in output, field
        Signature.objects.update(**signed)
    assert audit("verify")[0] == 0


def test_a_missing_signature_is_named(sign, desk):
    sign()
    sign(client=desk, password="ada's password", meaning="approved")
    Signature.objects.filter(sequence=2).delete()
    assert "Signature 2 is missing" in audit("verify")[1]
    Signature.objects.all().delete()
    code, output = audit("verify")
    assert code == 1 and "Signature 1 is missing" in output


def test_a_result_whose_files_are_gone_cannot_be_signed_and_is_named(sign, finished, desk):
    sign()
    file = finished.segmentation.file
    file.storage.delete(file.name)
    assert sign(client=desk, password="ada's password", meaning="approved").status_code == 409
    assert audit("verify", finished.pk)[0] == 1


# Repeated


@pytest.fixture
def bundle(finished, tmp_path):
    file = tmp_path / "bundle.zip"
    file.write_bytes(written(finished))
    return file


def altered(bundle, name, change):
    """A copy of the bundle with another content of one of its files."""
    copy = bundle.with_name("altered.zip")
    with zipfile.ZipFile(bundle) as archive, zipfile.ZipFile(copy, "w") as other:
        for member in archive.namelist():
            other.writestr(member, change(archive.read(member)) if member == name else archive.read(member))
    return copy


def test_what_is_no_bundle_is_a_sentence(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"words")
    for file in ("no.zip", "missing.zip"):
        with pytest.raises(CommandError):
            call_command("audit", "replay", str(tmp_path / file))


def test_a_bundle_repeats_its_corrections_bit_for_bit_and_what_was_changed_in_it_is_named(bundle, finished):
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        assert {"uncorrected.npz", "segmentation.npz", "corrections.json", "corrections.csv"} <= names
        assert "signatures.json" not in names and "corrections.csv" in archive.read("README.txt").decode()
    code, output = audit("replay", bundle)
    assert code == 0 and "equal" in output

    def other(content):
        rows = json.loads(content)
        rows[1]["operation"]["id"] = 2
        return json.dumps(rows).encode()

    code, output = audit("replay", altered(bundle, "corrections.json", other))
    assert code == 1 and "Edit 2 was altered." in output and "corrections.json" in output and "operations" in output
    with finished.parent.segmentation.file.open("rb") as file:
        before = file.read()
    code, output = audit("replay", altered(bundle, "segmentation.npz", lambda _: before))
    assert code == 1 and "labels differ in" in output and "ids" in output
    for content in (b"[1]", b"{}", b"no", b'[{"job": 1}]'):
        with pytest.raises(CommandError):
            call_command("audit", "replay", str(altered(bundle, "corrections.json", lambda _, new=content: new)))


def test_a_revision_of_a_corrected_result_has_its_log_too(finished, alice):
    settings = finished.get_settings()
    fields = {"user": alice, "visitor": None, "address": ""}
    rerun = jobs.rerun_job(job=finished, settings=settings, **fields)
    do_analyses()
    with zipfile.ZipFile(io.BytesIO(written(Job.objects.get(pk=rerun.pk)))) as archive:
        assert "corrections.json" in archive.namelist()


def test_the_log_is_downloaded_from_the_page_and_by_api(finished, signed_in):
    parent = finished.parent
    page = signed_in.get(f"/jobs/{parent.pk}/").content.decode()
    assert reverse("job-log-csv", args=[parent.pk]) in page
    csv = b"".join(signed_in.get(reverse("job-log-csv", args=[parent.pk])).streaming_content).decode()
    log = b"".join(signed_in.get(reverse("job-log", args=[parent.pk])).streaming_content)
    assert len(json.loads(log)) == 2 == Edit.objects.count() and csv.count("\n") == 3
    Job.objects.filter(pk=parent.pk).update(owner=None)
    api = Client().get(f"/api/v1/jobs/{parent.pk}/edits.csv")
    assert b"".join(api.streaming_content).decode() == csv and "csv" in api["Content-Type"]


def test_an_uncorrected_unsigned_result_has_no_such_files(result, finished, alice):  # noqa: F811
    fields = {"user": alice, "visitor": None, "address": ""}
    rerun = jobs.version_before_corrections(job=Job.objects.get(pk=result.pk), **fields)
    do_analyses()
    with zipfile.ZipFile(io.BytesIO(written(Job.objects.get(pk=rerun.pk)))) as archive:
        assert not {"segmentation.npz", "corrections.json", "signatures.json"} & set(archive.namelist())
    assert signing.signed_jobs() == set()
