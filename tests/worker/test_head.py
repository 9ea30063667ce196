"""The server of `up` answers HEAD with headers alone."""

from __future__ import annotations

import socket
import threading
from io import BytesIO

import pytest

from worker.management.commands import up

BODY = b"x" * 100_000


class Streamed:
    closed = 0

    def __iter__(self):
        yield from (BODY, BODY)

    def close(self):
        Streamed.closed += 1


def application(environ, start_response):
    """A page, a file that the server would send by itself, and a stream without a length."""
    headers = [] if environ["PATH_INFO"] == "/stream" else [("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    if environ["PATH_INFO"] == "/file":
        return environ["wsgi.file_wrapper"](BytesIO(BODY))
    return Streamed()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(up, "get_internal_wsgi_application", lambda: application)
    made = up.listen("127.0.0.1", 0)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    yield up.address(made)
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
