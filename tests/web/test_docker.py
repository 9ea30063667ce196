"""The container files: nothing published is accepted, every service is confined, every queue has a worker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from string import Template

import numpy as np
import pytest
import yaml
from compose_spec import PyCompose
from django.conf import settings
from PIL import Image

from tests import test_locks as locks
from tests.core.micrograph.bars import zeiss

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILE = (REPOSITORY / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((REPOSITORY / "docker" / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
EXAMPLE = dict(
    line.split("=", 1)
    for line in (REPOSITORY / "docker" / "example.env").read_text().splitlines()
    if line and not line.startswith("#")
)
OWN = {name: "5f2c9a7be81d4063" * 4 if value.startswith("change-me") else value for name, value in EXAMPLE.items()}
# Refuses the modules named in MISSING, in this process and in every child.
MISSING = """
import os, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["MISSING"].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""
ONLY_OF_WEB = ("DEEPSEGM_OIDC_URL", "DEEPSEGM_OIDC_SECRET", "DEEPSEGM_METRICS_TOKEN")
MODULES = {"scikit-image": "skimage", "segmentation-models-pytorch": "segmentation_models_pytorch"}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """manage.py or a module under these DEEPSEGM_ variables only."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    environment = {**inherited, "DJANGO_SETTINGS_MODULE": "deepsegm.settings", **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120)


def container(file: dict[str, str]) -> dict[str, str]:
    """The environment of a container of ours where docker/.env is `file`."""
    given = SERVICES["web"]["environment"]
    values = {"DEEPSEGM_ALLOWED_HOSTS": "", **dict.fromkeys(ONLY_OF_WEB, ""), **file}
    return file | {name: Template(re.sub(r":[?-][^}]*", "", value)).substitute(values) for name, value in given.items()}


def megabytes(limit: str) -> int:
    """Of a limit of memory, or of the usual one where the file of variables may name another."""
    number, unit = re.findall(r"(\d+)([mg])", limit)[-1]
    return int(number) * {"m": 1, "g": 1024}[unit]


def queues(service: str) -> set[str]:
    words = shlex.split(SERVICES[service].get("command") or " ".join(json.loads(DOCKERFILE.rpartition("CMD ")[2])))
    return set(words[words.index("--queues") + 1].split(","))


@pytest.mark.slow
def test_the_example_is_refused_unchanged(tmp_path):
    done = run("manage.py", "check", "--deploy", DEEPSEGM_DATA=str(tmp_path), **container(EXAMPLE))
    assert done.returncode == 1 and "deepsegm.E008" in done.stderr
    for name in ("SECRET_KEY", "DATABASE_URL", "BROKER_URL", "BUCKET_KEY", "BUCKET_SECRET"):
        assert f"DEEPSEGM_{name}" in done.stderr
    assert all(name in done.stderr for name in EXAMPLE if name != "DEEPSEGM_URL")


@pytest.mark.slow
def test_secrets_of_ones_own_are_accepted(tmp_path):
    done = run("manage.py", "check", "--deploy", DEEPSEGM_DATA=str(tmp_path), **container(OWN))
    assert done.returncode == 0, done.stderr
    assert "deepsegm.E" not in done.stderr and "deepsegm.W004" not in done.stderr and "security.W009" not in done.stderr


@pytest.mark.slow
def test_up_does_not_start_with_a_published_secret(tmp_path):
    secret = EXAMPLE["DEEPSEGM_SECRET_KEY"]
    done = run("manage.py", "up", "--no-worker", "--port", "0", DEEPSEGM_DATA=str(tmp_path), DEEPSEGM_SECRET_KEY=secret)
    assert done.returncode == 1 and "DEEPSEGM_SECRET_KEY" in done.stderr


def test_prometheus_may_ask_for_web():
    """Beside the names of the site's own."""
    environment = OWN | {"DEEPSEGM_ALLOWED_HOSTS": "sem.example.org"}
    allowed = [container(file)["DEEPSEGM_ALLOWED_HOSTS"].split(",") for file in (OWN, environment)]
    assert allowed == [["web", ""], ["web", "sem.example.org"]]


