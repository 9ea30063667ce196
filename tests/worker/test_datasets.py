"""Datasets: results and archives become images with labels, checked as a folder of the shell is."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from PIL import Image

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.learning.datasets import services as datasets
from segmentation.learning.trainings import services as trainings
from segmentation.models import Dataset, Job
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import jobs, publishing
from segmentation.services.upkeep import upkeep
from tests.conftest import as_file, picture
from tests.core.builders import segmentation_of
from tests.lab.folders import discs
from tests.web.archive import zipped
from tests.web.finished import SUMMARY
from worker.learning.dataset_images import write_folder_dataset
from worker.learning.datasets import contradicting_scales
from worker.reading import decoding
from worker.tasks import do_analyses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here")]
READ = decoding.read_micrograph
SHAPE = (120, 160)
SEEN = {**SUMMARY, "data_bar": None}


def test_a_dataset_is_checked_without_torch():
    """Whoever has the light installation collects images before the first training."""
    code = (
        "import sys, django; django.setup()\n"
        "class NoTorch:\n"
        "    def find_spec(name, *rest):\n"
        "        if name == 'torch': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoTorch)\n"
        "import worker.learning.datasets, worker.learning.dataset_archives, worker.learning.dataset_images\n"
        "from segmentation.core import tasks as kinds\n"
        "from segmentation.lab.training import check, classes, sheets, tasks\n"
        "for kind in kinds.every(): tasks.find(kind.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def squares(seed=0):
    """Four squares on noise, at other places for each seed, one at the frame for seed 0; their picture."""
    labels = np.zeros(SHAPE, np.int32)
    labels[10:40, 10:45], labels[60:100, 20:60] = 3, 5
    labels[20:50, 80:110], labels[70:110, 120:160] = 9, 12
    labels = np.roll(labels, (17 * seed, 29 * seed), (0, 1))
    grey = np.where(labels > 0, 180, 60) + np.random.default_rng(seed).normal(0, 6, SHAPE)
    return labels, grey.clip(0, 255).astype(np.uint8)


@pytest.fixture
def result(make_micrograph, make_job, tmp_path, ada):
    """Makes finished results of Ada's with stored outlines, and what the viewer knows of each object."""

    def make(seed=0, name="", reasons=None, **fields):
        labels, grey = squares(seed)
        content = as_file(grey)
        sha256 = hashlib.sha256(content).hexdigest()
        micrograph = fields.pop("micrograph", None) or make_micrograph(
            content=content, sha256=sha256, width=160, height=120, owner=ada, name=name or f"powder_{seed}.png"
        )
        segmentation = segmentation_of(labels)
        present = np.unique(labels)[1:].astype(np.int32)
        parts = {name: getattr(segmentation, name)[: len(present)] for name in ("classes", "confidence")}
        origin = replace(segmentation.provenance, micrograph=micrograph.sha256)
        segmentation = replace(segmentation, ids=present, **parts, provenance=origin)
        segmentation.save(tmp_path / "segmentation.npz")
        job = make_job(
            micrograph=micrograph, state=Job.State.RUNNING, attempt=1, owner=ada, **{"summary": SEEN, **fields}
        )
        publishing.store_segmentation(job=job, file=tmp_path / "segmentation.npz", provenance=segmentation.provenance)
        why = {12: "touches the frame", **(reasons or {})}
        particles = [{"id": n, "kept": n not in why, "reason": why.get(n, "")} for n in segmentation.ids.tolist()]
        stored = job.artifacts.create(name="outlines.json", attempt=1, size=1, content_type="application/json")
        stored.file.save(f"{job.folder}/1/outlines.json", io.BytesIO(json.dumps({"particles": particles}).encode()))
        Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
        return Job.objects.select_related("micrograph", "segmentation", "sample").get(pk=job.pk)

    return make


@pytest.fixture
def dataset(ada):
    return datasets.create_dataset(user=ada, name="Powder", task="particles", material="TiO2", licence="CC BY 4.0")


@pytest.fixture
def give(dataset, ada):
    def add(job, **more):
        return datasets.use_as_training_data(
            job=job, dataset=dataset, user=ada, **{"consent": True, "reviewed": True, **more}
        )

    return add


@pytest.fixture
def send(dataset, ada):
    def archive(content, name="own.zip", to=dataset):
        file = SimpleUploadedFile(name, content)
        datasets.add_archive(dataset=to, file=file, user=ada, consent=True, reviewed=True)
        return prepared(to)

    return archive


def prepared(dataset):
    do_analyses()
    dataset.refresh_from_db()
    return dataset


