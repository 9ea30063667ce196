"""Datasets: who may make them, what is refused in a sentence, and what a change leads to."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile

from segmentation.core.analysis import AnalysisSettings
from segmentation.learning.datasets import services as datasets
from segmentation.learning.datasets.services import default_group_of, unique_name
from segmentation.models import Dataset, DatasetImage, Edit, Job, Sample, Segmentation
from segmentation.services.ground.callers import check_may_train
from segmentation.services.ground.refusal import Refused
from tests.core.builders import segmentation_of
from tests.web.finished import SUMMARY, summary

pytestmark = pytest.mark.django_db


@pytest.fixture
def result(make_job, make_micrograph):
    """Makes finished results with stored outlines."""

    def make(owner, task="particles", names=("particle",), **fields):
        micrograph = fields.pop("micrograph", None) or make_micrograph(owner=owner, sha256=fields.pop("sha", "b" * 64))
        segmentation = segmentation_of(np.ones((48, 64), np.int32))
        segmentation = replace(segmentation, class_names=names, provenance=replace(segmentation.provenance, task=task))
        content = io.BytesIO()
        segmentation.save(content)
        stored = Segmentation(micrograph=micrograph, task=task, model_name="m", size=7)
        stored.file.save(f"{stored.folder}/segmentation.npz", ContentFile(content.getvalue()))
        defaults = {"state": Job.State.DONE, "owner": owner, "settings": AnalysisSettings.of(task)}
        defaults["summary"] = {**SUMMARY, "data_bar": None}
        return make_job(micrograph=micrograph, segmentation=stored, **{**defaults, **fields})

    return make


def give(job, dataset, user, **more):
    fields = {"consent": True, "reviewed": True, **more}
    return datasets.use_as_training_data(job=job, dataset=dataset, user=user, **fields)


def refusal(status, function, *given, **fields):
    with pytest.raises(Refused) as refused:
        function(*given, **fields)
    assert refused.value.status == status
    return refused.value.sentence


def test_the_setting_says_who_may_train(alice, ada, settings):
    assert settings.DEEPSEGM_TRAINING == "staff"
    check_may_train(ada)
    assert refusal(403, check_may_train, alice) and refusal(401, check_may_train, AnonymousUser())
    settings.DEEPSEGM_TRAINING = "accounts"
    check_may_train(alice)
    assert refusal(401, check_may_train, None)
    settings.DEEPSEGM_TRAINING = "nobody"
    assert refusal(403, check_may_train, ada)


@pytest.mark.services
def test_a_result_is_given_once_and_a_worker_is_asked(ada, result, dataset, queue):
    first = result(ada)
    image = give(first, dataset, ada)
    assert (image.name, image.sha256, image.by, image.group) == ("tio2.png", "b" * 64, ada, "tio2")
    assert Dataset.objects.get().state == "queued"
    DatasetImage.objects.update(labels="old.png", labels_sha256="c" * 64)
    second = give(result(ada, micrograph=first.micrograph), dataset, ada, group="batch 7")
    assert second.pk == image.pk and second.group == "batch 7" and not second.labels
    assert DatasetImage.objects.count() == 1


def test_what_cannot_be_training_data_is_refused_in_a_sentence(ada, alice, result, dataset, make_job, settings):
    job = result(ada)
    assert "checked" in refusal(422, give, job, dataset, ada, reviewed=False)
    assert "learn" in refusal(422, give, job, dataset, ada, consent=False)
    assert "finished" in refusal(409, give, result(ada, state=Job.State.RUNNING), dataset, ada)
    assert "not stored" in refusal(409, give, make_job(state=Job.State.DONE, owner=ada), dataset, ada)
    assert "account" in refusal(403, give, result(alice), dataset, ada)
    assert "My results" in refusal(403, give, result(None), dataset, ada)
    assert "only the staff" in refusal(403, give, result(alice), dataset, alice).lower()
    unlike = summary(set_aside={"unusual picture": 3})
    assert "all the same" in refusal(409, give, result(ada, summary=unlike), dataset, ada)
    bubbles = result(ada, "bubbles", ("bubble",))
    assert "bubbles" in refusal(422, give, bubbles, dataset, ada)
    Job.objects.filter(pk=job.pk).delete()
    assert "deleted" in refusal(404, give, job, dataset, ada)
    settings.DEEPSEGM_TRAINING = "nobody"
    assert "switched" in refusal(403, give, result(ada), dataset, ada)
    assert DatasetImage.objects.count() == 0


def test_corrections_must_be_measured_first(ada, result, dataset):
    job = result(ada, edit_count=1)
    Edit.objects.create(job=job, sequence=1, operation={"op": "delete", "ids": [1]}, patch={}, before={})
    assert "still being made" in refusal(409, give, job, dataset, ada)
    Job.objects.filter(pk=job.pk).update(step=1)
    job.refresh_from_db()
    assert give(job, dataset, ada)


def test_a_deleted_dataset_takes_nothing(ada, result, dataset):
    job = result(ada)
    Dataset.objects.all().delete()
    assert "deleted" in refusal(404, give, job, dataset, ada)


@pytest.mark.parametrize("region", [[0, 0, 40], [0, 0, 10, 64], [-1, 0, 40, 64], [0, 0, 48, 65], [40, 0, 5, 64]])
def test_a_rectangle_must_lie_in_the_image(ada, result, dataset, region):
    assert "rectangle" in refusal(422, give, result(ada), dataset, ada, region=region)


def test_a_data_bar_is_no_truth(ada, result, dataset):
    assert give(result(ada), dataset, ada).region is None
    barred = result(ada, summary={**SUMMARY, "data_bar": 40})
    assert give(barred, dataset, ada).region == [0, 0, 40, 64]
    assert give(barred, dataset, ada, region=[4, 4, 48, 60]).region == [4, 4, 40, 60]
    assert give(result(ada), dataset, ada, region=[0, 0, 48, 64]).region is None


@pytest.mark.parametrize(
    ("images", "groups"),
    [([("a.tif", "")], ["Batch 7"]),
     ([("a_1.tif", "18 Jul 2019 11:09:27"), ("b_1.tif", "18 Jul 2019 11:19:00"), ("b_2.tif", "19 Jul 2019 09:40:42")],
      ["Batch 7, 18 Jul 2019", "Batch 7, 18 Jul 2019", "Batch 7, 19 Jul 2019"]),
     ([("a_1.tif", "2019-07-18T11:09:27"), ("b_1.tif", "2019-07-18T11:19:00"), ("b_2.tif", "2019-07-18T12:19:00")],
      ["Batch 7, a", "Batch 7, b", "Batch 7, b"]),
     ([("a_1.tif", ""), ("a_2.tif", "")], ["Batch 7, a_1", "Batch 7, a_2"])],
)  # fmt: skip
def test_groups_in_a_sample_are_by_what_its_images_differ(ada, result, dataset, make_micrograph, images, groups):
    sample = Sample.objects.create(name="Batch 7", owner=ada, settings=AnalysisSettings.of().as_dict())
    results = [
        result(ada, sample=sample, micrograph=make_micrograph(name=name, sha256=f"{i:064d}", metadata={"date": date}))
        for i, (name, date) in enumerate(images)
    ]
    assert [give(of_image, dataset, ada).group for of_image in results] == groups


def test_without_a_sample_the_group_is_the_image_without_its_number():
    names = {
        "TiO2_003.tif": "TiO2",
        "TiO2.tif": "TiO2",
        "batch7-12.tif": "batch7",
        "img (3).png": "img",
        "IMG0042.jpg": "IMG",
        "0042.png": "0042",
        "A_x50000_02.tif": "A_x50000",
    }
    assert {name: default_group_of(name) for name in names} == names


@pytest.mark.services
def test_names_in_a_dataset_are_fit_for_every_disk_and_never_twice(dataset, ada):
    DatasetImage.objects.create(dataset=dataset, name="a.tif", sha256="1" * 64)
    assert unique_name(dataset, "A.png") == "A (2).png"
    assert unique_name(dataset, "../x:y*.png") == "x_y_.png" or "/" not in unique_name(dataset, "../x:y*.png")
    assert unique_name(dataset, ".png") and len(unique_name(dataset, "n" * 300 + ".tif")) <= 150


def test_classes_are_those_of_the_first_result_and_others_are_refused(ada, result):
    made = datasets.create_dataset(user=ada, name="Steel", task="phases")
    assert "no classes" not in made.class_names
    give(result(ada, "phases", ("matrix", "pore")), made, ada)
    assert Dataset.objects.get().class_names == ["matrix", "pore"]
    other = result(ada, "phases", ("matrix", "carbide"), sha="d" * 64)
    assert "carbide" in refusal(422, give, other, made, ada)


def test_a_dataset_needs_a_name_a_known_kind_and_sensible_classes(ada, alice):
    make = datasets.create_dataset
    assert "name" in refusal(422, make, user=ada, name="  ", task="particles")
    assert "particles" in refusal(422, make, user=ada, name="x", task="nothing")
    assert "no classes" in refusal(422, make, user=ada, name="x", task="particles", class_names=["a", "b"])
    assert "two" in refusal(422, make, user=ada, name="x", task="phases", class_names=["a", "a"]).lower()
    assert refusal(403, make, user=alice, name="x", task="particles")


@pytest.mark.services
def test_it_is_described_shared_and_visible_then(ada, alice, dataset):
    assert not dataset.is_visible_to(alice)
    datasets.change_dataset(dataset=dataset, shared=True, material="TiO2\n", name="New")
    assert (dataset.name, dataset.material) == ("New", "TiO2")
    assert dataset.is_visible_to(alice) and not dataset.is_visible_to(AnonymousUser())
    assert not dataset.is_changeable_by(alice) and dataset.is_changeable_by(ada)
    assert "name" in refusal(422, datasets.change_dataset, dataset=dataset, name="")


def test_regrouping_and_removing_ask_for_another_check(ada, result, dataset):
    image = give(result(ada), dataset, ada)
    Dataset.objects.update(state="done")
    datasets.group_image(image=image, group=" batch  9 ")
    assert DatasetImage.objects.get().group == "batch 9" and Dataset.objects.get().state == "queued"
    Dataset.objects.update(state="done")
    datasets.remove_image(image=image)
    assert not DatasetImage.objects.exists() and Dataset.objects.get().state == "queued"


def test_an_archive_is_refused_before_anything_is_stored(ada, dataset, settings):
    def send(content=b"PK\x03\x04", **fields):
        file = SimpleUploadedFile("a.zip", content)
        datasets.add_archive(dataset=dataset, file=file, user=ada, **{"consent": True, "reviewed": True, **fields})

    assert "ZIP" in refusal(422, send, b"no archive")
    assert refusal(422, send, b"")
    assert "checked" in refusal(422, send, reviewed=False)
    assert "learn" in refusal(422, send, consent=False)
    settings.DEEPSEGM_MIN_FREE_MB = 10**9
    assert refusal(507, send)
    settings.DEEPSEGM_MIN_FREE_MB = 1
    settings.DEEPSEGM_MAX_REQUEST_BYTES = 10
    assert refusal(413, send, b"PK\x03\x04" + bytes(20))
    dataset.refresh_from_db()
    assert dataset.incoming == [] and not (settings.DEEPSEGM_DATA / "files" / "datasets").exists()
