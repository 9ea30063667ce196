"""While a site of several web processes is upgraded, those of the version before go on with this version's tables."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError, DataError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import Job
from tests.web.finished import SUMMARY
from worker.attempts import NEWER
from worker.tasks import do_analyses

CHANGELOG = Path(__file__).resolve().parents[3] / "CHANGELOG.md"
LAST_RELEASE, ITS_LAST_MIGRATION = "1.0.0", "0001_initial"  # with each release both move on
OTHERS = {"BooleanField": True, "FloatField": 1.25, "JSONField": {"some": ["text"]}}
OTHERS |= {"DateField": date(2026, 11, 1), "BinaryField": b"%PDF"}


def test_the_last_release_is_the_one_of_the_changelog():
    """Whoever releases says which migration is the last one of that version."""
    released = [line for line in CHANGELOG.read_text().splitlines() if re.fullmatch(r"## [\d.]+", line)]
    assert released[0] == f"## {LAST_RELEASE}"


@pytest.mark.parametrize("migration", [ITS_LAST_MIGRATION, "the newest"])  # which shows that these rows can be made
def test_the_version_before_writes_and_reads_every_column(db, settings, migration):
    """Each column gets the largest value that the older models allow, in a row that lacks whatever may be left out."""
    settings.MIGRATION_MODULES = {}  # the models of a migration, however the tests' tables are made
    problems = set()
    models = models_of(migration)
    assert len(models) > 10
    for model in models:
        for field in fields_of(model):
            try:
                with transaction.atomic():
                    try_out(model, field)
            except (DatabaseError, AssertionError) as error:  # of which those of a value do not name their column
                words = str(error).splitlines()[0]
                problems.add(f"{field}: {words}" if isinstance(error, DataError) else words)
    assert not problems, f"what version {LAST_RELEASE} does fails on these tables: {sorted(problems)}"


def models_of(migration):
    loader = MigrationLoader(connection)
    newest = loader.graph.leaf_nodes()
    nodes = [(app, migration if app == "segmentation" and migration != "the newest" else name) for app, name in newest]
    return [model for model in loader.project_state(nodes).apps.get_models() if model._meta.app_label == "segmentation"]


def try_out(model, field):
    most = value_of(field, longest=True)
    for value in [None, most] if field.null else [most]:
        made = row(model, **{field.name: value})
        stored = model.objects.get(pk=made.pk)
        there, sent = getattr(stored, field.name), getattr(made, field.name)
        assert there == sent, f"{field}: {sent!r} is read as {there!r}"
        today = apps.get_model("segmentation", model._meta.model_name).objects.get(pk=made.pk)
        unknown = {field.name for field in fields_of(today)} - {field.name for field in fields_of(model)}
        for new in map(today._meta.get_field, unknown):
            assert getattr(today, new.name) == new.get_default(), f"{new}: its default is another one in the database"
        stored.save()
        stored.delete()


def row(model, **given):
    """A row that has what is given and what it needs."""
    others = [field for field in fields_of(model) if field.name not in given]
    needed = (field for field in others if not field.null and not field.has_default())
    made = model(**given, **{field.name: value_of(field) for field in needed})
    try:
        made.validate_constraints()
    except ValidationError:  # of two relations it needs one
        relation = next(field for field in others if field.is_relation)
        setattr(made, relation.name, value_of(relation))
    made.save(force_insert=True)
    return made


def fields_of(model):
    return [field for field in model._meta.concrete_fields if not field.auto_created]


def value_of(field, *, longest=False):
    kind = field.get_internal_type()
    if field.is_relation:
        return row(field.related_model)
    if kind.endswith("IntegerField"):
        return connection.ops.integer_field_range(kind)[1] if longest else 1
    if kind in ("CharField", "FileField", "TextField"):
        return (uuid4().hex * 100)[: field.max_length or 1000][: None if longest else 32]
    return uuid4() if kind == "UUIDField" else timezone.now() if kind == "DateTimeField" else OTHERS[kind]


def test_a_job_with_a_setting_of_the_next_version_is_shown_kept_and_not_worked_on(make_job, signed_in, alice, queue):
    """A worker of this version leaves it to one of the next: it would measure something else."""
    asked = {**AnalysisSettings.of().as_dict(), "asked_tomorrow": 7}
    job = make_job(owner=alice)
    Job.objects.update(settings=asked)
    assert signed_in.get(f"/jobs/{job.pk}/").status_code == 200
    do_analyses()
    job.refresh_from_db()
    assert (job.state, job.stage, job.error) == ("queued", NEWER, "")
    assert job.get_settings().replaced(measurand="all").as_dict() == {**asked, "measurand": "all"}
    Job.objects.update(state="done", summary=SUMMARY)
    assert [signed_in.get(page).status_code for page in (f"/jobs/{job.pk}/", "/results/")] == [200, 200]