def labels_of(image):
    with image.labels.open("rb") as file:
        return np.asarray(Image.open(file)).astype(np.int32)


def said(dataset, error=False):
    return " ".join(finding["sentence"] for finding in dataset.summary["findings"] if finding["error"] == error)


def notes(dataset):
    return {note["name"]: note["sentence"] for note in dataset.summary["notes"]}


def test_a_result_becomes_an_image_with_labels_that_the_check_likes(result, give, dataset):
    for seed in range(5):
        give(result(seed), group=f"specimen {seed}")
    prepared(dataset)
    assert (dataset.state, said(dataset, error=True)) == ("done", "")
    assert dataset.summary["images"] == 5
    assert sum(dataset.summary["sizes"]["counts"]) == 20
    first = dataset.images.get(name="powder_0.png")
    assert (labels_of(first) == squares()[0]).all() and first.preview.size and not first.error
    with first.image.open("rb") as stored:
        assert hashlib.sha256(stored.read()).hexdigest() == first.sha256
    with first.labels.open("rb") as stored:
        assert hashlib.sha256(stored.read()).hexdigest() == first.labels_sha256


@pytest.mark.parametrize("why", ["charging artefact", "writing or drawing on the picture"])
def test_what_a_person_set_aside_or_may_be_wrong_is_background_and_what_is_small_or_cut_is_not(
    why, result, give, dataset
):
    reasons = {3: why, 5: "smaller than the filter", 9: "low confidence", 12: "mostly hidden by others"}
    image = give(result(reasons=reasons))
    prepared(dataset)
    image.refresh_from_db()
    assert set(np.unique(labels_of(image))) == {0, 5, 12}
    assert image.summary["left_out"] == 2


def test_only_the_checked_rectangle_is_truth(result, give, dataset, tmp_path):
    image = give(result(), region=[0, 0, 60, 160])
    prepared(dataset)
    image.refresh_from_db()
    labels = labels_of(image)
    assert not labels[60:].any() and (labels[:60] == squares()[0][:60]).all()
    write_folder_dataset(dataset.images.all(), tmp_path / "folder")
    assert (tmp_path / "folder" / "regions.csv").read_text().splitlines()[1] == "powder_0.png,0,0,60,160"
    assert (tmp_path / "folder" / "groups.csv").read_text().splitlines() == ["image,group", "powder_0.png,powder"]
    assert sorted(file.name for file in (tmp_path / "folder").rglob("*.png")) == ["powder_0.png"] * 2


def test_a_region_to_ignore_teaches_nothing(result, give, dataset):
    settings = AnalysisSettings.of(ignore=[[[100, 0], [160, 120]]])
    job = result(1, settings=settings)
    give(job)
    prepared(dataset)
    image = dataset.images.get()
    assert (image.error, image.region) == ("", [0, 0, 120, 100])
    assert not labels_of(image)[:, 100:].any() and labels_of(image)[:, :100].any()
    everything = AnalysisSettings.of(ignore=[[[0, 30], [160, 90]]])
    give(result(2, settings=everything))
    prepared(dataset)
    assert "leave no rectangle of 64 px" in dataset.images.exclude(pk=image.pk).get().error


def test_what_is_learnt_from_is_decoded_in_a_confined_process(result, give, dataset, tmp_path, monkeypatch):
    """Pixels are written anew, as TIFF by ourselves, wherever they are used; what is stored stays the sender's file."""
    from segmentation.core.micrograph import formats, reader

    real, kinds = reader._decode, set()

    def decoded(path, kind, *how):
        kinds.add(kind.name)
        return real(path, kind, *how)

    monkeypatch.setattr(decoding, "read_micrograph", READ)
    monkeypatch.setattr(reader, "_decode", decoded)
    image = give(result())
    prepared(dataset)
    image.refresh_from_db()
    assert kinds == {"TIFF"}
    write_folder_dataset([image], tmp_path / "folder")
    laid = tmp_path / "folder" / "images" / "powder_0.png"
    with image.image.open("rb") as stored:
        assert (stored.read(4), laid.read_bytes()[:2]) == (b"\x89PNG", b"II")
    stored = reader.read(Path(default_storage.path(image.image.name)))
    assert (real(laid, formats.format_by_suffix()[".tif"], 10**6, 0)[0].pixels == stored.pixels).all()


def test_a_file_that_was_changed_in_the_storage_is_not_learnt_from(result, give, dataset, tmp_path):
    image = give(result())
    prepared(dataset)
    image.refresh_from_db()
    Path(default_storage.path(image.image.name)).write_bytes(picture())
    with pytest.raises(UnreadableImage, match=r"powder_0.png or its outlines were changed in the storage"):
        write_folder_dataset([image], tmp_path / "folder")