def test_compose_checks_the_secrets_before_anything_keeps_them():
    assert SERVICES["check"]["command"] == "python manage.py check --tag security"
    for name in ("postgres", "redis", "store", "web"):
        assert SERVICES[name]["depends_on"]["check"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined(name):
    service = SERVICES[name]
    assert megabytes(service["mem_limit"]) >= 256
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True and service["tmpfs"] and service["pids_limit"]
    assert not service.get("privileged") and not service.get("network_mode")
    assert "build" in service or re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+)*$", service["image"])


def test_secrets_of_the_web_process_are_its_alone():
    for name in OURS:
        given = {variable: SERVICES[name]["environment"][variable] for variable in ONLY_OF_WEB}
        assert given == {variable: f"${{{variable}:-}}" if name == "web" else "" for variable in ONLY_OF_WEB}


def test_base_images_have_whole_versions():
    outside = re.findall(r"^FROM (\S+:\S+)", DOCKERFILE, re.MULTILINE)
    assert outside and all(re.search(r":\d+\.\d+\.\d+-", image) for image in outside)


def test_the_files_of_dependencies_are_checked():
    assert re.findall(r"^RUN pip install (.*lock)", DOCKERFILE, re.MULTILINE) == [
        f"--no-deps --require-hashes -r {lock}" for lock in ("web.lock", "light.lock", "requirements.lock")
    ]
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["1000"] * 3


@pytest.mark.parametrize(
    "change", [{}, {"mem_limits": "1g"}, {"cap_drop": "ALL"}, {"depends_on": {"redis": {"condition": "up"}}}]
)
def test_compose_reads_the_file(change):
    """By the schema of the Compose specification, which refuses each of the changes."""
    text = re.sub(r"\$\{(\w+)(:-([^}]*))?[^}]*\}", lambda match: match[3] or "x", json.dumps(COMPOSE))
    file = json.loads(text)
    file["services"]["web"] |= change
    with pytest.raises(ValueError) if change else nullcontext():
        PyCompose.from_json(json.dumps(file))


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"check", "web"}))
def test_services_say_whether_they_are_well(name):
    assert SERVICES[name]["healthcheck"]["test"][0].startswith("CMD")


@pytest.mark.parametrize("name", ["worker", "inspector", "trainer", "gpu"])
def test_workers_are_asked_for_signs_of_life(name):
    kind, command = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD-SHELL" and "inspect ping --destination celery@$$HOSTNAME" in command


def test_each_queue_has_a_worker():
    routes = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    served = queues("worker") | queues("inspector") | queues("trainer")
    assert {settings.CELERY_TASK_DEFAULT_QUEUE, *routes} <= served
    assert queues("trainer") == {"training"} and SERVICES["trainer"]["command"].startswith("nice")
    assert queues("worker") == {"analyses"}  # whatever is short would wait behind an analysis
    assert json.loads(DOCKERFILE.rpartition("CMD ")[2])[-3] == "analyses"


def test_limits_leave_room_for_what_the_settings_allow():
    for name in ("worker", "gpu"):
        assert megabytes(SERVICES[name]["mem_limit"]) >= settings.DEEPSEGM_JOB_MEMORY_MB + 1500
    assert megabytes(SERVICES["trainer"]["mem_limit"]) >= settings.DEEPSEGM_TRAINING_MEMORY_MB + 1500
    assert megabytes(SERVICES["inspector"]["mem_limit"]) >= 4 * settings.DEEPSEGM_INSPECTION_MEMORY_MB + 300
    assert "--concurrency 4" in SERVICES["inspector"]["command"]


def test_torch_is_built_only_where_a_profile_asks_for_it():
    needs = {name for name, service in SERVICES.items() if service.get("build", {}).get("target") == "gpu"}
    assert needs == {"gpu", "trainer"} and all(SERVICES[name]["profiles"] for name in needs)
    assert not locks.versions("light.lock").keys() & {"torch", "triton"}


def test_the_units_of_systemd_are_well_formed(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze here")
    units = tmp_path / "units"
    units.mkdir()
    for unit in (REPOSITORY / "docker" / "systemd").iterdir():
        text = unit.read_text().replace("/opt/deepsegm/.venv/bin/python", sys.executable)
        (units / unit.name).write_text(re.sub(r"^User=.*$", "User=root", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(units.iterdir()))], capture_output=True, text=True
    )
    assert not [line for line in done.stderr.splitlines() if "deepsegm" in line and "not executable" not in line]


