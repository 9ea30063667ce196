"""Files coming in: limits before anything else, nobody waits for a decoder, nothing left of what is refused."""

from __future__ import annotations

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Q
from django.utils import timezone

from segmentation.models import Arrival, Micrograph, SideFile
from segmentation.services.ground.refusal import Refused
from segmentation.services.ground.space import NO_ROOM
from segmentation.services.ground.stored import stored_bytes
from segmentation.services.results import uploads as uploads_service
from segmentation.services.results.uploads import discard_unused
from segmentation.services.upkeep import upkeep
from tests.conftest import picture

pytestmark = pytest.mark.django_db
NOBODY = AnonymousUser()


def receive(content=None, name="a.png", user=NOBODY, visitor=None, address="hash"):
    file = SimpleUploadedFile(name, picture() if content is None else content)
    return uploads_service.receive_upload(file=file, user=user, visitor=visitor, address=address)


def nothing_is_left(folder: Path) -> bool:
    return not Micrograph.objects.exists() and not [path for path in folder.rglob("*") if path.is_file()]


def test_a_good_image_is_stored_with_what_was_found(own_storage, alice):
    visitor = uuid4()
    micrograph = receive(name="Größe 1.PNG", user=alice, visitor=visitor)
    micrograph.refresh_from_db()
    assert (micrograph.width, micrograph.height, micrograph.owner, micrograph.visitor) == (64, 48, alice, visitor)
    assert micrograph.sha256 == hashlib.sha256(picture()).hexdigest()
    assert micrograph.name == "Größe 1.PNG"
    assert micrograph.file.name == f"uploads/{micrograph.pk}/image.png"
    assert micrograph.file.read() == picture()
    assert micrograph.preview.read().startswith(b"\x89PNG")
    assert micrograph.calibration["source"] == "none"
    assert micrograph.size == len(picture())


def test_nothing_waits_for_a_decoder(own_storage, monkeypatch):
    """What is answered is a row that a worker has still to look into."""
    enqueued = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, **options: enqueued.append(name))
    micrograph = receive()
    micrograph.refresh_from_db()
    assert (micrograph.state, micrograph.width, micrograph.preview.name) == ("queued", 0, "")
    assert micrograph.sha256 == hashlib.sha256(picture()).hexdigest()
    assert enqueued == ["worker.inspections"]


@pytest.mark.parametrize(("content", "name"), [(b"", "a.tif"), (b"plain text", "a.png"), (b"<html></html>", "a.tif")])
def test_what_is_no_image_by_its_first_bytes_is_refused_at_once(own_storage, content, name):
    with pytest.raises(Refused) as refused:
        receive(content, name=name)
    assert refused.value.status == 422
    assert refused.value.sentence.endswith(".")
    assert nothing_is_left(own_storage)


def test_a_full_disk_is_said_and_leaves_nothing(own_storage, monkeypatch):
    monkeypatch.setattr(
        "django.core.files.storage.FileSystemStorage._save", Mock(side_effect=OSError(28, "No space left on device"))
    )
    with pytest.raises(Refused, match=NO_ROOM) as refused:
        receive()
    assert refused.value.status == 507
    assert nothing_is_left(own_storage)


def test_uploads_are_refused_while_there_is_still_some_room(own_storage, settings, monkeypatch):
    free_bytes = shutil.disk_usage(own_storage.parent).free
    settings.DEEPSEGM_MIN_FREE_MB = free_bytes // 2**20 + 100
    with pytest.raises(Refused, match=NO_ROOM) as refused:
        receive()
    assert refused.value.status == 507
    assert nothing_is_left(own_storage)


@pytest.mark.parametrize("time", [1, 2])
@pytest.mark.services
def test_a_row_that_cannot_be_written_leaves_no_file(own_storage, monkeypatch, time, commit):
    save, calls = Micrograph.save, []

    def broken(*args, **kwargs):
        calls.append(1)
        if len(calls) == time:
            raise RuntimeError
        save(*args, **kwargs)

    monkeypatch.setattr(Micrograph, "save", broken)
    with pytest.raises(RuntimeError), commit():
        receive()
    assert nothing_is_left(own_storage)


@pytest.mark.services
def test_the_uploads_of_an_hour_are_limited(own_storage, settings, alice):
    settings.DEEPSEGM_UPLOADS_PER_HOUR = 2
    visitor, now = uuid4(), timezone.now()
    for minutes in (50, 61):
        Arrival.objects.create(visitor=visitor, address="hash", created=now - timedelta(minutes=minutes))
    discard_unused(receive(visitor=visitor))  # it counts all the same
    with pytest.raises(Refused, match=r"2 images.* 10 minutes") as refused:
        receive(visitor=visitor)
    assert refused.value.status == 429
    with pytest.raises(Refused):
        receive(visitor=None, address="hash")
    with pytest.raises(Refused):
        receive(visitor=visitor, address="elsewhere")
    receive(visitor=uuid4(), address="elsewhere")
    receive(user=alice, visitor=visitor)
    receive(visitor=None, address="")


class TestBeside:
    """Files of the microscope beside images."""

    def drop(self, *names: str, **sender):
        files = [SimpleUploadedFile(name, picture(64 + number)) for number, name in enumerate(names)]
        beside = SimpleUploadedFile("a.txt", b"$CM_MAG 100")
        who = {"user": NOBODY, "visitor": None, "address": "hash", **sender}
        return uploads_service.receive_files(files=[*files, beside], **who).uploads

    def test_one_is_stored_once_for_all_images_of_its_sender_and_goes_with_the_last(self, own_storage, commit, alice):
        uploads = [*self.drop("a.png", "a.jpg"), *self.drop("A.PNG")]
        mine = self.drop("a.png", user=alice)
        assert (
            len({image.side[0]["file"] for image in uploads}) == 1 == len(list((own_storage / "sides").iterdir())) - 1
        )
        assert stored_bytes(Q(owner=alice)) == mine[0].size + len(b"$CM_MAG 100")
        for count, image in enumerate([*uploads, *mine], 1):
            assert image.file.storage.open(image.side[0]["file"]).read() == b"$CM_MAG 100"
            with commit():
                discard_unused(image)
            assert SideFile.objects.count() == 4 - count
        assert nothing_is_left(own_storage)

    def test_four_beside_one_image_are_refused(self, own_storage):
        side = [SimpleUploadedFile(f"a{number}.txt", b"x") for number in range(4)]
        with pytest.raises(Refused, match="at most 3 files"):
            uploads_service.receive_upload(
                file=SimpleUploadedFile("a.png", picture()), side=side, user=NOBODY, visitor=None, address="hash"
            )
        assert nothing_is_left(own_storage)

    def test_those_of_images_that_an_older_version_deleted_are_tidied_away(self, own_storage, commit):
        (image,) = self.drop("a.png")
        Micrograph.objects.filter(pk=image.pk)._raw_delete("default")
        with commit():
            upkeep.tidy()
        assert not list((own_storage / "sides").iterdir())