def test_where_the_header_says_that_the_data_bar_begins_learning_ends(result, give, dataset, tmp_path, monkeypatch):
    """What is laid out has no header."""
    image = give(result())
    prepared(dataset)
    read = decoding.read_micrograph

    def with_rows(*given, **options):
        micrograph = read(*given, **options)
        return replace(micrograph, metadata={**micrograph.metadata, "image_rows": 100.0})

    monkeypatch.setattr(decoding, "read_micrograph", with_rows)
    for number, (region, table) in enumerate([(None, "0,0,100,160"), ([10, 0, 120, 50], "10,0,100,50")]):
        image.refresh_from_db()
        image.region = region
        write_folder_dataset([image], tmp_path / str(number))
        assert (tmp_path / str(number) / "regions.csv").read_text().splitlines()[1] == f"powder_0.png,{table}"


def test_a_killed_decoder_costs_an_image_at_the_last_attempt_only(result, give, dataset, monkeypatch):
    good, bad = give(result(0)), give(result(1))
    read = decoding.read_micrograph

    def killed(path, *, name, **options):
        if name == bad.name:
            raise decoding.Killed("The image could not be read.")
        return read(path, name=name, **options)

    monkeypatch.setattr(decoding, "read_micrograph", killed)
    for deaths in (1, 2):
        Dataset.objects.update(due=None)
        assert (prepared(dataset).state, dataset.deaths) == ("queued", deaths)
    Dataset.objects.update(due=None)
    assert prepared(dataset).state == "done"
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.error, bad.error, dataset.summary["images"]) == ("", "The image could not be read.", 1)


@pytest.mark.services
def test_a_new_revision_takes_the_place_of_the_old_and_its_files(result, give, dataset):
    old = result()
    image = give(old)
    prepared(dataset)
    new = result(micrograph=old.micrograph, reasons={3: "not a particle"})
    assert give(new).pk == image.pk
    prepared(dataset)
    image.refresh_from_db()
    assert image.job_id == new.pk and set(np.unique(labels_of(image))) == {0, 5, 9, 12}
    _, names = default_storage.listdir(image.folder)
    assert len(names) == 5 and dataset.images.count() == 1


def test_purging_results_leaves_the_dataset(result, give, dataset):
    from datetime import timedelta

    from django.utils import timezone

    image = give(result())
    prepared(dataset)
    Job.objects.update(finished=timezone.now() - timedelta(days=3))
    assert upkeep.purge(older_than=timedelta(days=1)).jobs == 1
    image.refresh_from_db()
    assert image.job is None and (labels_of(image) == squares()[0]).all()
    assert upkeep.storage_used() >= image.size > 0


@pytest.mark.django_db(transaction=True)
def test_files_go_with_image_and_dataset(result, give, dataset):
    image, other = give(result()), give(result(1))
    prepared(dataset)
    datasets.remove_image(image=image)
    assert not default_storage.exists(image.folder) and default_storage.exists(other.folder)
    datasets.delete_dataset(dataset=dataset)
    assert not default_storage.exists(f"datasets/{other.dataset_id}")


def test_outlines_that_are_gone_are_said_on_the_page_and_the_rest_goes_on(result, give, dataset):
    gone, image = result(), None
    image = give(gone)
    give(result(1))
    jobs.delete_job(job=gone)
    prepared(dataset)
    image.refresh_from_db()
    assert dataset.state == "done" and "deleted" in image.error and "deleted" in said(dataset, error=True)
    assert dataset.summary["images"] == 1 and "two at least" in said(dataset, error=True)


@pytest.mark.slow
def test_classes_are_taken_with_their_names_and_what_is_unknown_stays_unknown(ada, send):
    made = datasets.create_dataset(user=ada, name="Steel", task="phases", class_names=["ferrite", "carbide"])
    classes = (squares()[0] > 0).astype(np.uint8)
    classes[:5] = 255
    send(zipped({"images/a.png": as_file(squares()[1]), "labels/a.png": as_file(classes)}), to=made)
    assert notes(made) == {}
    image = made.images.get()
    assert (labels_of(image) == classes).all() and sum(image.summary["shares"].values()) == pytest.approx(1, abs=1e-3)
    send(zipped({"images/b.png": as_file(squares(1)[1]), "labels/b.png": as_file(classes + np.uint8(7))}), to=made)
    assert "number" in notes(made)["b.png"] and made.images.count() == 1