def nightly(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """The script of the nightly backup, once, with a command of this text in place of Python; three are kept."""
    (folder / "python").write_text(f"#!/bin/sh\n{python}\n")
    (folder / "python").chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "BACKUPS_KEPT": "3"}
    command = ["sh", str(REPOSITORY / "docker" / "nightly.sh"), str(folder), "now"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_the_nightly_backup_keeps_the_newest_and_a_failed_one_removes_none(tmp_path):
    names = [f"deepsegm-2026-11-0{day}T023000.zip" for day in range(1, 6)]
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in (*names, "notes.txt"):
        (folder / name).write_text("older")
    failed = nightly(folder, "touch $3; exit 1")
    assert failed.returncode == 1 and "The backup failed" in failed.stderr
    assert {*names, "notes.txt", "python"} == {file.name for file in folder.iterdir()}
    assert nightly(folder, "echo new > $3").returncode == 0
    archives = sorted(file.name for file in folder.glob("*.zip"))
    assert len(archives) == 3 and archives[:2] == names[-2:] and (folder / archives[2]).read_text() == "new\n"
    assert (folder / archives[2]).stat().st_mode & 0o077 == 0 and (folder / "notes.txt").exists()


def test_redis_wants_a_password_that_its_command_does_not_show():
    redis = SERVICES["redis"]
    assert "requirepass $$REDISCLI_AUTH" in redis["command"][-1] and "noeviction" in redis["command"][-1]
    assert redis["environment"] == {"REDISCLI_AUTH": "${REDIS_PASSWORD}"}


def test_what_a_read_only_root_leaves_writable():
    for name in OURS:
        places = [volume.rpartition(":")[2] for volume in SERVICES[name]["volumes"]]
        assert places == ["/data", "/scratch", "/models", *(["/backups"] if name == "backup" else [])]
        assert {mount.partition(":")[0] for mount in SERVICES[name]["tmpfs"]} == {"/tmp", "/home/deepsegm"}
        assert "models:/models" in SERVICES[name]["volumes"], "what one installs all must see"
    assert "DEEPSEGM_DATA=/data DEEPSEGM_TEMP=/scratch TMPDIR=/scratch" in DOCKERFILE


@pytest.mark.slow
def test_the_small_image_has_all_that_the_inspector_needs(tmp_path):
    left_out = locks.versions("requirements.lock").keys() - locks.versions("docker/web.lock").keys()
    assert {"torch", "scipy", "scikit-image", "matplotlib"} <= left_out
    (tmp_path / "sitecustomize.py").write_text(MISSING)
    modules = " ".join(MODULES.get(name, name.replace("-", "_")) for name in left_out)
    environment = {"PYTHONPATH": str(tmp_path), "MISSING": modules, "DEEPSEGM_DATA": str(tmp_path)}
    assert "No module named 'torch'" in run("-c", "import torch", **environment).stderr
    done = run("-c", "import django; django.setup(); import deepsegm.celery, worker.tasks", **environment)
    assert done.returncode == 0, done.stderr
    done = run("-c", "import segmentation.core.imported.reading, roifile", **environment)
    assert done.returncode == 0, done.stderr
    noise = np.random.default_rng(0).integers(40, 200, (700, 1024), np.uint8)
    Image.fromarray(np.vstack([noise, zeiss("100 nm", 200, "5.120 µm")])).save(tmp_path / "bar.png")
    done = run("-m", "segmentation.core.micrograph.inspect", str(tmp_path / "bar.png"), **environment)
    assert done.returncode == 0, done.stderr
    assert "100 nm" in json.loads(done.stdout)["reading"]["texts"], done.stderr


def test_the_example_lists_what_a_site_with_people_needs():
    text = (REPOSITORY / "docker" / "example.env").read_text()
    wanted = "METRICS_TOKEN RETENTION_DAYS STORED_GB DAILY_MEGAPIXELS TIME_ZONE REQUIRE_LOGIN"
    assert [name for name in wanted.split() if f"# DEEPSEGM_{name}=" not in text] == []
    profiles = {profile for service in SERVICES.values() for profile in service.get("profiles", ())}
    line = next(line for line in text.splitlines() if line.startswith("# The profiles of this site"))
    assert all(profile in line for profile in profiles), "an upgrade that names no profile leaves old images"
    upgrade = (REPOSITORY / "docs/operate/deploy.md").read_text().partition("## Upgrade")[2]
    assert "COMPOSE_PROFILES" in upgrade
