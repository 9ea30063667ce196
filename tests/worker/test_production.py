"""PostgreSQL, Redis and an S3 store by environment variables alone, with real processes and the real model.

Runs where `.ci/services` (or you) set DEEPSEGM_DATABASE_URL and DEEPSEGM_BROKER_URL; the S3 store is moto's server.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from tools.benchmarks.test_load import Visitor
from tools.faults.site import free_port

from .lab import REPOSITORY, wait_for

NEEDED = ("DEEPSEGM_DATABASE_URL", "DEEPSEGM_BROKER_URL")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not all(os.environ.get(name) for name in NEEDED), reason=f"{' and '.join(NEEDED)} are not set: see .ci/services"
    ),
]
COLUMN = '    tomorrow = models.CharField(max_length=9, default="as ever", db_default="as ever")\n'
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
    port = str(free_port())
    store = start("-m", "moto.server", "-p", port, env=os.environ, stderr=subprocess.DEVNULL)
    data = tmp_path_factory.mktemp("data")
    environment = {
        **os.environ,
        "DEEPSEGM_DATA": str(data),
        "DEEPSEGM_SECRET_KEY": uuid4().hex * 2,
        "DEEPSEGM_BUCKET": "deepsegm",
        "DEEPSEGM_BUCKET_ENDPOINT": f"http://127.0.0.1:{port}",
        "DEEPSEGM_BUCKET_REGION": "us-east-1",
        "DEEPSEGM_BUCKET_KEY": "key",
        "DEEPSEGM_BUCKET_SECRET": "secret",
        "DJANGO_SETTINGS_MODULE": "tools.faults.settings",
        "LAB_CONSTANTS": '{"DEEPSEGM_SILENCE_SECONDS": 5}',
    }
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/moto-api/"), "the S3 store answers")
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
        assert process.wait(90) == 0


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


@pytest.fixture
def alone(env):
    """The environment of processes that have an empty database and a queue of their own."""
    server, name = os.environ["DEEPSEGM_DATABASE_URL"], f"alone_{uuid4().hex}"
    database, queue = (
        urlsplit(os.environ[variable])._replace(path=path).geturl()
        for variable, path in (("DEEPSEGM_DATABASE_URL", f"/{name}"), ("DEEPSEGM_BROKER_URL", "/7"))
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield {**env, "DEEPSEGM_DATABASE_URL": database, "DEEPSEGM_BROKER_URL": queue}
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_processes_that_migrate_at_once_an_empty_database_wait_for_each_other(alone):
    command = "manage.py", "migrate", "--verbosity", "0"
    processes = [start(*command, env=alone, stderr=subprocess.PIPE) for _ in range(2)]
    assert [(process.communicate(timeout=180)[1], process.returncode) for process in processes] == [("", 0)] * 2


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


@pytest.fixture
def newer(tmp_path):
    """The folder of the next version's code: today's with a further column, which has a default."""
    code = tmp_path / "newer" / "segmentation"
    shutil.copytree(REPOSITORY / code.name, code, ignore=shutil.ignore_patterns("__pycache__", "cards"))
    for name in ("segmentation/cards", "deepsegm", "worker", "templates", "static", "tests", "tools"):
        (code.parent / name).symlink_to(REPOSITORY / name)
    shutil.copy(REPOSITORY / "manage.py", code.parent)
    jobs = code / "models" / "jobs.py"
    head, line, rest = jobs.read_text().partition("    settings = models.JSONField(")
    jobs.write_text(head + COLUMN + line + rest)
    return code.parent


def test_what_one_version_is_sent_both_list_show_and_delete(alone, newer, tmp_path):
    """For one visitor, whom the web processes get in turn; a worker of the older version analyses it. Who has signed in
    at one is signed in at the other."""
    with ExitStack() as running:

        def begin(*command, folder=REPOSITORY, **options):
            own = {**alone, "DEEPSEGM_DATA": str(tmp_path / f"data of {folder.name}")}
            process = subprocess.Popen([sys.executable, *command], cwd=folder, env=own, text=True, **options)
            running.callback(process.wait, 60)
            running.callback(process.terminate)
            return process

        def visitor(folder):
            process = begin("manage.py", "up", "--no-worker", "--port", "0", folder=folder, stdout=subprocess.PIPE)
            return Visitor(line_with(process, r"DeepSegm is at (http://\S+?)/ "))

        def listed(through):
            return set(re.findall(rb"/jobs/([0-9a-f-]{36})/", through.ask("list", "/results/")))

        Visitor.took = {}
        old = visitor(REPOSITORY)
        account = {"username": "ada", "password": "a word 7 long", "email": "ada@example.org"}
        alone |= {f"DJANGO_SUPERUSER_{field.upper()}": value for field, value in account.items()}
        assert begin("manage.py", "createsuperuser", "--noinput").wait(120) == 0
        old.send("send", "/", "a.tif", SAMPLE.read_bytes())
        made = begin("manage.py", "makemigrations", "segmentation", "--verbosity", "0", folder=newer)
        assert made.wait(120) == 0
        new = visitor(newer)  # which migrates first
        new.cookies = old.cookies
        new.send("send", "/", "b.tif", SAMPLE.read_bytes())
        sent = listed(old)
        assert listed(new) == sent and len(sent) == 2
        for options in (INSPECTOR, WORKER):
            begin("-m", "celery", "-A", "deepsegm", "worker", *options, "-l", "WARNING")
        for through, pk in product((old, new), map(bytes.decode, sent)):
            wait_for(lambda: b'id="downloads"' in through.ask("page", f"/jobs/{pk}/"), "the result is shown")  # noqa: B023
        for through, pk in zip((old, new), map(bytes.decode, sent), strict=True):
            through.post("delete", f"/jobs/{pk}/delete/", [], through.token())
        assert listed(old) == listed(new) == set()
        form = [("login", "", account["username"].encode()), ("password", "", account["password"].encode())]
        old.post("sign in", "/accounts/login/", form, old.token())
        assert b"ada" in new.ask("account", "/account/") and new.cookies["sessionid"]
        with psycopg.connect(alone["DEEPSEGM_DATABASE_URL"]) as database:
            assert database.execute(
                "SELECT count(*) FROM django_migrations WHERE name LIKE '%tomorrow%'"
            ).fetchone() == (1,)