def test_a_result_of_phases_teaches_the_class_of_each_pixel(make_micrograph, make_job, ada, tmp_path):
    from segmentation.core.analysis import AnalysisSettings

    labels, grey = squares()
    content = as_file(grey)
    micrograph = make_micrograph(
        content=content, sha256=hashlib.sha256(content).hexdigest(), width=160, height=120, owner=ada
    )
    segmentation = segmentation_of((labels > 0).astype(np.int32) + 1)
    segmentation = replace(
        segmentation,
        class_names=("matrix", "pore"),
        classes=np.array([0, 1], np.int32),
        provenance=replace(segmentation.provenance, micrograph=micrograph.sha256, task="phases"),
        used={**segmentation.used, "marks": [[[100.0, 10.0], [120.0, 30.0]]]},
    )
    segmentation.save(tmp_path / "segmentation.npz")
    settings = AnalysisSettings.of("phases", model="uhcs-steel")
    job = make_job(micrograph=micrograph, state="running", attempt=1, owner=ada, settings=settings, summary=SEEN)
    publishing.store_segmentation(job=job, file=tmp_path / "segmentation.npz", provenance=segmentation.provenance)
    Job.objects.update(state="done")
    job = Job.objects.select_related("micrograph", "segmentation").get()
    made = datasets.create_dataset(user=ada, name="Pores", task="phases")
    give = {"job": job, "user": ada, "consent": True, "reviewed": True}
    image = datasets.use_as_training_data(dataset=made, region=[0, 0, 60, 160], **give)
    prepared(made)
    image.refresh_from_db()
    assert made.class_names == ["matrix", "pore"] and not image.error
    known = np.ones((60, 160), np.bool_)
    known[10:30, 100:120] = False  # writing lies there
    assert (labels_of(image)[:60] == np.where(known, (labels > 0)[:60], 255)).all()
    assert (labels_of(image)[60:] == 255).all()
    other = datasets.create_dataset(user=ada, name="Other", task="phases", class_names=["a", "b"])
    with pytest.raises(Refused, match="classes"):
        datasets.use_as_training_data(dataset=other, **give)


def test_boundaries_between_grains_are_what_is_taught():
    from segmentation.lab.training import tasks as taught

    labels = np.zeros((40, 60), np.int32)
    labels[:, :18], labels[:, 22:40], labels[:, 40:] = 1, 2, 3
    boundary = taught.find("grains").drawn(labels)
    assert boundary[:, 18:22].all() and boundary[:, 38:41].any(1).all() and not boundary[:, :17].any()
    labels[labels == 1] = 0  # a grain that was deleted is no boundary
    assert not taught.find("grains").drawn(labels)[:, :15].any()


def discs_archive(images=4, **options):
    files = {}
    for number in range(images):
        grey, labels = discs(number, **options)
        files |= {f"images/{number}.png": as_file(grey), f"labels/{number}.png": as_file(labels.astype(np.uint16))}
    return zipped(files)


def test_three_pictures_show_what_could_be_composed_and_are_made_once(send, dataset, monkeypatch):
    send(discs_archive())
    composed = dataset.summary["composed"]
    assert sorted(composed["whole"]) == ["0", "1", "2", "3"] and min(composed["whole"].values()) >= 4
    sizes = [Image.open(io.BytesIO(b64decode(picture))).size for picture in composed["pictures"]]
    assert sizes == [(224, 224)] * 3 and len(set(composed["pictures"])) == 3
    assert trainings.composing_obstacle(dataset) == ""
    monkeypatch.setattr(
        "worker.learning.datasets._composed_pictures", lambda *given: pytest.fail("the same images are composed again")
    )
    datasets.check_again(dataset=dataset)
    assert prepared(dataset).summary["composed"] == composed


def test_too_few_whole_particles_give_no_pictures_but_a_sentence(send, dataset):
    send(discs_archive(radius=5))
    assert dataset.summary["composed"] == {"whole": dict.fromkeys("0123", 0), "pictures": [], "mark": ""}
    assert "needs 10 whole, free particles" in trainings.composing_obstacle(dataset)


def test_contradicting_scales_are_a_warning(result, give, dataset):
    for seed, nm in enumerate((2.0, 2.1, 20.0)):
        image = give(result(seed))
        type(image).objects.filter(pk=image.pk).update(nm_per_pixel=nm)
    assert len(contradicting_scales(list(dataset.images.all()))) == 1
    prepared(dataset)
    assert "powder_2.png" in said(dataset) and "20 nm" in said(dataset)


