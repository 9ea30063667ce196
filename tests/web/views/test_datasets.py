"""The pages of datasets: who sees them, the form on a result, what the page of one says."""

from __future__ import annotations

import pytest
from django.urls import reverse

from segmentation.core.analysis import AnalysisSettings
from segmentation.learning.datasets import services as datasets
from segmentation.models import Dataset, DatasetImage, Job, Sample
from tests.web.finished import FILES, summary, words
from tests.web.services.test_datasets import result  # noqa: F401 (fixture)

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(ada):
    return datasets.create_dataset(user=ada, name="Powder <b>", task="particles", material="TiO2")


def use(client, job, **fields):
    defaults = {"dataset": "new", "name": "Powder", "extent": "whole", "reviewed": "on", "consent": "on"}
    return client.post(reverse("job-training-data", args=[job.pk]), {**defaults, **fields})


def test_the_navigation_shows_them_to_those_with_the_right(client, ada, alice, settings):
    address = f'href="{reverse("datasets")}"'
    assert address not in words(client.get("/"))
    client.force_login(alice)
    assert address not in words(client.get("/"))
    settings.DEEPSEGM_TRAINING = "accounts"
    assert address in words(client.get("/"))
    client.force_login(ada)
    assert address in words(client.get("/"))


def test_the_list_refuses_in_a_sentence(client, alice, ada, dataset):
    unknown = client.get(reverse("datasets"))
    assert unknown.status_code == 401 and f"{reverse('account_login')}?next=/datasets/" in unknown.content.decode()
    client.force_login(alice)
    assert client.get(reverse("datasets")).status_code == 403
    assert client.get(reverse("dataset-page", args=[dataset.pk])).status_code == 404
    Dataset.objects.update(shared=True)
    assert "Powder" in words(client.get(reverse("datasets")))
    assert client.get(reverse("dataset-page", args=[dataset.pk])).status_code == 200
    for name in ("describe", "add", "check", "delete"):
        assert client.post(reverse(f"dataset-{name}", args=[dataset.pk])).status_code == 403


def test_the_form_stands_on_a_result_for_its_owner_with_the_right(client, ada, alice, result):  # noqa: F811
    job = result(ada, summary=summary(), files=FILES, attempt=1)
    client.force_login(ada)
    page = words(client.get(reverse("job", args=[job.pk])))
    assert 'id="training-data"' in page and 'name="consent"' in page
    other = result(alice, summary=summary(), files=FILES, attempt=1)
    assert 'id="training-data"' not in words(client.get(reverse("job", args=[other.pk])))
    client.force_login(alice)
    assert 'id="training-data"' not in words(client.get(reverse("job", args=[other.pk])))


def test_a_result_goes_into_a_new_dataset_and_its_page_shows_it(desk, ada, result):  # noqa: F811
    job = result(ada, summary=summary(), files=FILES, attempt=1)
    sides = {"left": 0, "top": 0, "right": 64, "bottom": 40}
    answer = use(desk, job, extent="part", **sides, group="batch 7", material="TiO2")
    made = Dataset.objects.get()
    assert answer.status_code == 303 and answer["Location"] == reverse("dataset-page", args=[made.pk])
    image = made.images.get()
    assert image.region == [0, 0, 40, 64] and image.group == "batch 7"
    page = words(desk.get(answer["Location"]))
    assert "tio2.png" in page and "TiO2" in page and "being written" in page
    page = words(desk.get(reverse("job", args=[job.pk])))
    assert f'href="{answer["Location"]}"' in page
    assert "stay" in words(desk.get(reverse("job-delete", args=[job.pk])))


