"""Datasets as archives: taken out, and in again."""
# ruff: noqa: F811

from __future__ import annotations

import csv
import io
import json
import tomllib
import zipfile

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from segmentation.core.imported.coco import read_coco
from segmentation.core.imported.shapes import Frame, paint
from segmentation.learning.datasets import services as datasets
from segmentation.models import Dataset, DatasetImage
from segmentation.services.ground.bounds import BOUNDS
from tests.conftest import as_file
from tests.web.archive import zipped
from worker.reading import decoding

from .test_datasets import SHAPE, dataset, give, labels_of, notes, prepared, result, send, squares  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here", "children_here")]


def export(client, dataset):
    answer = client.get(f"/datasets/{dataset.pk}/export.zip")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


@pytest.mark.slow
def test_an_export_comes_back_equal(result, give, dataset, desk, ada, send):
    give(result(), region=[0, 0, 60, 160], group="Größe, “A”")
    give(result(1))
    prepared(dataset)
    content = export(desk, dataset)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert {"README.txt", "dataset.toml", "groups.csv", "regions.csv", "coco.json"} < names
        facts = tomllib.loads(archive.read("dataset.toml").decode())
        groups = dict(csv.reader(io.StringIO(archive.read("groups.csv").decode())))
        coco = json.loads(archive.read("coco.json"))
    assert facts["dataset"]["licence"] == "CC BY 4.0" and facts["images"][0]["consent"] == "ada"
    assert groups["powder_0.png"] == "Größe, “A”"
    assert (
        len(coco["images"]) == 2
        and len({entry["id"] for entry in coco["annotations"]}) == len(coco["annotations"]) == 6
    )
    copy = datasets.create_dataset(user=ada, name="Again", task="particles")
    send(content, to=copy)
    assert copy.summary["notes"] == [] and copy.state == "done"
    facts_of = ("name", "sha256", "labels_sha256", "group", "region", "nm_per_pixel", "width", "height")
    there, here = (list(collection.images.order_by("name").values_list(*facts_of)) for collection in (dataset, copy))
    assert there == here
    pairs = zip(dataset.images.order_by("name"), copy.images.order_by("name"), strict=True)
    assert all((labels_of(a) == labels_of(b)).all() for a, b in pairs)


@pytest.mark.slow
def test_coco_annotations_stand_in_for_labels(result, give, dataset, desk, ada, send, tmp_path):
    give(result())
    give(result(1))
    prepared(dataset)
    with zipfile.ZipFile(io.BytesIO(export(desk, dataset))) as archive:
        (tmp_path / "coco.json").write_bytes(archive.read("coco.json"))
        files = {f"images/{n}.png": archive.read(f"images/powder_{n}.png") for n in range(2)}
    painted = paint(read_coco(tmp_path / "coco.json", Frame(*SHAPE, 120), "powder_0.png"), SHAPE).labels
    assert ((painted > 0) == (squares()[0] > 0)).all()
    coco = (tmp_path / "coco.json").read_text().replace("powder_", "")
    copy = datasets.create_dataset(user=ada, name="Again", task="particles")
    send(zipped(files | {"coco.json": coco}), to=copy)
    assert notes(copy) == {} and sum(each.summary["objects"] for each in copy.images.all()) == 8


@pytest.mark.slow
def test_masks_made_elsewhere_are_taken_and_each_fault_is_said_in_a_sentence(dataset, send):
    labels, grey = squares()
    other = squares(1)
    send(
        zipped(
            {
                "images/a_1": b"",
                "top/images/a.png": as_file(grey),
                "top/labels/a_mask.png": as_file(((labels > 0) * 255).astype(np.uint8)),
                "top/images/b.png": as_file(other[1]),
                "top/labels/b.png": as_file(np.zeros((5, 5), np.uint8)),
                "top/images/c.png": as_file(squares(2)[1]),
                "top/images/text.png": b"no image at all",
                "top/labels/text.png": as_file(labels.astype(np.uint8)),
                "top/images/d.png": as_file(squares(3)[1]),
                "top/labels/d.png": b"\x89PNG\r\n\x1a\n broken",
                "top/labels/alone.png": as_file(labels.astype(np.uint8)),
                "top/images/e.png": as_file(squares(4)[1]),
                "top/labels/e.png": as_file(np.zeros(SHAPE, np.uint8)),
                "top/images/same.png": as_file(grey),
                "top/labels/same.png": as_file(labels.astype(np.uint8)),
                "top/labels/e_mask.png": as_file(np.zeros(SHAPE, np.uint8)),
            },
        )
    )
    assert dataset.state == "done"
    assert sorted(dataset.images.values_list("name", flat=True)) == ["a.png", "e.png"]
    assert set(notes(dataset)) == {"b.png", "c.png", "text.png", "d.png", "alone.png", "same.png", "e_mask.png"}
    assert dataset.images.get(name="a.png").summary["objects"] == 4  # a mask without numbers
    assert dataset.images.get(name="e.png").summary["objects"] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({"readme": b"x"}), "no folder images"),
        (b"PK\x03\x04" + bytes(200), "damaged"),
        (zipped(), "empty"),
        (zipped({"images/a.png": as_file(squares()[1]), "groups.csv": "one\n"}), "groups.csv"),
        (zipped({"images/a.png": as_file(squares()[1]), "regions.csv": "a.png,1,2,x,4\n"}), "regions.csv"),
        (zipped({"images/a.png": as_file(squares()[1]), "dataset.toml": "[["}), "dataset.toml"),
        (zipped({"images/a.png": as_file(squares()[1]), "dataset.toml": "a." * 9000 + "a = 1"}), "dataset.toml"),
        (zipped({"images/a.png": as_file(squares()[1]), "dataset.toml": '[dataset]\ntask = "bubbles"'}), "bubbles"),
    ],
)
def test_an_archive_that_holds_no_dataset_is_refused_in_a_sentence(dataset, send, content, words):
    send(content)
    assert dataset.state == "done" and dataset.incoming == [] and dataset.images.count() == 0
    assert words in notes(dataset)[""]