def test_one_image_more_is_read_alone_and_the_check_says_what_it_says_of_the_folder(
    result, give, dataset, tmp_path, monkeypatch
):
    from segmentation.core.masks import truth
    from segmentation.lab.training.check import check_folder

    for seed in range(3):
        give(result(seed), group=f"specimen {seed}")
    prepared(dataset)
    read, real = [], truth.load_image
    monkeypatch.setattr(truth, "load_image", lambda file, *more: read.append(file.name) or real(file, *more))
    image = give(result(3, name="same_as_0.png"), group="specimen 3")
    prepared(dataset)
    assert set(read) == {"same_as_0.png"}
    read.clear()
    datasets.group_image(image=image, group="specimen 0")
    prepared(dataset)
    assert read == []
    write_folder_dataset(dataset.images.all(), tmp_path / "folder")
    whole = check_folder(tmp_path / "folder", task="particles").findings
    assert whole and [finding.on_page for finding in whole] == [
        finding["sentence"] for finding in dataset.summary["findings"]
    ]


@pytest.mark.parametrize(
    ("error", "words"), [(SoftTimeLimitExceeded(), "30 minutes allowed: press Check again"), (MemoryError(), "memory")]
)
def test_time_and_memory_that_run_out_are_said_of_the_dataset_and_it_goes_on(
    result, give, dataset, monkeypatch, error, words
):
    from worker.learning import datasets as worker

    for seed in range(2):
        give(result(seed), group=f"specimen {seed}")
    real = worker._checked_pair

    def ends(image, *more):
        if image.name == "powder_1.png":
            raise error
        return real(image, *more)

    monkeypatch.setattr(worker, "_checked_pair", ends)
    prepared(dataset)
    assert dataset.state == "failed" and dataset.error.startswith("Preparing the dataset") and words in dataset.error
    monkeypatch.setattr(worker, "_checked_pair", real)
    datasets.check_again(dataset=dataset)
    prepared(dataset)
    assert (dataset.state, dataset.error, dataset.summary["images"]) == ("done", "", 2)


def test_an_image_whose_file_is_gone_or_whose_check_is_damaged_is_named_or_read_again(result, give, dataset):
    damaged, gone = give(result()), give(result(1))
    prepared(dataset)
    for image in (damaged, gone):
        image.refresh_from_db()
        (stored,) = [name for name in default_storage.listdir(image.folder)[1] if name.startswith("check-")]
        default_storage.delete(f"{image.folder}/{stored}")
    default_storage.save(f"{damaged.folder}/{stored}", io.BytesIO(b"PK no archive"))
    default_storage.delete(gone.image.name)
    datasets.check_again(dataset=dataset)
    prepared(dataset)
    assert dataset.state == "done" and "powder_1.png: The stored file" in said(dataset, error=True)
    assert "powder_0.png:" not in said(dataset, error=True)


@pytest.mark.services
def test_a_change_supersedes_a_check_under_way(result, give, dataset, monkeypatch):
    """A second message finds nothing to do, and an attempt that was overtaken publishes nothing."""
    from worker.learning import datasets as worker

    give(result())
    real = worker._check

    def meanwhile(*given):
        give(result(1))
        return real(*given)

    monkeypatch.setattr(worker, "_check", meanwhile)
    prepared(dataset)
    assert dataset.state == "queued" and dataset.summary == {}
    monkeypatch.setattr(worker, "_check", real)
    prepared(dataset)
    assert dataset.state == "done" and dataset.summary["images"] == 2


@pytest.mark.slow
def test_a_folder_of_the_shell_and_a_dataset_are_the_same_thing(result, give, dataset, ada, tmp_path, capsys):
    give(result())
    give(result(1))
    prepared(dataset)
    folder = tmp_path / "out"
    call_command("dataset", "export", "Powder", str(folder))
    assert sorted(file.name for file in folder.iterdir())[-1] == "labels"
    with pytest.raises(CommandError, match="1 error"):
        call_command("dataset", "check", str(folder))
    printed = capsys.readouterr().out  # of one specimen nothing can be held out
    assert "of one specimen" in printed and "of one specimen" in said(dataset, error=True)
    with pytest.raises(CommandError, match="not empty"):
        call_command("dataset", "export", "Powder", str(folder))
    with pytest.raises(CommandError, match="--checked"):
        call_command("dataset", "import", str(folder))
    call_command("dataset", "import", str(folder), name="Back", checked=True)
    back = prepared(Dataset.objects.get(name="Back"))
    assert back.licence == "CC BY 4.0" and back.owner == ada
    pairs = zip(dataset.images.order_by("name"), back.images.order_by("name"), strict=True)
    assert all(a.labels_sha256 == b.labels_sha256 for a, b in pairs)
    with pytest.raises(CommandError, match="no dataset"):
        call_command("dataset", "export", "Nothing", str(tmp_path / "other"))
