"""PostgreSQL, Redis and an S3 store by environment variables alone, with real processes and the real model.

Runs where `.ci/services` (or you) set DEEPSEGM_DATABASE_URL and DEEPSEGM_BROKER_URL; the S3 store is moto's server.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from .lab import REPOSITORY, wait_for

NEEDED = ("DEEPSEGM_DATABASE_URL", "DEEPSEGM_BROKER_URL")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not all(os.environ.get(name) for name in NEEDED), reason=f"{' and '.join(NEEDED)} are not set: see .ci/services"
    ),
]
SAMPLE = REPOSITORY / "static" / "sample" / "sem-sample.tif"


def start(*command, env, **options):
    return subprocess.Popen([sys.executable, *command], cwd=REPOSITORY, env=env, text=True, **options)


@pytest.fixture
def celery(env):
    """Starts workers, of which none outlives the test: it would take the jobs of the next."""
    made = []

    def work(*options):
        made.append(start("-m", "celery", "-A", "deepsegm", "worker", *options, "-l", "WARNING", env=env))
        return made[-1]

    yield work
    for process in made:
        process.terminate()
        process.wait(60)


WORKER = ("-Q", "analyses")
INSPECTOR = ("-Q", "inspections", "--pool", "threads", "--concurrency", "2", "-n", "inspector@%h")


def line_with(process, pattern):
    """The first match in what a process prints."""
    for line in process.stdout:
        if match := re.search(pattern, line):
            return match[1]
    raise AssertionError(f"the process ended without printing {pattern}")


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    """The environment of every process: three services, nothing else."""
    store = start("-m", "moto.server", "-p", "50123", env=os.environ, stderr=subprocess.DEVNULL)
    data = tmp_path_factory.mktemp("data")
    environment = {
        **os.environ,
        "DEEPSEGM_DATA": str(data),
        "DEEPSEGM_SECRET_KEY": uuid4().hex * 2,
        "DEEPSEGM_BUCKET": "deepsegm",
        "DEEPSEGM_BUCKET_ENDPOINT": "http://127.0.0.1:50123",
        "DEEPSEGM_BUCKET_REGION": "us-east-1",
        "DEEPSEGM_BUCKET_KEY": "key",
        "DEEPSEGM_BUCKET_SECRET": "secret",
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "LAB_CONSTANTS": '{"DEEPSEGM_SILENCE_SECONDS": 5}',
    }
    try:
        wait_for(lambda: answers("http://127.0.0.1:50123/moto-api/"), "the S3 store answers")
        subprocess.run([sys.executable, "manage.py", "make_bucket"], cwd=REPOSITORY, env=environment, check=True)
        yield environment
    finally:
        store.kill()
        store.wait()


def answers(address):
    try:
        return urllib.request.urlopen(address, timeout=2).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def site(env):
    """The address of a web process without a worker."""
    process = start("manage.py", "up", "--no-worker", "--port", "0", env=env, stdout=subprocess.PIPE)
    try:
        yield line_with(process, r"DeepSegm is at (http://\S+?)/ ")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def send(site, path: Path) -> dict:
    boundary = uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urllib.request.urlopen(urllib.request.Request(f"{site}/api/v1/jobs", body, headers)) as response:
        return json.load(response)


def job(site, pk) -> dict:
    with urllib.request.urlopen(f"{site}/api/v1/jobs/{pk}") as response:
        return json.load(response)


def test_processes_that_migrate_at_once_an_empty_database_wait_for_each_other(env):
    server, name = os.environ["DEEPSEGM_DATABASE_URL"], f"empty_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name}")
        try:
            own = {**env, "DEEPSEGM_DATABASE_URL": urlsplit(server)._replace(path=f"/{name}").geturl()}
            command = "manage.py", "migrate", "--verbosity", "0"
            processes = [start(*command, env=own, stderr=subprocess.PIPE) for _ in range(2)]
            assert [(process.communicate(timeout=180)[1], process.returncode) for process in processes] == [("", 0)] * 2
        finally:
            database.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_killed_worker_loses_nothing(site, env, celery):
    sent = send(site, SAMPLE)
    kill_with_children(celery(*INSPECTOR))
    celery(*INSPECTOR)
    first = celery(*WORKER)
    wait_for(lambda: job(site, sent["id"])["state"] == "running", "the job runs", 120)
    kill_with_children(first)
    celery(*WORKER)
    done = wait_for(lambda: (state := job(site, sent["id"]))["state"] == "done" and state, "the job is done", 180)
    assert done["result"]["statistics"]["n_kept"] > 40
    with urllib.request.urlopen(f"{site}/api/v1/jobs/{sent['id']}/files/particles.csv") as response:
        assert b"min_feret_nm" in response.read()
    # The files are in the bucket, not in the data folder.
    assert not list(Path(env["DEEPSEGM_DATA"]).rglob("*.csv"))


def kill_with_children(process):
    """kill -9 the worker and its pool, as a power cut would."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for pid in [process.pid, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    process.wait(10)
    time.sleep(0.1)
