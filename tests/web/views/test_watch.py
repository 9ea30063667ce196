"""What monitors and administrators are told."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from celery import current_app
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from segmentation.log_filters import LineFormatter, LogContext, row
from segmentation.models import StaffAction, WorkerProcess
from segmentation.models.upkeep import ALIVE
from segmentation.services.ground.queue import WORK_KINDS
from segmentation.services.ground.staff_log import BACKUP, SHELL
from segmentation.services.results.jobs import delete_job
from segmentation.services.upkeep import health

pytestmark = pytest.mark.django_db
BROKER, STARTED = health._broker, health._started_thread
QUEUES = ("analyses", "inspections", "training")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Every request checks anew."""
    monkeypatch.setattr(health, "REPEATED_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(health, "_broker", lambda: "")
    monkeypatch.setattr(health, "_CHECKS", tuple((n, p, r, _named(n), w) for n, p, r, _, w in health._CHECKS))


def _named(name):
    """The check of that name, as it is when it is called."""
    functions = {"queue": "_long_waits", "size": "_sqlite_size", "filling": "_days_until_full"}
    return lambda: getattr(health, functions.get(name, f"_{name}"))()


@pytest.fixture
def workers():
    for queue in QUEUES:
        WorkerProcess.objects.create(name=f"{queue}@here", queues=queue, version="1")


@pytest.mark.services
class TestReady:
    def test_all_is_well(self, client, workers):
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {"ok": True, "degraded": False, "checks": dict.fromkeys(_names(), "ok")}

    @pytest.mark.parametrize("queue", [queue for queue in QUEUES if queue != "training"])
    def test_a_missing_worker_delays_work_and_no_page(self, client, workers, queue):
        WorkerProcess.objects.filter(queues=queue).update(seen=timezone.now() - ALIVE)
        state = client.get("/readyz").json()
        assert (state["ok"], state["degraded"]) == (True, True) and queue in state["checks"]["workers"]

    def test_old_work_in_the_queue_is_said(self, client, workers, make_job):
        make_job(queued=timezone.now() - timedelta(minutes=50))
        state = client.get("/readyz").json()
        assert state["ok"] and state["checks"]["queue"].startswith("The oldest analysis has waited about 50 minutes. ")

    @pytest.mark.parametrize("name", ["database", "storage", "migrations"])
    def test_pages_cannot_work_without(self, client, workers, monkeypatch, name):
        monkeypatch.setattr(health, f"_{name}", Mock(side_effect=OperationalError))
        response = client.get("/readyz")
        check = response.json()["checks"][name]
        assert response.status_code == 503 and check != "ok" and "OperationalError" not in check

    def test_unapplied_migrations(self, client, workers, monkeypatch):
        monkeypatch.setattr("django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *a: [1, 2])
        assert "2 migrations are" in client.get("/readyz").json()["checks"]["migrations"]
        monkeypatch.setattr("django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *a: [1])
        assert "1 migration is" in client.get("/readyz").json()["checks"]["migrations"]

    @pytest.mark.skipif(not settings.DEEPSEGM_SQLITE, reason="is about SQLite")
    def test_a_database_that_sqlite_does_not_bear_is_told(self, client, workers, monkeypatch):
        monkeypatch.setattr(health, "database_bytes", lambda: health.SQLITE_BYTES + 10**9)
        state = client.get("/readyz").json()
        assert state["ok"] and state["degraded"]
        assert re.match(r"The SQLite database has \d\.0 GB; .*PostgreSQL", state["checks"]["size"])

    def test_checks_leave_nothing_behind(self, client, workers, settings):
        client.get("/readyz")
        assert WorkerProcess.objects.count() == len(QUEUES)
        from django.core.files.storage import default_storage

        assert default_storage.listdir("probe")[1] == []


@pytest.mark.skipif(not settings.DEEPSEGM_SQLITE, reason="of SQLite")
@pytest.mark.services
def test_a_locked_database_is_waited_for_only_for_seconds():
    def limit():
        return connection.cursor().execute("PRAGMA busy_timeout").fetchone()[0]

    with health._short_lock_wait():
        assert limit() == 3000
    assert limit() == 20000


class TestBroker:
    def test_a_spool_is_written_to(self, monkeypatch, settings, tmp_path):
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(tmp_path / "spool")}
        with current_app.connection_for_write("spool://localhost") as spool:
            monkeypatch.setattr(health.current_app, "connection_for_write", lambda: spool)
            assert BROKER() == ""
            monkeypatch.setattr(health, "why_not_writable", lambda folder: "Read-only file system")
            assert BROKER() == f"The folder {tmp_path / 'spool'} cannot be written to (Read-only file system)."

    @pytest.mark.services
    @pytest.mark.skipif(settings.DEEPSEGM_EMBEDDED, reason="needs Redis: make test-services")
    def test_a_full_redis_can_be_reached_and_is_not_well(self, monkeypatch):
        import redis

        server = redis.Redis.from_url(settings.CELERY_BROKER_URL)
        assert BROKER() == ""
        server.config_set("maxmemory", "1")
        try:
            with pytest.raises(redis.ResponseError, match="maxmemory"):
                BROKER()
        finally:
            server.config_set("maxmemory", "0")
        assert server.ttl("deepsegm-probe") > 0


def _names():
    return [name for name, *_ in health._CHECKS]


class TestMetrics:
    def test_there_are_none_without_the_setting(self, client):
        assert client.get("/metrics").status_code == 404

    def test_a_wrong_token_is_refused(self, client, settings):
        settings.DEEPSEGM_METRICS_TOKEN = "right"
        for sent in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer ünd"}):
            assert client.get("/metrics", headers=sent).status_code == 401

    @pytest.mark.services
    def test_numbers_of_rows_queues_and_requests(self, client, settings, workers, make_job):
        settings.DEEPSEGM_METRICS_TOKEN = "right"
        job, right = make_job(), {"Authorization": "Bearer right"}
        client.get("/help/")
        text = client.get("/metrics", headers=right).content.decode()
        assert 'deepsegm_rows{kind="analysis",state="queued"} 1.0' in text
        assert f"deepsegm_disk_stored_bytes {float(job.micrograph.size)}" in text
        delete_job(job=job)
        left = client.get("/metrics", headers=right).content.decode()
        assert 'rows{kind="analysis"' not in left and "deepsegm_disk_stored_bytes 0.0" in left
        assert 'deepsegm_queue_workers{queue="training"} 1.0' in text
        assert 'deepsegm_request_seconds_count{method="GET",status="200",view="help"}' in text
        assert 'deepsegm_check_ok{check="database"} 1.0' in text
        folder = Path(settings.BASE_DIR, "docker", "monitoring")
        alerts = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"][0]["rules"]
        asked = " ".join(str(alert) for alert in alerts) + (folder / "grafana.json").read_text()
        known = {*re.findall(r"^# TYPE (\w+)", text, re.MULTILINE), *re.findall(r"^(deepsegm_\w+)", text, re.MULTILINE)}
        sometimes = {"deepsegm_request_seconds_bucket", "deepsegm_check_failed", "deepsegm_backup_seconds"}
        assert set(re.findall(r"deepsegm_[a-z_]+", asked)) <= known | sometimes
        assert re.findall(r'min\(deepsegm_check_ok{check="(\w+)"}\) == 0', asked) == _names()
        told = " ".join(alert["annotations"]["description"] for alert in alerts)
        assert re.findall(r"check_failed{check='(\w+)'}", told) == _names()
        assert all(alert["annotations"]["description"].endswith(".") for alert in alerts)

    def test_no_panel_doubles_where_two_web_processes_tell_the_same(self):
        panels = json.loads(Path(settings.BASE_DIR, "docker/monitoring/grafana.json").read_text())["panels"]
        for asked in (target["expr"] for panel in panels for target in panel["targets"]):
            assert re.match(r"(max|min|sum|histogram_quantile)\b", asked), asked

    def test_without_a_database_they_say_so(self, client, settings, monkeypatch):
        settings.DEEPSEGM_METRICS_TOKEN = "right"
        for name in (
            "count_states",
            "queues",
            "count_ended",
            "last_backup",
            "slowest_stages",
            "_stored_bytes",
            "_database",
        ):
            monkeypatch.setattr(health, name, Mock(side_effect=OperationalError))
        answer = client.get("/metrics", headers={"Authorization": "Bearer right"})
        text = answer.content.decode()
        assert answer.status_code == 200 and 'deepsegm_check_ok{check="database"} 0.0' in text
        assert 'deepsegm_check_failed{check="database",why="The database cannot be written' in text
        assert "deepsegm_disk_free_bytes" in text and "deepsegm_rows{" not in text

    def test_failures_and_backups_are_known(self, client, settings, make_job):
        settings.DEEPSEGM_METRICS_TOKEN = "right"
        make_job(state="failed", finished=timezone.now(), attempt=1)
        make_job(state="failed", finished=timezone.now() - timedelta(hours=2), attempt=1)
        StaffAction.objects.create(account=SHELL, action=BACKUP, kind="site", name="monday.zip")
        text = client.get("/metrics", headers={"Authorization": "Bearer right"}).content.decode()
        assert 'deepsegm_ended_lately{state="failed"} 1.0' in text and 'ended_lately{state="done"} 0.0' in text
        assert abs(float(re.search(r"^deepsegm_backup_seconds (\S+)", text, re.MULTILINE)[1]) - time.time()) < 60


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("part", ["storage", "database"])
def test_a_part_of_the_site_that_hangs_is_named_in_time(client, settings, workers, monkeypatch, part):
    """A store that hung let Prometheus wait for 42 seconds, so it never learnt why."""
    settings.DEEPSEGM_METRICS_TOKEN = "right"
    released, asking = threading.Event(), []
    monkeypatch.setattr(health, "_started_thread", STARTED)
    monkeypatch.setattr(health, "_under_way", {})
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr(health, f"_{part}", lambda: asking.append(1) or (released.wait(60) and ""))
    if part == "database":
        monkeypatch.setattr(health, "queues", lambda: released.wait(60))
    try:
        ready = client.get("/readyz")
        text = client.get("/metrics", headers={"Authorization": "Bearer right"}).content.decode()
        assert ready.status_code == 503 and "No answer within" in ready.json()["checks"][part]
        assert ready.json()["checks"]["disk"] == "ok"
        assert f'deepsegm_check_ok{{check="{part}"}} 0.0' in text and "deepsegm_disk_free_bytes" in text
        assert len(asking) == 1, "whoever asks again does not hang, too"
    finally:
        released.set()
        for question in health._under_way.values():
            question.thread.join(60)


@pytest.mark.services
class TestStatus:
    def test_queues_workers_and_reasons(self, client, admin_user, workers, make_job):
        client.force_login(admin_user)
        for _ in range(2):
            make_job(state="failed", error="The disk is on fire.", finished=timezone.now())
        page = client.get("/status/").content.decode()
        assert "analyses@here" in page and "The disk is on fire." in page and ">2<" in page

    def test_analyses_are_found_and_people_invited(self, client, admin_user, workers, make_job, django_user_model):
        make_job(owner=admin_user)
        client.force_login(admin_user)
        assert "No analysis matches." in client.get("/status/?q=nothing").content.decode()
        assert "tio2.png" in client.get("/status/?q=tio2").content.decode()
        page = client.post("/status/", {"name": "lise"}).content.decode()
        password = re.search(r"<code>(\w{14})</code>", page)[1]
        person = django_user_model.objects.get(username="lise")
        assert person.check_password(password) and not person.is_staff
        assert password not in client.get("/status/").content.decode()
        for name in ("", "lise", "a b<"):
            assert client.post("/status/", {"name": name}).status_code == 422
        client.force_login(django_user_model.objects.create_user("sam", is_staff=True))
        assert client.post("/status/", {"name": "x"}).status_code == 403
        assert django_user_model.objects.count() == 3

    def test_every_kind_of_row_is_counted(self):
        assert {queue.queue for queue in health.queues()} == {kind.queue for kind in WORK_KINDS.values()}
        assert [queue.waiting for queue in health.queues()] == [0, 0, 0]


class TestLogs:
    def test_a_request_has_an_id(self, client):
        made, sent = client.get("/help/"), client.get("/help/", headers={"X-Request-ID": "proxy-made-this"})
        assert len(made["X-Request-ID"]) == 32 and sent["X-Request-ID"] == "proxy-made-this"

    @pytest.mark.parametrize("sent", ["short", "with blanks in it", "x" * 65, "a\tb-c-d-e-f"])
    def test_a_strange_id_is_not_taken_over(self, client, sent):
        assert client.get("/help/", headers={"X-Request-ID": sent})["X-Request-ID"] != sent

    def test_a_line_names_the_row_at_work(self):
        record = logging.LogRecord("worker", logging.INFO, "", 1, "done", (), None)
        token = row.set("Job 7")
        try:
            assert LogContext().filter(record) and (record.row, record.context) == ("Job 7", " [Job 7]")
        finally:
            row.reset(token)

    def test_what_comes_from_outside_makes_no_line_of_its_own(self, settings):
        """`%0A` in an address wrote a second line, with a time and a level of its sender's choice."""
        about = {name: value for name, value in settings.LOGGING["formatters"]["line"].items() if name != "()"}
        forged = "GET /x\n2026-01-01 00:00:00,000 ERROR worker: all is lost\r\x1b[2J\u2028"
        try:
            raise ValueError(forged)
        except ValueError:
            record = logging.LogRecord("django", logging.ERROR, "", 1, "%s failed", (forged,), sys.exc_info())
        LogContext().filter(record)
        first, *others = LineFormatter(about["format"], style=about["style"]).format(record).splitlines()
        assert "all is lost" in first and first.isprintable() and r"\n2026" in first
        assert others and all(line.startswith("    ") and line.isprintable() for line in others)

    def test_json_holds_time_level_message_and_ids(self, settings):
        from pythonjsonlogger.json import JsonFormatter

        about = {k: v for k, v in settings.LOGGING["formatters"]["json"].items() if k != "()"}
        record = logging.LogRecord("worker", logging.INFO, "", 1, "%s: done", ("7",), None)
        LogContext().filter(record)
        entry = json.loads(JsonFormatter(**about).format(record))
        assert entry["message"] == "7: done" and {"time", "level", "logger", "request", "row"} <= set(entry)
