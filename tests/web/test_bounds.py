"""Each kind of row has a bound, everything that makes rows asks for it, and reading pages makes none."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from segmentation.core.quality.control_chart import ChartPlan
from segmentation.core.quality.method import MethodDescription
from segmentation.core.quality.reference import ReferenceMaterial
from segmentation.core.quality.specification import Specification
from segmentation.models import Reference, StaffAction
from segmentation.services.ground import bounds, staff_log
from segmentation.services.ground.bounds import BOUNDS
from segmentation.services.ground.refusal import Refused
from segmentation.services.upkeep import upkeep

from .test_every_address import Cast, routes
from .views.test_references import MATERIAL

MODELS = list(apps.get_app_config("segmentation").get_models())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_kind_of_row_has_a_bound(model):
    bound = BOUNDS[model]
    assert bound.noun and bound.whose and bound.limit and bound.ends
    if bound.how == "asked":
        assert bound.most or bound.checks
    if bound.most:
        assert bound.full and "{most" in bound.limit
    if bound.how == "one":
        fields = model._meta.get_fields()
        assert model._meta.constraints or any(
            getattr(field, "unique", False) for field in fields if field.name != "id"
        ), "no constraint allows one of each"


@pytest.mark.django_db
@pytest.mark.parametrize("model", [model for model in MODELS if BOUNDS[model].most], ids=lambda model: model.__name__)
def test_more_than_the_most_are_refused(model, monkeypatch, alice):
    monkeypatch.setitem(BOUNDS, model, BOUNDS[model]._replace(most=1, checks=()))
    bounds.ask(model, user=alice, among=model._default_manager.none())
    with pytest.raises(Refused) as refusal:
        bounds.ask(model, user=alice, among=model._default_manager.none(), added=2)
    assert refusal.value.sentence == BOUNDS[model].full.format(most=1) and refusal.value.status in (409, 422, 429)


def lists_in(schema, path=""):
    """(path, list) of every list in a JSON schema that has no most number, and of every text without a length."""
    if isinstance(schema, dict):
        kinds = schema.get("type")
        if kinds == "array" and "maxItems" not in schema:
            yield path
        for name, value in schema.items():
            yield from lists_in(value, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from lists_in(value, f"{path}/{number}")


@pytest.mark.parametrize("model", [MethodDescription, Specification, ChartPlan, ReferenceMaterial])
def test_each_list_of_what_people_send_has_a_most_number(model):
    assert list(lists_in(model.model_json_schema())) == []


def test_the_document_has_the_table():
    from tools.bounds import DOCUMENT, table

    assert table() in DOCUMENT.read_text(encoding="utf-8"), "run python -m tools.bounds"


@pytest.mark.django_db
def test_a_visitor_without_cookies_has_the_materials_of_the_address(monkeypatch):
    monkeypatch.setitem(BOUNDS, Reference, BOUNDS[Reference]._replace(most=3))
    statuses = [
        Client().post("/references/", {**MATERIAL, "name": f"M {number}", "certificate": uuid4().hex}).status_code
        for number in range(5)
    ]
    assert statuses == [303, 303, 303, 422, 422] and Reference.objects.count() == 3
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.post("/references/", {**MATERIAL, "name": "another address"}).status_code == 303


@pytest.mark.django_db
def test_no_material_is_stored_where_the_disk_is_full(monkeypatch, client):
    monkeypatch.setattr("segmentation.services.ground.space.free_bytes", lambda: 0)
    assert client.post("/references/", MATERIAL).status_code == 507


# What a GET may write: a row that says which file or comparison a worker has to make (bounded, made once), and
# the count of a token's requests.
MADE_WHEN_ASKED = {"exportjob", "comparison", "proposals", "measuring", "token"}


@pytest.mark.django_db
def test_reading_writes_nothing(alice, charlie, ada, make_job, settings, reader):
    cast, written = Cast(alice, charlie, ada, make_job, settings), []

    def note(execute, sql, params, many, context):
        match = re.match(r'(?:INSERT INTO|UPDATE|DELETE FROM) "segmentation_(\w+)"', sql)
        if match and match[1] not in MADE_WHEN_ASKED:
            written.append(f"{address}: {sql[:80]}")
        return execute(sql, params, many, context)

    for route in sorted(set(routes())):
        address = cast.filled(route)
        if address == "/readyz":  # it tries whether a row can be stored, and takes it back
            continue
        with connection.execute_wrapper(note):
            cast.ask("GET", address, "owner")
    assert written == []


@pytest.mark.django_db
def test_what_a_visitor_made_ends_with_the_results(make_job, alice):
    day = timezone.now() - timedelta(days=2)
    kept, gone, theirs = (Reference.objects.create(name=name, material=MATERIAL, created=day) for name in "abc")
    job, visitor = make_job(state="done", visitor=uuid4()), uuid4()
    Reference.objects.filter(pk=kept.pk).update(visitor=job.visitor)
    Reference.objects.filter(pk=gone.pk).update(visitor=visitor)
    Reference.objects.filter(pk=theirs.pk).update(owner=alice)
    kind = str(type(job)._meta.verbose_name)
    said = {"account": staff_log.NO_ACCOUNT, "action": "a", "kind": kind, "name": "n", "created": day}
    notes = [StaffAction.objects.create(target=str(pk), **said) for pk in (job.pk, visitor)]
    upkeep.tidy()
    assert set(Reference.objects.values_list("name", flat=True)) == {"a", "c"}
    assert list(StaffAction.objects.all()) == notes[:1]


@pytest.mark.django_db
def test_lists_of_methods_read_no_descriptions(people, alice, charlie, ada, make_job, settings):
    Cast(alice, charlie, ada, make_job, settings)
    for address in ("/", "/methods/", "/api/v1/methods"):
        headers = {"X-Requested-With": "DeepSegm"}
        with CaptureQueriesContext(connection) as queries:
            answer = people["alice"].get(address, headers=headers)
        assert answer.status_code == 200 and b"Powder" in answer.content
        assert not any('methodversion"."description"' in query["sql"] for query in queries)
