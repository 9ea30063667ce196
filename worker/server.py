"""The server of `up`: waitress, with limits on what one address may hold open and how long a request may take to come.

A connection costs nothing but its place, so an address with too many loses those that are least in use. What is worked
on is never given up for another; who reads no answer is. A long answer that is read slowly holds a thread, so the
requests of an address beyond its share of threads wait for one another.
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
from segmentation.services.ground.space import NO_ROOM, is_scarce

logger = logging.getLogger(__name__)
THREADS, THREADS_OF_AN_ADDRESS = 16, 5
CONNECTIONS, OF_AN_ADDRESS = 800, 128  # a browser opens six
OPEN_FILES = 4096  # a connection may have a body and an answer on disk, too
SECONDS = 15.0  # for the head of a request
SLOWEST = 1000.0  # bytes a second of a body
UNREAD_SECONDS = 60.0  # until the next bytes of an answer are taken
WITHOUT_A_BODY = ("GET", "HEAD", "OPTIONS", "DELETE")
LARGEST_OTHERS = 2**16  # bytes that some programs send all the same
_turns = threading.Lock()
_working: Counter[str] = Counter()  # requests that have a thread, and connections that wait for one, by their senders
_waiting: defaultdict[str, deque[Channel]] = defaultdict(deque)


def listen(bind: str, port: int) -> Any:
    """A server that holds its port already; one sentence when it cannot."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        sockets: dict[int, Any] = {}
        server = waitress.create_server(
            without_bodies(get_internal_wsgi_application()),
            host=bind,
            port=port,
            map=sockets,
            threads=THREADS,
            ident=None,
            max_request_body_size=settings.DEEPSEGM_MAX_REQUEST_BYTES,
            clear_untrusted_proxy_headers=False,  # our own middleware does it, under every server
            connection_limit=2 * CONNECTIONS,  # never reached, as then nobody is let in any more
            asyncore_use_poll=True,  # select knows no file after the first 1024
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
    """Where the server really listens: port 0 lets the system choose."""
    listening = getattr(server, "effective_listen", None)
    return listening[0] if listening else (server.effective_host, server.effective_port)


class NoRoom(Error):
    """The answer where a body finds no place on the disk."""

    code, reason = 507, "Insufficient Storage"


class Body(OverflowableBuffer):
    """What is sent. Of a body that finds no room nothing is kept, but it is read to its end: who is cut off while
    sending reads no answer."""

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
        self.no_room = True
        with suppress(OSError):  # to empty a buffer writes what is left in it
            self.close()
        self.buf, self.strbuf = None, b""


class RefusedTask(ErrorTask):
    """What waitress refuses before Django sees it, such as a request that is too large: in JSON to scripts. Its own
    words would repeat what was sent, where a password may stand."""

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


def without_bodies(application: Any) -> Any:
    """The application, with empty answers to HEAD: what follows its headers would be taken for the next answer."""

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        response = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return response
        if hasattr(response, "close"):
            response.close()
        return []

    return answer


class Task(WSGITask):
    """Of an answer to HEAD without a length, the end of the body is not sent either."""

    def build_response_header(self) -> bytes:
        header: bytes = super().build_response_header()
        self.chunked_response = self.chunked_response and self.request.command != "HEAD"
        return header


class Parser(HTTPRequestParser):
    """Knows from the head of a request how large its body may be: only addresses for files take large ones. A request
    that says its length twice is the last one of its connection, as a proxy may take the rest for another one."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if (self.chunked and "CONTENT_LENGTH" in self.headers) or "TRANSFER_ENCODING" in self.headers:  # of HTTP/1.0
            self.headers["CONNECTION"] = "close"
        if (self.content_length or self.chunked) and not takes_files(self.command, self.path):
            self.adj = copy(self.adj)
            no_body = self.command in WITHOUT_A_BODY
            self.adj.max_request_body_size = LARGEST_OTHERS if no_body else 2 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(self.adj.inbuf_overflow)
            if self.content_length > self.adj.inbuf_overflow and is_scarce(self.content_length):
                self.body_rcv.buf.refuse()

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.completed and self.error is None and self.body_rcv is not None and self.body_rcv.buf.no_room:
            self.error = NoRoom(NO_ROOM)
        return consumed


class Channel(HTTPChannel):
    """A connection. sender: the network of the visitor's address, which a proxy of ours tells in the head of a request;
    "" while it does not. since: when the request that is coming began, or the connection. used: whether any came."""

    task_class, error_task_class, parser_class = Task, RefusedTask, Parser

    def __init__(self, server: Any, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:
        super().__init__(server, sock, addr, adj, map)
        self.since, self.sender, self.used = self.creation_time, sender_of(addr[0], ""), False
        self.make_room()

    def received(self, data: bytes) -> Any:
        before, earlier_sender = self.request, self.sender
        took = super().received(data)
        coming, self.used = self.request, True
        if coming is not before:
            self.since = time.time()
        if coming is not None and coming.headers_finished and is_trusted(self.addr[0]):
            self.sender = sender_of(self.addr[0], coming.headers.get("X_FORWARDED_FOR", ""))
            if self.sender != earlier_sender:
                self.make_room()
        return took

    def service(self) -> None:
        """Work on one request, or let it wait until another of this sender has ended."""
        sender, server = self.sender, self.server
        with _turns:
            if sender and _working[sender] == THREADS_OF_AN_ADDRESS:
                _waiting[sender].append(self)
                return
            _working[sender] += 1
        try:
            super().service()
        finally:
            with _turns:
                _working[sender] -= 1
                following = _waiting[sender].popleft() if _waiting[sender] else None
                for turns in (_working, _waiting):
                    if not turns[sender]:
                        del turns[sender]
            if following:
                server.add_task(following)

    def readable(self) -> Any:
        """Asked in every round of the server, at least once a second."""
        if self.is_late(time.time()):
            self.give_up()
        return super().readable()

    def is_late(self, now: float) -> bool:
        if self.total_outbufs_len:
            return now - self.last_activity > UNREAD_SECONDS
        if self.requests:
            return False
        if self.request is None:  # waitress itself ends connections that were of use
            return not self.used and now - self.since > SECONDS
        return now - self.since > SECONDS + self.request.body_bytes_received / SLOWEST

    def give_up(self) -> None:
        self.will_close = True
        with suppress(OSError, AttributeError):  # it is closed already
            self.socket.shutdown(socket.SHUT_RDWR)

    def make_room(self) -> None:
        """Give up the least used connection of this sender, or of all, where there are too many; this one, where all
        others are worked on."""
        others = [
            channel
            for channel in self.server.active_channels.values()
            if channel is not self and not channel.will_close
        ]
        if self.sender:
            self._make_room([channel for channel in others if channel.sender == self.sender], OF_AN_ADDRESS)
        self._make_room(others, CONNECTIONS)

    def _make_room(self, others: Collection[Channel], limit: int) -> None:
        if len(others) < limit:
            return
        logger.warning("%s has many open connections, so the least used are closed.", self.sender or self.addr[0])
        idle = [channel for channel in others if not channel.requests and not channel.total_outbufs_len]
        min(idle, key=lambda channel: (channel.request is not None, channel.last_activity), default=self).give_up()


def sender_of(peer: str, forwarded: str) -> str:
    """The network of a visitor; "" where a proxy of ours has not told it."""
    if not is_trusted(peer):
        return network_of(peer)
    visitor = first_untrusted(forwarded, "")
    return network_of(visitor) if visitor and not is_trusted(visitor) else ""
