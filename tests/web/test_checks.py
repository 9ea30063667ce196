"""System checks: each says what is wrong and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.core.checks.registry import registry

from deepsegm import env
from segmentation import checks
from segmentation.core.micrograph.confinement import confined
from segmentation.location import ROOT


def ids(check):
    messages = check()
    assert all(message.hint and str(message.msg).endswith(".") for message in messages)
    return [message.id for message in messages]


def test_a_sound_house_has_nothing_to_say(settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    for check in (
        checks.check_data_folder,
        checks.check_temporary_folder,
        checks.check_broker,
        checks.check_bucket,
        checks.check_proxies,
    ):
        assert ids(check) == []
    assert ids(checks.check_decoding) == [] or confined.landlock_version() < 1
    assert ids(checks.check_weights) == []


@pytest.mark.parametrize(("name", "value"), [("sys.platform", "darwin"), ("CREATE_RULESET", 9999)])
def test_a_system_without_confinement_is_named(monkeypatch, name, value):
    monkeypatch.setattr(f"segmentation.core.micrograph.confinement.confined.{name}", value)
    assert ids(checks.check_decoding) == ["deepsegm.W006"]


def test_folders_that_cannot_be_written_to(settings, tmp_path):
    file = tmp_path / "file"
    file.touch()
    settings.DEEPSEGM_DATA = file
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "none" / "deepsegm-temp")
    assert ids(checks.check_data_folder) == ["deepsegm.E001"]
    assert ids(checks.check_temporary_folder) == ["deepsegm.E002"]


def test_a_folder_still_to_be_made_is_fine(settings, tmp_path):
    settings.DEEPSEGM_DATA = tmp_path / "none"
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "none" / "deepsegm-temp")
    assert ids(checks.check_data_folder) == ids(checks.check_temporary_folder) == []
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "deepsegm-temp")
    assert ids(checks.check_temporary_folder) == []


def test_a_probe_leaves_nothing(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    assert checks.why_not_writable(folder) == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "embedded", "sqlite", "codes"),
    [("spool://localhost", True, True, []), ("spool://localhost", True, False, []),
     ("redis://redis/0", False, False, []), ("redis://redis/0", False, True, ["deepsegm.W001"]),
     ("http://redis/0", False, False, ["deepsegm.E003"]), ("redis", False, False, ["deepsegm.E003"])],
)  # fmt: skip
def test_brokers(settings, url, embedded, sqlite, codes):
    settings.CELERY_BROKER_URL = url
    settings.DEEPSEGM_EMBEDDED, settings.DEEPSEGM_SQLITE = embedded, sqlite
    assert ids(checks.check_broker) == codes


@pytest.mark.parametrize(
    ("keys", "codes"),
    [
        ({"access_key": "a", "secret_key": "b"}, []),
        ({"access_key": "a", "secret_key": None}, ["deepsegm.E004"]),
        ({}, ["deepsegm.W002"]),
    ],
)
def test_buckets(settings, keys, codes):
    settings.DEEPSEGM_BUCKET = "micrographs"
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "x", "OPTIONS": keys}}
    assert ids(checks.check_bucket) == codes


def test_proxies(settings):
    settings.DEEPSEGM_TRUSTED_PROXIES = ["10.0.0.1", "fd00::/8", "proxy"]
    assert ids(checks.check_proxies) == ["deepsegm.E005"]
    settings.DEEPSEGM_TRUSTED_PROXIES = []
    settings.HTTPS = True
    assert ids(checks.check_proxies) == ["deepsegm.W003"]


def test_a_secret_key_for_one_process_only(settings):
    settings.DEEPSEGM_SECRET_KEY_LASTS = False
    assert ids(checks.check_secret_key) == ["deepsegm.W004"]
    settings.DEEPSEGM_SECRET_KEY_LASTS = True
    assert ids(checks.check_secret_key) == []


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("SECRET_KEY", "change-me-to-fifty", "DEEPSEGM_SECRET_KEY"),
        ("DATABASES", {"default": {"PASSWORD": "change-me-db"}}, "POSTGRES_PASSWORD"),
        ("CELERY_BROKER_URL", "redis://:change-me-redis@redis:6379/0", "REDIS_PASSWORD"),
        ("STORAGES", {"default": {"OPTIONS": {"access_key": "change-me-key", "secret_key": "b"}}}, "STORE_KEY"),
        ("STORAGES", {"default": {"OPTIONS": {"access_key": "a", "secret_key": "change-me-key"}}}, "STORE_SECRET"),
    ],
)
def test_each_published_secret_is_refused(monkeypatch, name, value, variable):
    site_settings = {
        "SECRET_KEY": "k",
        "DATABASES": {"default": {}},
        "STORAGES": {"default": {}},
        "CELERY_BROKER_URL": "redis://r",
    }
    monkeypatch.setattr(checks, "settings", SimpleNamespace(**site_settings))
    assert ids(checks.check_example_secrets) == []
    monkeypatch.setattr(checks.settings, name, value)
    (error,) = checks.check_example_secrets()
    assert error.id == "deepsegm.E008" and variable in error.msg and error.is_serious()
    assert error.msg.count("DEEPSEGM_") == 1


def test_published_secrets_stop_a_start_too():
    """`up` runs the ordinary checks only."""
    assert checks.check_example_secrets in registry.get_checks()


def test_models_that_are_not_there(model, monkeypatch):
    model.weights.unlink()
    assert ids(checks.check_weights) == ["deepsegm.E007"]
    monkeypatch.setattr("segmentation.core.network.cards.available", list)
    assert ids(checks.check_weights) == ["deepsegm.W005"]
    monkeypatch.setattr(
        "segmentation.core.network.cards.available",
        Mock(side_effect=ValueError("particles.toml has unknown entries: colour.")),
    )
    assert ids(checks.check_weights) == ["deepsegm.E006"]


def test_the_command_check_runs_them(tmp_path):
    """As the first service of docker/compose.yaml, in a process that has imported nothing before."""
    environment = {**os.environ, "DEEPSEGM_DATA": str(tmp_path), "DEEPSEGM_SECRET_KEY": "change-me"}
    command = [sys.executable, "manage.py", "check", "--tag", "security"]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert process.returncode == 1 and "deepsegm.E008" in process.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("DEEPSEGM_REQUIRE_LOGN", "Write DEEPSEGM_REQUIRE_LOGIN."),
        ("DEEPSEGM_WAITNG_JOBS", "Write DEEPSEGM_WAITING_JOBS."),
        ("DEEPSEGM_QQQQQQQQQQQQQQQQQQ", "Remove it; docs/operate/settings.md lists all settings."),
    ],
)
def test_a_misspelt_setting_is_an_error_with_the_nearest_name(monkeypatch, settings, name, hint):
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("DEEPSEGM_SECRET_KEY_FILE", "")
    settings.DEEPSEGM_UNKNOWN_NAMES = env.unknown_names()
    [message] = checks.check_names()
    assert (message.id, message.hint) == ("deepsegm.E011", hint) and name in message.msg


def test_the_checks_that_compose_runs_refuse_a_misspelt_setting(tmp_path):
    env = {**os.environ, "DEEPSEGM_REQUIRE_LOGN": "1", "DEEPSEGM_DATA": str(tmp_path), "DEEPSEGM_DEVICE": "abacus"}
    command = [sys.executable, "manage.py", "check", "--tag", "security"]
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode and "There is no setting DEEPSEGM_REQUIRE_LOGN." in run.stderr
    assert "Write DEEPSEGM_REQUIRE_LOGIN." in run.stderr and "'abacus', no device." in run.stderr
