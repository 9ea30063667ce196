"""The web server of `manage.py up`: waitress, with limits for the connections and threads of one
address, and for the time that a request may take to arrive.

If an address has too many connections, the least used ones are closed, but never a connection with a
request in work. A connection is also closed if its client does not read the answer. A client that
reads slowly occupies a thread, so an address has at most THREADS_OF_AN_ADDRESS threads; its further
requests wait. One more thread only answers monitors, so that they get an answer while all others hang.
"""

from __future__ import annotations

import logging
import resource
import socket
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Collection
from contextlib import suppress
from copy import copy
from typing import Any

import waitress
from django.conf import settings
from django.core.management import CommandError
from django.core.servers.basehttp import get_internal_wsgi_application
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error

from segmentation.http.errors import API, NOT_UNDERSTOOD, TOO_LARGE, error
from segmentation.http.uploads import takes_files
from segmentation.middleware import first_untrusted, is_trusted, network_of
from segmentation.services.ground.refusal import is_full
from segmentation.services.ground.space import NO_ROOM, is_space_scarce

logger = logging.getLogger(__name__)
THREADS, THREADS_OF_AN_ADDRESS = 16, 5
HEALTH_THREADS = 1  # further threads, which only answer the addresses HEALTH
HEALTH = ("/healthz", "/readyz", "/metrics")
# Most connections of all addresses, and of one address; a browser opens six.
CONNECTIONS, CONNECTIONS_OF_AN_ADDRESS = 800, 128
MOST_OPEN_FILES = 4096  # of this process: a connection may also have its body and its answer on disk
HEADER_SECONDS = 15.0  # for the headers of a request to arrive
SLOWEST_BYTES_PER_SECOND = 1000.0  # of a body; a slower body is cut off
UNREAD_SECONDS = 60.0  # in which a client must read further bytes of an answer
WITHOUT_A_BODY = ("GET", "HEAD", "OPTIONS", "DELETE")
LARGEST_UNEXPECTED_BODY = 2**16  # bytes of a body with these methods; some programs send a body with them
_threads_lock = threading.Lock()  # protects _working and _waiting
_working: Counter[str] = Counter()  # how many requests of each sender have a thread
# The connections that wait for a thread, by sender.
_waiting: defaultdict[str, deque[Channel]] = defaultdict(deque)
_health_threads = threading.BoundedSemaphore(HEALTH_THREADS)
_waiting_for_all: deque[Channel] = deque()  # the connections that wait until one of all THREADS is free


def listen(bind: str, port: int) -> Any:
    """A server that listens on this address and port; raises CommandError with one sentence if it
    cannot."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MOST_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        sockets: dict[int, Any] = {}
        server = waitress.create_server(
            without_head_bodies(get_internal_wsgi_application()),
            host=bind,
            port=port,
            map=sockets,
            threads=THREADS + HEALTH_THREADS,
            ident=None,
            max_request_body_size=settings.DEEPSEGM_MAX_REQUEST_BYTES,
            clear_untrusted_proxy_headers=False,  # our own middleware clears them, under every server
            # Twice our own limit, so it is never reached: waitress would accept no connection at all then.
            connection_limit=2 * CONNECTIONS,
            asyncore_use_poll=True,  # `select` works only with the first 1024 files
        )
        for server_of_socket in sockets.values():
            if isinstance(server_of_socket, BaseWSGIServer):
                server_of_socket.channel_class = Channel
        return server
    except (OSError, ValueError, OverflowError) as error:
        raise CommandError(
            f"DeepSegm cannot listen on {bind}, port {port} ({getattr(error, 'strerror', None) or error}): "
            f"stop the program that uses it, or choose another with --port {port + 1}."
        ) from None


def address(server: Any) -> tuple[str, int]:
    """The host and the port on which a server listens. (For port 0 the system has chosen one.)"""
    listening = getattr(server, "effective_listen", None)
    return listening[0] if listening else (server.effective_host, server.effective_port)


class NoRoom(Error):
    """The error of a request whose body has no room on the disk."""

    code, reason = 507, "Insufficient Storage"


class Body(OverflowableBuffer):
    """The body of a request. If the disk has no room for the body, it is read to its end but not
    stored, because a client that cannot send everything does not read the answer."""

    no_room = False

    def append(self, s: bytes) -> None:
        if self.no_room:
            return
        try:
            super().append(s)
        except OSError as problem:
            if not is_full(problem):
                raise
            self.refuse()

    def refuse(self) -> None:
        """Store nothing of this body, and remove what is stored."""
        self.no_room = True
        with suppress(OSError):  # closing may write the rest of the buffer to the full disk
            self.close()
        self.buf, self.strbuf = None, b""


class RefusedTask(ErrorTask):
    """The answer to a request that waitress refuses before Django sees it, for example because it
    is too large. Scripts get JSON. The texts of waitress are not used, because they repeat what was
    sent, which may contain a password."""

    def execute(self) -> None:
        request = self.request
        is_script = getattr(request, "path", "").startswith(API)
        sentence = {413: TOO_LARGE, NoRoom.code: NO_ROOM}.get(request.error.code, NOT_UNDERSTOOD)
        body = error(sentence, request.error.code).content if is_script else sentence.encode()
        self.status = f"{request.error.code} {request.error.reason}"
        kind = "application/json" if is_script else "text/plain; charset=utf-8"
        self.response_headers.append(("Content-Type", kind))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def without_head_bodies(application: Any) -> Any:
    """The WSGI application, with an empty body in answers to HEAD, because a client would read a body as
    the next answer."""

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        response = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return response
        if hasattr(response, "close"):
            response.close()
        return []

    return answer


class Task(WSGITask):
    """The answer of Django. An answer to HEAD has no body, also not the end mark of a chunked body."""

    def build_response_header(self) -> bytes:
        header: bytes = super().build_response_header()
        self.chunked_response = self.chunked_response and self.request.command != "HEAD"
        return header


class Parser(HTTPRequestParser):
    """The parser of requests. It limits the size of the body: only addresses for files accept large
    bodies. A request that states its length twice is the last request of its connection, because a
    proxy may see its end at another place."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        # (TRANSFER_ENCODING remains in the headers only for HTTP/1.0.)
        if (self.chunked and "CONTENT_LENGTH" in self.headers) or "TRANSFER_ENCODING" in self.headers:
            self.headers["CONNECTION"] = "close"
        if (self.content_length or self.chunked) and not takes_files(self.command, self.path):
            self.adj = copy(self.adj)
            no_body = self.command in WITHOUT_A_BODY
            self.adj.max_request_body_size = (
                LARGEST_UNEXPECTED_BODY if no_body else 2 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            )
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(self.adj.inbuf_overflow)
            if self.content_length > self.adj.inbuf_overflow and is_space_scarce(self.content_length):
                self.body_rcv.buf.refuse()

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.completed and self.error is None and self.body_rcv is not None and self.body_rcv.buf.no_room:
            self.error = NoRoom(NO_ROOM)
        return consumed