@pytest.mark.parametrize(("scale", "expected"), [("5.5", 5.5), ("-5", None), ('"x"', None)])
@pytest.mark.services
def test_a_scale_of_an_archive_that_is_none_is_said(dataset, send, scale, expected):
    labels, grey = squares()
    facts = f'[[images]]\nname = "a.png"\nnm_per_pixel = {scale}\n'
    content = {"images/a.png": as_file(grey), "labels/a.png": as_file(labels.astype(np.uint8)), "dataset.toml": facts}
    send(zipped(content))
    assert dataset.images.get().nm_per_pixel == expected
    assert ("nm_per_pixel" in notes(dataset).get("a.png", "")) is (expected is None)


def test_classes_are_taken_from_an_archive_that_is_taken_in(ada, send, monkeypatch):
    files = {"images/a.png": as_file(squares()[1]), "labels/a.png": as_file(np.zeros(SHAPE, np.uint8))}
    named, bad = (zipped(files | {"dataset.toml": f"[dataset]\nclass_names = {names}"}) for names in (["a", "b"], 5))
    made = datasets.create_dataset(user=ada, name="Steel", task="phases")
    other = DatasetImage.objects.create(dataset=made, name="b.png", sha256="b" * 64, by=ada)
    with monkeypatch.context() as patch:
        patch.setitem(BOUNDS, DatasetImage, BOUNDS[DatasetImage]._replace(most=1))
        send(named, to=made)
    other.delete()
    assert "full" in notes(made)[""] and made.class_names == []
    send(named, to=made)
    send(bad, to=made)
    assert made.class_names == ["a", "b"] and made.state == "done" and made.images.count() == 1


@pytest.mark.parametrize(("facts", "last_rows"), [('version = "1.0.0"', 255), ("", 1)])
def test_255_is_unknown_in_our_own_files_and_the_second_class_in_a_mask_made_elsewhere(ada, send, facts, last_rows):
    """Of an image that shows one of two classes only the data bar is 255 in an export."""
    made = datasets.create_dataset(user=ada, name="Steel", task="phases", class_names=["matrix", "pores"])
    classes = np.zeros(SHAPE, np.uint8)
    classes[-20:] = 255
    content = {"images/a.png": as_file(squares()[1]), "labels/a.png": as_file(classes)}
    send(zipped(content | {"dataset.toml": f"[dataset]\n{facts}"}), to=made)
    assert (labels_of(made.images.get()) == np.where(classes == 255, last_rows, 0)).all()


def test_a_bomb_is_left_out(dataset, send, settings):
    settings.DEEPSEGM_MAX_UPLOAD_MB = settings.DEEPSEGM_MAX_ARCHIVE_MB = 1
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/a.png", bytes(30 * 2**20))
        archive.writestr("labels/a.png", as_file(squares()[0].astype(np.uint8)))
    send(content.getvalue())
    assert dataset.state == "done" and "times its size" in notes(dataset)["images/a.png"]


def test_what_ended_the_worker_twice_does_not_end_it_again_and_the_next_archive_is_taken_in(dataset, ada):
    labels, image = squares()
    good = zipped({"images/a.png": as_file(image), "labels/a.png": as_file(labels.astype(np.uint8))})
    for name, content in (("bad.zip", zipped({"readme": b"x"})), ("good.zip", good)):
        file = SimpleUploadedFile(name, content)
        datasets.add_archive(dataset=dataset, file=file, user=ada, consent=True, reviewed=True)
    Dataset.objects.update(deaths=2)
    prepared(dataset)
    assert dataset.state == "done" and dataset.incoming == [] and dataset.summary["images"] == 1
    assert [(note["archive"], "memory" in note["sentence"]) for note in dataset.summary["notes"]] == [("bad.zip", True)]


@pytest.mark.slow
def test_an_archive_that_was_interrupted_goes_on_where_it_was(dataset, ada, monkeypatch):
    files = {f"images/{n}.png": as_file(squares(n)[1]) for n in range(2)}
    files |= {f"labels/{n}.png": as_file(squares(n)[0].astype(np.uint8)) for n in range(2)}
    file = SimpleUploadedFile("two.zip", zipped(files))
    datasets.add_archive(dataset=dataset, file=file, user=ada, consent=True, reviewed=True)
    real, seen = decoding.read_micrograph, []

    def once(path, **more):
        seen.append(more["name"])
        if len(seen) == 2:
            raise OSError(28, "full")
        return real(path, **more)

    monkeypatch.setattr(decoding, "read_micrograph", once)
    prepared(dataset)
    assert dataset.state == "queued" and len(dataset.incoming) == 1
    Dataset.objects.update(due=None)
    prepared(dataset)
    assert seen[:3] == ["0.png", "1.png", "1.png"] and dataset.summary["images"] == 2 and dataset.incoming == []
