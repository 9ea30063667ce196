"""How a backup reads the storage."""

from __future__ import annotations

import threading

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from worker import backup


@pytest.fixture
def stored(own_storage):
    names = [f"jobs/{number}/1/figure.png" for number in range(5)]
    for name in names:
        default_storage.save(name, ContentFile(name.encode()))
    return names


def test_several_files_are_fetched_at_once_and_written_in_their_order(stored, monkeypatch):
    """From a bucket a million files one by one took eleven hours."""
    fetched, together = backup._fetched, threading.Barrier(4)

    def slowly_fetched(name):
        if name != stored[-1]:
            together.wait(30)
        return fetched(name)

    monkeypatch.setattr(backup, "_fetched", slowly_fetched)
    read = [(name, file.read()) for name, file in backup._opened_files(backup._stored_names(""))]
    assert read == [(name, name.encode()) for name in stored]


def test_what_was_deleted_meanwhile_is_left_out(stored):
    names = backup._stored_names("")
    default_storage.delete(stored[2])
    assert [name for name, _ in backup._opened_files(names)] == [*stored[:2], *stored[3:]]
