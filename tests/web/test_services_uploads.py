"""Micrographs coming in: limits before anything else, inspection in a child, nothing left of what is refused."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.utils import timezone

from segmentation import inspection, services
from segmentation.models import Upload
from segmentation.services import Refused
from tests.conftest import picture

pytestmark = pytest.mark.django_db
NOBODY = AnonymousUser()


def receive(content=None, name="a.png", user=NOBODY, visitor=None, address="hash"):
    file = SimpleUploadedFile(name, picture() if content is None else content)
    return services.receive_upload(file=file, user=user, visitor=visitor, address=address)


def nothing_is_left(folder: Path) -> bool:
    return not Upload.objects.exists() and not [path for path in folder.rglob("*") if path.is_file()]


def child(monkeypatch, **options):
    """Replace the inspecting child by a shell command."""
    monkeypatch.setattr(inspection, "_command", lambda *given: ["sh", "-c", options["does"]])


def test_a_good_image_is_stored_with_what_was_found(own_storage, alice):
    visitor = uuid4()
    upload = receive(name="Größe 1.PNG", user=alice, visitor=visitor)
    upload.refresh_from_db()
    assert (upload.width, upload.height, upload.owner, upload.visitor) == (64, 48, alice, visitor)
    assert upload.sha256 == hashlib.sha256(picture()).hexdigest()
    assert upload.name == "Größe 1.PNG"
    assert upload.file.name == f"uploads/{upload.pk}/image.png"
    assert upload.file.read() == picture()
    assert upload.preview.read().startswith(b"\x89PNG")
    assert upload.calibration["source"] == "none"
    assert upload.size == len(picture())


def test_two_files_of_one_name_are_two_uploads(own_storage):
    first, second = receive(name="a.png"), receive(name="a.png")
    assert first.file.name != second.file.name


def test_a_large_file_that_django_has_on_disk_is_inspected_where_it_lies(own_storage, monkeypatch):
    seen = []
    inspect = inspection.inspect
    monkeypatch.setattr(inspection, "inspect", lambda path, **said: seen.append(path) or inspect(path, **said))
    with TemporaryUploadedFile("a.png", "image/png", len(picture()), None) as file:
        file.write(picture())
        file.flush()
        upload = services.receive_upload(file=file, user=None, visitor=None, address="")
        assert seen == [Path(file.temporary_file_path())]
    assert upload.file.read() == picture()


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "a.tif"), (b"plain text", "a.png"), (b"<html></html>", "a.tif"), (picture()[:60], "--help.png")],
)
def test_what_is_no_image_is_refused_in_one_sentence(own_storage, content, name):
    with pytest.raises(Refused) as refused:
        receive(content, name=name)
    assert refused.value.status == 422
    assert refused.value.sentence.endswith(".") and "Traceback" not in refused.value.sentence
    assert nothing_is_left(own_storage)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(own_storage, settings, monkeypatch):
    settings.DEEPSEGM_MAX_UPLOAD_MB = 1
    monkeypatch.setattr(inspection, "inspect", None)
    with pytest.raises(Refused, match="limit is 1 MB") as refused:
        receive(b"x" * (2**20 + 1))
    assert refused.value.status == 413


def test_too_many_megapixels_are_refused(own_storage, settings):
    settings.DEEPSEGM_MAX_MEGAPIXELS = 1
    with pytest.raises(Refused) as refused:
        receive(picture(1200, 1000))
    assert refused.value.status == 422
    assert nothing_is_left(own_storage)


@pytest.mark.parametrize("does", ["kill -9 $$", "kill -SEGV $$", "exit 3", "echo junk", "echo '{}'", "echo '[]'"])
def test_an_inspection_that_dies_or_babbles_is_the_files_fault(own_storage, monkeypatch, does):
    child(monkeypatch, does=does)
    with pytest.raises(Refused, match="could not be read") as refused:
        receive()
    assert refused.value.status == 422
    assert nothing_is_left(own_storage)


def test_an_inspection_that_hangs_is_killed(own_storage, monkeypatch, settings, tmp_path):
    settings.DEEPSEGM_INSPECTION_SECONDS = 1
    child(monkeypatch, does=f"echo $$ > {tmp_path}/pid; exec sleep 600")
    with pytest.raises(Refused, match="took too long"):
        receive()
    pid = (tmp_path / "pid").read_text().strip()
    assert subprocess.run(["ps", "-p", pid], capture_output=True, check=False).returncode


def test_too_many_inspections_at_once_are_refused_for_the_moment(own_storage, monkeypatch):
    monkeypatch.setattr(inspection, "WAIT_SECONDS", 0)
    for _ in range(inspection.AT_ONCE):
        inspection._slots.acquire()
    try:
        with pytest.raises(Refused, match="busy") as refused:
            receive()
    finally:
        inspection._slots.release(inspection.AT_ONCE)
    assert refused.value.status == 503
    assert receive().width == 64


def test_a_full_disk_is_said_and_leaves_nothing(own_storage, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage._save", full)
    with pytest.raises(Refused, match="disk may be full") as refused:
        receive()
    assert refused.value.status == 507
    assert nothing_is_left(own_storage)


def test_a_row_that_cannot_be_written_leaves_no_file(own_storage, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(Upload, "save", broken)
    with pytest.raises(RuntimeError):
        receive()
    assert nothing_is_left(own_storage)


def test_the_uploads_of_an_hour_are_limited(make_upload, settings, alice):
    settings.DEEPSEGM_UPLOADS_PER_HOUR = 2
    visitor, now = uuid4(), timezone.now()
    make_upload(visitor=visitor, address="hash", created=now - timedelta(minutes=50))
    make_upload(visitor=visitor, address="hash", created=now - timedelta(minutes=61))
    receive(visitor=visitor)
    with pytest.raises(Refused, match=r"2 images an hour.*come back in 10 minutes") as refused:
        receive(visitor=visitor)
    assert refused.value.status == 429
    with pytest.raises(Refused):
        receive(visitor=None, address="hash")
    with pytest.raises(Refused):
        receive(visitor=visitor, address="elsewhere")
    receive(visitor=uuid4(), address="elsewhere")
    receive(user=alice, visitor=visitor)
    receive(visitor=None, address="")


def test_the_sample_comes_in_like_any_image(own_storage, settings, tmp_path):
    sample = tmp_path / "static" / "sample" / "sem-sample.tif"
    sample.parent.mkdir(parents=True)
    sample.write_bytes(picture(kind="TIFF"))
    settings.STATICFILES_DIRS = [tmp_path / "static"]
    visitor = uuid4()
    upload = services.sample_upload(user=None, visitor=visitor, address="")
    assert (upload.name, upload.visitor) == ("sem-sample.tif", visitor)