class Channel(HTTPChannel):
    """A connection.

    sender: the network of the visitor's address, which our proxy states in the headers of a request;
    "" before the first request. since: when the present request began; before the first request,
    when the connection began. used: whether data has come.
    """

    task_class, error_task_class, parser_class = Task, RefusedTask, Parser

    def __init__(self, server: Any, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:
        super().__init__(server, sock, addr, adj, map)
        self.since, self.sender, self.used = self.creation_time, sender_of(addr[0], ""), False
        self.close_least_used()

    def received(self, data: bytes) -> Any:
        """Called by waitress with new data."""
        before, earlier_sender = self.request, self.sender
        is_consumed = super().received(data)
        request, self.used = self.request, True
        if request is not before:
            self.since = time.time()
        if request is not None and request.headers_finished and is_trusted(self.addr[0]):
            self.sender = sender_of(self.addr[0], request.headers.get("X_FORWARDED_FOR", ""))
            if self.sender != earlier_sender:
                self.close_least_used()
        return is_consumed

    def service(self) -> None:
        """Work on one request, or let it wait until another request of this sender, or of all senders, has
        ended. Called in a thread."""
        sender, server = self.sender, self.server
        if getattr(self.requests[0], "path", "") in HEALTH and _health_threads.acquire(blocking=False):
            try:
                super().service()
            finally:
                _health_threads.release()
            return
        with _threads_lock:
            if sender and _working[sender] == THREADS_OF_AN_ADDRESS:
                _waiting[sender].append(self)
                return
            if _working.total() >= THREADS:
                _waiting_for_all.append(self)
                return
            _working[sender] += 1
        try:
            super().service()
        finally:
            with _threads_lock:
                _working[sender] -= 1
                following = [line.popleft() for line in (_waiting[sender], _waiting_for_all) if line]
                for by_sender in (_working, _waiting):
                    if not by_sender[sender]:
                        del by_sender[sender]
            for channel in following:
                server.add_task(channel)

    def readable(self) -> Any:
        """Whether the connection waits for data. Waitress asks at least once a second, so late
        connections are closed here."""
        if self.is_late(time.time()):
            self.cut_off()
        return super().readable()

    def is_late(self, now: float) -> bool:
        """Whether the client takes too long to read an answer or to send a request. now: seconds
        since 1970."""
        if self.total_outbufs_len:
            return now - self.last_activity > UNREAD_SECONDS
        if self.requests:
            return False
        if self.request is None:  # waitress itself closes used connections after a while
            return not self.used and now - self.since > HEADER_SECONDS
        return now - self.since > HEADER_SECONDS + self.request.body_bytes_received / SLOWEST_BYTES_PER_SECOND

    def cut_off(self) -> None:
        """Close the connection."""
        self.will_close = True
        with suppress(OSError, AttributeError):  # it is closed already
            self.socket.shutdown(socket.SHUT_RDWR)

    def close_least_used(self) -> None:
        """Close the least used other connection if this sender, or all senders together, have too many;
        close this connection if all others have a request in work."""
        others = [
            channel
            for channel in self.server.active_channels.values()
            if channel is not self and not channel.will_close
        ]
        if self.sender:
            self._close_one_of(
                [channel for channel in others if channel.sender == self.sender], CONNECTIONS_OF_AN_ADDRESS
            )
        self._close_one_of(others, CONNECTIONS)

    def _close_one_of(self, others: Collection[Channel], limit: int) -> None:
        """Close the least used of these connections, if there are `limit` or more."""
        if len(others) < limit:
            return
        logger.warning("%s has many open connections, so the least used are closed.", self.sender or self.addr[0])
        idle = [channel for channel in others if not channel.requests and not channel.total_outbufs_len]
        min(idle, key=lambda channel: (channel.request is not None, channel.last_activity), default=self).cut_off()


def sender_of(peer: str, forwarded: str) -> str:
    """The network of a visitor's address; "" if our proxy has not stated an address.

    peer: the address at the other end of the connection. forwarded: the header X-Forwarded-For of our
    proxy.
    """
    if not is_trusted(peer):
        return network_of(peer)
    visitor = first_untrusted(forwarded, "")
    return network_of(visitor) if visitor and not is_trusted(visitor) else ""
