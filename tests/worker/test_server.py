"""The server of `up` answers HEAD with headers alone, and nobody keeps it from others."""

from __future__ import annotations

import errno
import re
import socket
import threading
import time
from contextlib import nullcontext, suppress
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.conf import settings

from segmentation.api.urls import document
from segmentation.http.errors import broken
from segmentation.http.uploads import FOR_FILES
from segmentation.services.ground.space import NO_ROOM
from worker.processes import server as service

from .lab import wait_for

BODY = b"x" * 100_000


class Streamed:
    closed = 0

    def __iter__(self):
        yield from (BODY, BODY)

    def close(self):
        Streamed.closed += 1


def application(environ, start_response):
    """A page, a file that the server would send by itself, and streams without a length."""
    headers = [] if environ["PATH_INFO"] in ("/stream", "/long") else [("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    if environ["PATH_INFO"] == "/file":
        return environ["wsgi.file_wrapper"](BytesIO(BODY))
    return Streamed() if environ["PATH_INFO"] != "/long" else [BODY] * 999


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(service, "get_internal_wsgi_application", lambda: application)
    made = service.listen("127.0.0.1", 0)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    yield service.address(made)
    made.close()


def said(server, *requests: str) -> bytes:
    with socket.create_connection(server, timeout=20) as connection:
        for line in requests:
            connection.sendall(f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize("path", ["/page", "/file"])
def test_the_next_answer_on_the_connection_is_whole(server, path):
    head, _, rest = said(server, f"HEAD {path}", f"GET {path}").partition(b"\r\n\r\n")
    headers, _, body = rest.partition(b"\r\n\r\n")
    assert (head, body) == (headers, BODY) and b"Content-Length: 100000" in head


def test_a_stream_ends_with_its_headers(server):
    before = Streamed.closed
    head, _, rest = said(server, "HEAD /stream").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and rest == b"" and Streamed.closed == before + 1


def opened(server, sent: str = ""):
    connection = socket.create_connection(server, timeout=20)
    connection.sendall(sent.encode())
    return connection


def page(server, connection=None):
    connection = connection or opened(server)
    connection.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while len(answer.partition(b"\r\n\r\n")[2]) < len(BODY) and (piece := connection.recv(1 << 16)):
        answer += piece
    return answer.startswith(b"HTTP/1.1 200") and answer.endswith(BODY)


def is_closed(connection) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", ["", "GET /page HTTP/1.1\r\n"], ids=["silent", "half a head"])
def test_whoever_holds_many_connections_loses_the_least_used(server, sent):
    held = [opened(server, sent) for _ in range(3 * service.CONNECTIONS_OF_AN_ADDRESS)]
    assert page(server)
    assert all(is_closed(connection) for connection in held[: service.CONNECTIONS_OF_AN_ADDRESS])
    for connection in held:
        connection.close()


def test_a_request_must_come_in_time_and_an_answer_be_taken(server, monkeypatch):
    used = opened(server)
    assert page(server, used)
    for name in ("HEADER_SECONDS", "UNREAD_SECONDS"):
        monkeypatch.setattr(service, name, 0.5)
    late = [opened(server), opened(server, "GET /page HTTP/1.1\r\n")]
    late.append(opened(server, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"))
    assert all(is_closed(connection) for connection in late)
    assert page(server, used), "what was of use stays open"
    unread, length = opened(server, "GET /stream HTTP/1.1\r\n\r\n" * 99), 0
    time.sleep(3)
    with suppress(ConnectionResetError):
        while piece := unread.recv(1 << 20):
            length += len(piece)
    assert length < 99 * len(BODY)


def test_who_reads_no_long_answers_leaves_threads_for_others(server):
    """Each answer is longer than what is kept unsent, so it holds its thread until it is read."""
    unread = [opened(server, "GET /long HTTP/1.1\r\n\r\n") for _ in range(2 * service.THREADS)]
    other = socket.create_connection(server, timeout=20, source_address=("127.0.0.2", 0))
    assert page(server, other)
    for connection in unread:
        connection.close()
    assert page(server), "who waited gets a thread when another's request has ended"
    wait_for(lambda: not service._working, "all have ended")


def test_monitors_are_answered_while_all_threads_hang(monkeypatch):
    """Uploads from four addresses held all threads, as the store did not answer: /healthz waited, too."""
    release, at_work = threading.Event(), []

    def hanging(environ, start_response):
        if environ["PATH_INFO"] == "/hang":
            at_work.append(environ["REMOTE_ADDR"])
            release.wait(60)
        return application(environ, start_response)

    monkeypatch.setattr(service, "get_internal_wsgi_application", lambda: hanging)
    made = service.listen("127.0.0.1", 0)
    threading.Thread(target=made.run, daemon=True).start()
    where = service.address(made)
    held = [
        socket.create_connection(where, timeout=20, source_address=(f"127.0.0.{2 + number % 5}", 0))
        for number in range(2 * service.THREADS)
    ]
    try:
        for connection in held:
            connection.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: len(at_work) == service.THREADS, "all threads hang")
        for path in service.HEALTH:
            assert said(where, f"HEAD {path}").startswith(b"HTTP/1.1 200")
        assert len(at_work) == service.THREADS
    finally:
        release.set()
    wait_for(lambda: len(at_work) == len(held), "who waited gets a thread")
    wait_for(lambda: not service._working, "all have ended")
    made.close()


@pytest.mark.parametrize(
    ("line", "length", "is_refused"),
    [("POST /healthz", 25_000_000, True), ("GET /models/", 100_000, True), ("POST /api/v1/compare", 3_000_000, True),
     ("POST /jobs/x/cancel/", 100, False), ("POST /", 25_000_000, False), ("POST /api/v1/jobs", 10**8, False)],
)  # fmt: skip
def test_only_addresses_for_files_take_large_bodies(server, line, length, is_refused):
    connection = opened(server, f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
    connection.settimeout(20 if is_refused else 0.5)
    with nullcontext() if is_refused else pytest.raises(TimeoutError):  # it waits for the body
        assert b" 413 " in connection.recv(1000)


def answer_to(server, sent: str) -> bytes:
    connection = opened(server, sent)
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize(
    "sent",
    ["POST /accounts/login/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nlogin=ada&password=secret\r\n\r\n",
     "POST / HTTP/1.1\r\nContent-Length: secret\r\n\r\n", "password=secret\r\n\r\n",
     "GET / HTTP/1.1\r\npassword=secret\r\n\r\n", "GET /api/v1/jobs HTTP/1.1\r\nTransfer-Encoding: secret\r\n\r\n"],
)  # fmt: skip
def test_what_is_not_understood_is_not_given_back(server, sent):
    answer = answer_to(server, sent)
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400", b"HTTP/1.1 501")) and b"secret" not in answer
    assert b"could not be understood" in answer


def test_two_lengths_end_the_connection(server):
    head = "POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    answer = answer_to(server, f"{head}GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 1 and b"Connection: close" in answer
    old = head.replace("HTTP/1.1", "HTTP/1.0\r\nConnection: keep-alive")
    assert answer_to(server, f"{old}GET /page HTTP/1.1\r\nHost: x\r\n\r\n").count(b" 200 ") == 1


def test_every_form_for_files_is_known():
    texts = [
        file.read_text()
        for room in ("templates", "segmentation")
        for file in Path(settings.BASE_DIR, room).rglob("*.html")
    ]
    forms = {name for text in texts for name in re.findall(r"url '([\w-]+)'[^>]*multipart", text)}
    paths = [path for path, of in document()["paths"].items() if "binary" in str(of.get("post", {}).get("requestBody"))]
    assert forms <= FOR_FILES and len(FOR_FILES) == len(forms) + len(paths)


def test_behind_a_proxy_of_ours_its_visitors_are_told_apart(settings):
    settings.DEEPSEGM_TRUSTED_PROXIES = ["172.16.0.0/12"]
    assert service.sender_of("172.16.0.2", "203.0.113.7, 172.16.0.3") == "203.0.113.7"
    assert service.sender_of("172.16.0.2", "") == "" != service.sender_of("198.51.100.1", "203.0.113.7")


@pytest.mark.parametrize("how", ["known from the head", "while it comes", "in pieces"])
@pytest.mark.parametrize(("path", "kind"), [("/", b"text/plain"), ("/api/v1/jobs", b"application/json")])
def test_an_upload_that_a_full_disk_has_no_room_for_is_read_and_answered_507(server, monkeypatch, how, path, kind):
    monkeypatch.setattr(service, "is_space_scarce", lambda needed: how == "known from the head")
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("waitress.buffers.TempfileBasedBuffer.append", Mock(side_effect=full))
    body = b"x" * 3_000_000
    length = "Transfer-Encoding: chunked" if how == "in pieces" else f"Content-Length: {len(body)}"
    with opened(server, f"POST {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n") as connection:
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if how == "in pieces" else body)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 507 Insufficient Storage") and kind in answer and NO_ROOM.encode() in answer


def test_a_disk_that_is_full_while_a_form_is_taken_apart_is_507(rf):
    full = OSError(errno.ENOSPC, "No space left on device")
    for path, words in (("/", b"disk is full"), ("/api/v1/jobs", b'"error"')):
        try:
            raise full
        except OSError:
            answer = broken(rf.post(path))
        assert answer.status_code == 507 and words in answer.content
    assert broken(rf.post("/api/v1/jobs")).status_code == 500
