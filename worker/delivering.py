"""Messages of webhooks are sent: to the address that was checked, without redirects, within ten seconds."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from segmentation.models import Delivery
from segmentation.services import Refused
from segmentation.services.access.webhooks import NOT_SENT, check_address, check_url, end_delivery, signed

Progress = Callable[[str, float], None]
SECONDS = 10.0
LATE = f"no answer within {SECONDS:g} s"
HEADERS = {"Content-Type": "application/json", "User-Agent": "DeepSegm", "Connection": "close"}


def deliver(delivery: Delivery, progress: Progress, folder: Path) -> None:
    """Make one try at a message and store what came of it; raises `Superseded`."""
    if delivery.webhook.stopped:
        delivery.finish(Delivery.State.FAILED, answer=NOT_SENT)
        return
    progress("sending", 0.0)
    status, answer = send(delivery)
    end_delivery(delivery=delivery, status=status, answer=answer[:200])


def send(delivery: Delivery) -> tuple[int, str]:
    """The HTTP status of the answer, 0 without one, and what to say of it. The answer's body is not read."""
    body, headers = signed(delivery)
    clock = time.monotonic()
    try:
        check_url(delivery.webhook.url)  # the settings may have changed since it was made
        parts = urlsplit(delivery.webhook.url)
        with _connected(parts) as connection:
            path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            connection.request("POST", path, body, {**HEADERS, "Host": parts.netloc, **headers})
            status = connection.getresponse().status
            return status, str(status)
    except Refused as refusal:
        return 0, refusal.sentence
    except socket.gaierror:
        return 0, "the name of the address is not known"
    except ssl.SSLCertVerificationError as error:
        return 0, f"the certificate is not valid: {error.verify_message}"
    except (OSError, HTTPException, UnicodeError) as error:
        late = isinstance(error, TimeoutError) or time.monotonic() - clock >= SECONDS
        return 0, LATE if late else f"no answer: {error or type(error).__name__}"


@contextmanager
def _connected(parts: SplitResult) -> Iterator[HTTPConnection]:
    """A connection to a checked address. The name is looked up once. The connection is cut off after SECONDS.

    Raises OSError, and Refused if one of the name's addresses is not allowed.
    """
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    addresses = list(dict.fromkeys(str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    for address in addresses:
        check_address(address)
    plain = _first(addresses, port)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    wire = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) if context else plain
    cut = threading.Timer(SECONDS, _cut, [wire])
    cut.start()
    try:
        if isinstance(wire, ssl.SSLSocket):
            wire.do_handshake()
        connection = HTTPConnection(host, port)
        connection.sock = wire
        yield connection
    finally:
        cut.cancel()
        wire.close()


def _first(addresses: list[str], port: int) -> socket.socket:
    """A connection to the first address that takes one: a container often has a route to one kind only."""
    problem: OSError = OSError("the name has no address")
    for address in addresses[:4]:
        try:
            return socket.create_connection((address, port), timeout=SECONDS / min(len(addresses), 4))
        except OSError as error:
            problem = error
    raise problem


def _cut(wire: socket.socket) -> None:
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself
        return