@pytest.mark.services
def test_a_sample_is_given_in_one_step_or_not_at_all(desk, ada, result, make_micrograph):  # noqa: F811
    sample = Sample.objects.create(name="Batch 7", owner=ada, settings=AnalysisSettings.of().as_dict(), state="done")
    images = [make_micrograph(owner=ada, name=f"{name}_1.png", sha256=name * 64) for name in "ab"]
    jobs = [result(ada, micrograph=image, sample=sample, attempt=1) for image in images]
    page = words(desk.get(reverse("sample-page", args=[sample.pk])))
    assert "Use this sample as training data" in page and 'value="Batch 7, b"' in page
    address = reverse("sample-training-data", args=[sample.pk])
    fields = {"dataset": "new", "name": "Powder", "reviewed": "on", "consent": "on", f"group-{jobs[1].pk}": "lot 2"}
    assert desk.post(address, fields).status_code == 422
    Job.objects.filter(pk=jobs[1].pk).update(summary={**jobs[1].summary, "refused": True})
    answer = desk.post(address, {**fields, "job": [job.pk for job in jobs]})
    assert answer.status_code == 409 and "b_1.png: " in words(answer) and not Dataset.objects.exists()
    Job.objects.filter(pk=jobs[1].pk).update(summary=jobs[1].summary)
    assert desk.post(address, {**fields, "job": [job.pk for job in jobs]}).status_code == 303
    assert sorted(Dataset.objects.get().images.values_list("group", flat=True)) == ["Batch 7, a", "lot 2"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"reviewed": ""}, 422), ({"consent": ""}, 422), ({"extent": "part"}, 422),
     ({"extent": "part", "left": "x"}, 422), ({"extent": "elsewhere"}, 422), ({"dataset": "no id"}, 422),
     ({"dataset": "00000000-0000-4000-8000-000000000000"}, 404), ({"name": " "}, 422)],
)  # fmt: skip
def test_what_is_missing_is_said_and_leaves_no_empty_dataset(desk, ada, result, fields, status):  # noqa: F811
    job = result(ada)
    answer = use(desk, job, **fields)
    assert answer.status_code == status and b"not possible" in answer.content
    assert not Dataset.objects.exists()


def test_the_page_says_what_the_check_says(desk, ada, dataset):
    entries = {
        "images": 1,
        "findings": [{"error": True, "sentence": "One image <i>."}, {"error": False, "sentence": "Few images."}],
        "notes": [{"archive": "a.zip", "name": "b.png", "sentence": "It has no labels."}],
        "sizes": {"edges": [2.0, 2.8, 4.0], "counts": [3, 1]},
    }
    Dataset.objects.update(summary=entries, state="done")
    image = DatasetImage.objects.create(
        dataset=dataset,
        name="a.png",
        sha256="1" * 64,
        by=ada,
        error="Gone.",
        summary={"objects": 4, "median_px": 31.25},
    )
    page = words(desk.get(reverse("dataset-page", args=[dataset.pk])))
    for sentence in ("One image &lt;i&gt;.", "Few images.", "It has no labels.", "Gone.", "31.2 px"):
        assert sentence in page
    assert "2 to 2.8 px: 3" in page and "Powder &lt;b&gt;" in page
    assert desk.get(reverse("dataset-preview", args=[dataset.pk, image.pk])).status_code == 404
    assert desk.post(reverse("dataset-group", args=[dataset.pk, image.pk]), {"group": "x"}).status_code == 303
    assert "a.png" in words(desk.get(reverse("dataset-remove", args=[dataset.pk, image.pk])))
    assert desk.post(reverse("dataset-remove", args=[dataset.pk, image.pk])).status_code == 303
    assert desk.post(reverse("dataset-remove", args=[dataset.pk, image.pk])).status_code == 404


def test_progress_is_asked_for_until_it_ends(desk, dataset):
    address = reverse("dataset-status", args=[dataset.pk])
    Dataset.objects.update(state="running", stage="checking the images")
    assert "Checking the images" in words(desk.get(address, headers={"HX-Request": "true"}))
    Dataset.objects.update(state="done")
    assert desk.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"


@pytest.mark.services
def test_a_dataset_is_made_described_and_deleted_on_its_pages(desk):
    assert desk.post(reverse("datasets"), {"name": "", "task": "particles"}).status_code == 422
    form = {"name": "Steel", "task": "phases", "class_names": "matrix, pore"}
    answer = desk.post(reverse("datasets"), form)
    made = Dataset.objects.get()
    assert answer.status_code == 303 and made.class_names == ["matrix", "pore"]
    desk.post(reverse("dataset-describe", args=[made.pk]), {"name": "Steel 2", "shared": "on"})
    made.refresh_from_db()
    assert (made.name, made.shared) == ("Steel 2", True)
    assert desk.post(reverse("dataset-add", args=[made.pk])).status_code == 400
    assert "Steel 2" in words(desk.get(reverse("dataset-delete", args=[made.pk])))
    assert desk.post(reverse("dataset-delete", args=[made.pk])).status_code == 302
    assert not Dataset.objects.exists()
