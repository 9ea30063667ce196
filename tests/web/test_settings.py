"""Settings from an empty environment, a documented production one, and mistaken ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from unittest.mock import patch

import pytest
from django.core.exceptions import ImproperlyConfigured

from deepsegm import env

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DEEPSEGM_URL": "https://sem.example.org",
    "DEEPSEGM_TRUSTED_PROXIES": "10.0.0.0/8",
    "DEEPSEGM_DATABASE_URL": "postgres://deepsegm:secret@db/deepsegm",
    "DEEPSEGM_BROKER_URL": "redis://redis:6379/0",
    "DEEPSEGM_BUCKET": "micrographs",
    "DEEPSEGM_BUCKET_ENDPOINT": "http://s3:9000",
    "DEEPSEGM_BUCKET_KEY": "key",
    "DEEPSEGM_BUCKET_SECRET": "secret",
    "DEEPSEGM_SECRET_KEY": "dk29fj3l4k5j6h7g8f9d0s1a2q3w4e5r6t7y8u9i0o1p2a3s4d5f6g",
}


def clean(**variables):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    return {**inherited, "DJANGO_SETTINGS_MODULE": "deepsegm.settings", **variables}


def run(*arguments, **variables):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=clean(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def show(*names, **variables):
    """Settings as a process with these variables has them, from a copy of the module that nobody else sees."""
    with patch.dict(os.environ, clean(**variables), clear=True):
        spec = find_spec("deepsegm.settings")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return json.loads(json.dumps({name: getattr(module, name) for name in names}, default=str))


def test_an_empty_environment_means_one_machine(tmp_path):
    names = ("DEBUG", "DATABASES", "STORAGES", "CELERY_BROKER_URL", "DEEPSEGM_DATA", "ALLOWED_HOSTS", "SECRET_KEY")
    values = show(*names)
    database = values["DATABASES"]["default"]
    assert values["DEBUG"] is False
    assert database["ENGINE"] == "django.db.backends.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert values["STORAGES"]["default"]["BACKEND"].endswith("FileSystemStorage")
    assert values["CELERY_BROKER_URL"] == "spool://localhost"
    assert values["DEEPSEGM_DATA"] == str(REPOSITORY / "data")
    assert values["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert len(values["SECRET_KEY"]) >= 50


def test_variables_alone_move_it_to_production():
    values = show("DATABASES", "STORAGES", "CELERY_BROKER_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", **PRODUCTION)
    assert values["DATABASES"]["default"]["ENGINE"] == "django.db.backends.postgresql"
    assert "transaction_mode" not in values["DATABASES"]["default"].get("OPTIONS", {})
    assert values["STORAGES"]["default"]["OPTIONS"]["bucket_name"] == "micrographs"
    assert values["CELERY_BROKER_URL"] == "redis://redis:6379/0"
    assert "sem.example.org" in values["ALLOWED_HOSTS"]
    assert values["CSRF_TRUSTED_ORIGINS"] == ["https://sem.example.org"]


def test_cookies_are_secure_where_the_address_is():
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT")
    assert set(show(*names).values()) == {False}
    assert set(show(*names, **PRODUCTION).values()) == {True}


@pytest.mark.slow
def test_the_deployment_check_is_clean_in_production(tmp_path):
    done = run("manage.py", "check", "--deploy", DEEPSEGM_DATA=str(tmp_path), **PRODUCTION)
    messages = [line for line in done.stderr.splitlines() if "W005) No model" not in line]
    assert done.returncode == 0, done.stderr
    assert not [line for line in messages if "security." in line or "deepsegm.W00" in line], done.stderr


def test_the_secret_key_that_up_made_is_used(tmp_path):
    (tmp_path / "secret-key").write_text("k" * 50 + "\n")
    assert show("SECRET_KEY", DEEPSEGM_DATA=str(tmp_path))["SECRET_KEY"] == "k" * 50
    assert show("SECRET_KEY", DEEPSEGM_DATA=str(tmp_path), DEEPSEGM_SECRET_KEY="mine")["SECRET_KEY"] == "mine"


def test_a_folder_of_any_name_will_do(tmp_path):
    folder = str(tmp_path / "µ %20 #1 ?x")
    assert show("DATABASES", DEEPSEGM_DATA=folder)["DATABASES"]["default"]["NAME"] == f"{folder}/db.sqlite3"


@pytest.mark.parametrize(
    ("name", "value", "message"),  # …: words that may change
    [
        ("DEEPSEGM_PORT", "http", "DEEPSEGM_PORT must … whole number, not 'http'"),
        ("DEEPSEGM_PORT", "99999", "DEEPSEGM_PORT must … 65535 …, not 99999"),
        ("DEEPSEGM_TIME_ZONE", "Berlin", "DEEPSEGM_TIME_ZONE must … Europe/Berlin"),
        ("DEEPSEGM_DATABASE_URL", "host/name", "DEEPSEGM_DATABASE_URL must … postgres://"),
        ("DEEPSEGM_MAX_UPLOAD_MB", "0", "DEEPSEGM_MAX_UPLOAD_MB must … 1 …, not 0"),
        ("DEEPSEGM_SCALE_UNCERTAINTY", "1 %", "DEEPSEGM_SCALE_UNCERTAINTY must … 0 to 50, not '1 %'"),
        ("DEEPSEGM_REQUIRE_LOGIN", "maybe", "DEEPSEGM_REQUIRE_LOGIN must … 1 or 0, not 'maybe'"),
        ("DEEPSEGM_PRECISION", "half", "DEEPSEGM_PRECISION must … auto, bfloat16 or float32, not 'half'"),
        ("DEEPSEGM_LOG_LEVEL", "loud", "DEEPSEGM_LOG_LEVEL must … info, debug, warning"),
        ("DEEPSEGM_URL", "sem.example.org", "DEEPSEGM_URL must … address"),
        ("DEEPSEGM_SECRET_KEY_FILE", "/no/such/file", "DEEPSEGM_SECRET_KEY_FILE … /no/such/file"),
    ],
)
def test_a_mistake_is_named(name, value, message):
    with pytest.raises(ImproperlyConfigured, match=".*".join(map(re.escape, message.split("…")))) as error:
        show(**{name: value})
    assert "\n" not in str(error.value)


def test_a_mistake_is_all_that_a_command_says():
    done = run("manage.py", "check", DEEPSEGM_PORT="http")
    assert done.returncode and done.stderr.count("\n") == 1 and "DEEPSEGM_PORT must" in done.stderr


def test_readers(monkeypatch, tmp_path):
    monkeypatch.setenv("A", "  ")
    assert (env.text("A", "x"), env.flag("A", True), env.number("A", 3), env.words("A")) == ("x", True, 3, [])
    assert (env.secret("A"), env.url("A")) == ("", None)
    monkeypatch.setenv("A", " a, b ,,c ")
    assert env.words("A") == ["a", "b", "c"]
    monkeypatch.setenv("A", "a b,c\td")
    assert env.words("A") == ["a", "b", "c", "d"]
    monkeypatch.setenv("A", "Off")
    assert env.flag("A", True) is False
    (tmp_path / "key").write_text("secret\n")
    monkeypatch.setenv("A_FILE", str(tmp_path / "key"))
    assert env.secret("A") == "secret"
    (tmp_path / "key").write_bytes(b"\xff")
    with pytest.raises(ImproperlyConfigured, match="A_FILE"):
        env.secret("A")
