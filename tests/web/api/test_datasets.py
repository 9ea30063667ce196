"""Datasets for scripts: who may do what, and every answer is JSON."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from segmentation.learning.datasets import services as datasets
from segmentation.models import Dataset, DatasetImage
from tests.web.api.test_jobs import basic
from tests.web.services.test_datasets import result  # noqa: F401 (fixture)
from tests.web.trained import make_dataset, make_model, with_own_models

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/datasets"


@pytest.fixture
def call(client, ada, alice):
    def send(method, path, body=None, user="ada"):
        headers = basic(user) if user else {}
        kind = {"data": body, "content_type": "application/json"} if body is not None else {}
        return getattr(client, method)(f"{ADDRESS}{path}", headers=headers, **kind)

    return send


def test_a_dataset_is_made_described_filled_and_deleted(call, ada, result):  # noqa: F811
    made = call("post", "", {"name": "Powder", "task": "particles", "licence": "CC0"})
    assert made.status_code == 201 and made["Location"].endswith(made.json()["id"])
    address = f"/{made.json()['id']}"
    assert call("patch", address, {"shared": True, "material": "TiO2"}).json()["material"] == "TiO2"
    job = result(ada)
    fields = {"job": str(job.pk), "region": [0, 0, 40, 64], "reviewed": True, "consent": True}
    answer = call("post", f"{address}/images", fields)
    assert answer.status_code == 202 and answer.json()["state"] == "queued"
    (image,) = answer.json()["images"]
    assert image["region"] == [0, 0, 40, 64] and image["job"].endswith(f"{job.pk}") and image["by"] == "ada"
    changed = call("patch", f"{address}/images/{image['id']}", {"group": "batch 7"})
    assert changed.json()["images"][0]["group"] == "batch 7"
    assert call("get", "").json()["count"] == 1
    assert call("delete", f"{address}/images/{image['id']}").status_code == 204
    assert call("get", address).json()["images"] == []
    assert call("delete", address).status_code == 204 and not Dataset.objects.exists()


def test_the_matrix_of_rights(call, dataset, ada, result, settings):  # noqa: F811
    address, job = f"/{dataset.pk}", result(ada)
    image = datasets.use_as_training_data(job=job, dataset=dataset, user=ada, consent=True, reviewed=True)
    new = {"name": "x", "task": "particles"}
    fields = {"job": str(job.pk), "reviewed": True, "consent": True}
    requests = [
        ("get", "", None), ("post", "", new), ("get", address, None), ("get", f"{address}/export.zip", None),
        ("patch", address, {"name": "y"}), ("post", f"{address}/images", fields),
        ("patch", f"{address}/images/{image.pk}", {"group": "g"}), ("post", f"{address}/check", None),
        ("delete", f"{address}/images/{image.pk}", None), ("delete", address, None),
    ]  # fmt: skip

    def statuses(user):
        return [call(method, path, body, user=user).status_code for method, path, body in requests]

    assert statuses(None) == [401, 401, *[404] * 8]
    assert statuses("alice") == [200, 403, *[404] * 8]
    settings.DEEPSEGM_TRAINING = "accounts"
    Dataset.objects.update(shared=True)
    assert statuses("alice") == [200, 201, 200, 200, *[403] * 6]
    settings.DEEPSEGM_TRAINING = "nobody"
    assert statuses("ada") == [200, 403, 200, 200, 200, 403, 200, 202, 204, 204]


def test_each_fault_is_one_sentence(call, client, dataset, result, alice):  # noqa: F811
    images = f"/{dataset.pk}/images"
    theirs = result(alice)
    ticked = {"reviewed": True, "consent": True}
    wrong = [
        ("post", "", {"name": "x"}, 400),
        ("post", "", {"name": "x", "task": "particles", "more": 1}, 400),
        ("post", images, {"job": "no id", **ticked}, 400),
        ("post", images, {"job": str(dataset.pk), **ticked}, 404),
        ("post", images, {"job": str(theirs.pk), "region": [1, 2], **ticked}, 400),
        ("post", images, {"job": str(theirs.pk), "consent": True}, 400),
        ("patch", f"/{dataset.pk}", {"name": ""}, 422),
        ("patch", f"{images}/{dataset.pk}", {"group": "g"}, 404),
        ("get", "?page=abc", None, 422),
    ]
    for method, path, body, status in wrong:
        answer = call(method, path, body)
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), (path, body, answer.json())
    answer = call("post", images, {"job": str(theirs.pk), **ticked})
    assert answer.status_code == 403 and "account" in answer.json()["error"]
    assert call("post", f"{images}?", "[1").status_code in (400, 422)
    answer = client.post(f"{ADDRESS}{images}", {"reviewed": "on"}, headers=basic("ada"))
    assert answer.status_code == 422 and "file" in answer.json()["error"]


def test_a_stranger_at_a_shared_dataset_reads_nothing_of_secrets(call, dataset):
    Dataset.objects.update(shared=True)
    answer = call("delete", f"/{dataset.pk}", user="alice")
    assert answer.status_code == 403 and "secret" not in answer.json()["error"]


def test_an_archive_is_taken_for_a_worker(client, dataset, ada):
    file = SimpleUploadedFile("masks.zip", b"PK\x03\x04 and more")
    fields = {"file": file, "reviewed": "on", "consent": "true"}
    answer = client.post(f"{ADDRESS}/{dataset.pk}/images", fields, headers=basic("ada"))
    assert answer.status_code == 202 and answer.json()["state"] == "queued"
    dataset.refresh_from_db()
    assert [entry["name"] for entry in dataset.incoming] == ["masks.zip"]


def test_the_document_has_the_types(client):
    made = client.get("/api/v1/openapi.json").json()
    paths = {
        path: set(methods) for path, methods in made["paths"].items() if "/datasets" in path and "suggest" not in path
    }
    assert {len(methods) for methods in paths.values()} == {1, 2, 3} and len(paths) == 6
    body = made["paths"]["/api/v1/datasets/{pk}/images"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "multipart/form-data"}
    assert made["components"]["schemas"]["DatasetImage"]["properties"]["region"]["description"]
    answers = [item["get"]["responses"].get("200", {}) for item in made["paths"].values() if "get" in item]
    kinds = [kind for answer in answers for kind in answer.get("content", {}).values()]
    assert kinds and all(kind.get("schema") for kind in kinds)


def test_an_image_that_is_not_written_yet_is_not_exported(client, dataset):
    DatasetImage.objects.create(dataset=dataset, name="a.tif", sha256="1" * 64)
    answer = client.get(f"{ADDRESS}/{dataset.pk}/export.zip", headers=basic("ada"))
    assert answer.status_code == 200 and b"a.tif" not in b"".join(answer.streaming_content)


def test_a_list_of_many_asks_as_often_as_one_of_few(client, ada, settings, tmp_path, monkeypatch, model, reader):
    """Datasets with images, trainings with files, models with trainings."""
    settings.DEEPSEGM_MODELS = tmp_path / "models"
    with_own_models(monkeypatch, model)
    client.get("/api/v1/me", headers=basic("ada"))  # the first sign-in of an account asks for more
    counts = dict[str, set[int]]()
    for more in (3, 27):
        for number in range(more):
            dataset = make_dataset(ada, images=2, name=f"{more} {number}")
            make_model(ada, f"m{more}-{number}", dataset=dataset).artifacts.create(attempt=1, name="card.json", size=1)
        for path, key in (("datasets", "datasets"), ("trainings", ""), ("models", "")):
            with CaptureQueriesContext(connection) as queries:
                listing = client.get(f"/api/v1/{path}", headers=basic("ada")).json()
            assert len(listing[key] if key else listing) >= more
            counts.setdefault(path, set()).add(len(queries))
    assert {len(query_counts) for query_counts in counts.values()} == {1}, counts


def test_the_check_is_asked_for_again(call, dataset, ada):
    Dataset.objects.update(state="failed", error="Preparing the dataset took longer.")
    answer = call("post", f"/{dataset.pk}/check")
    assert (answer.status_code, answer.json()["state"], answer.json()["error"]) == (202, "queued", None)
