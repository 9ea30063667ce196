"""Sends the messages of webhooks: only to IP addresses that were checked, without redirects, within
ten seconds."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from pathlib import Path

import httpx
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from segmentation.models import Delivery
from segmentation.services.access.webhooks import NOT_SENT, check_address, check_url, end_delivery
from segmentation.services.ground.refusal import Refused

from .heartbeat import Progress

MESSAGE_SECONDS = 10.0  # for one message
LATE = f"no answer within {MESSAGE_SECONDS:g} s"
# How many IP addresses of a host name are tried: more than one, because a container often has a
# route only to IPv4 or only to IPv6.
MOST_ADDRESSES = 4


def deliver(delivery: Delivery, progress: Progress, folder: Path) -> None:
    """Try once to send a message, and store the outcome; raises `Superseded`."""
    if delivery.webhook.stopped:
        delivery.finish(Delivery.State.FAILED, answer=NOT_SENT)
        return
    progress("sending", 0.0)
    status, answer = send(delivery)
    end_delivery(delivery=delivery, status=status, answer=answer[:200])


def send(delivery: Delivery) -> tuple[int, str]:
    """Send a message; returns the HTTP status of the answer, 0 without an answer, and the outcome
    in words.

    The host name is resolved once, and the message goes only to the addresses that were checked
    then. The body of the answer is not read.
    """
    try:
        # The settings of the site may have changed since the webhook was made.
        check_url(delivery.webhook.url)
        url = httpx.URL(delivery.webhook.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        resolved = socket.getaddrinfo(url.raw_host.decode(), port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in resolved))
        for address in addresses:
            check_address(address)
        status = asyncio.run(_post(url, addresses[:MOST_ADDRESSES], delivery))
        return status, str(status)
    except Refused as refusal:
        return 0, refusal.sentence
    except socket.gaierror:
        return 0, "the name of the address is not known"
    except (TimeoutError, httpx.TimeoutException):
        return 0, LATE
    except (OSError, UnicodeError, httpx.HTTPError, httpx.InvalidURL) as error:
        return 0, _reason(error)


def _reason(error: Exception) -> str:
    """The reason of an error in words, from the error of the operating system, which httpx wraps
    several times."""
    cause: BaseException = error
    while deeper := cause.__cause__ or (None if isinstance(cause, OSError) else cause.__context__):
        cause = deeper
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ConnectionError) and cause.errno:
        return f"no answer: {os.strerror(cause.errno)}"
    problem = cause if isinstance(cause, OSError) else error
    return f"no answer: {str(problem) or type(problem).__name__}"


async def _post(url: httpx.URL, addresses: list[str], delivery: Delivery) -> int:
    """Send the message to the first IP address that accepts a connection; returns the status of the
    answer.

    The header Host and the check of the certificate use the host name. Raises the errors of httpx,
    and TimeoutError after MESSAGE_SECONDS in all (the time limits of httpx are for single steps).
    """
    now, body = timezone.now(), json.dumps(delivery.payload)
    headers = {
        "Host": url.netloc.decode(),
        "Content-Type": "application/json",
        "User-Agent": "DeepSegm",
        "webhook-id": str(delivery.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(delivery.webhook.secret).sign(str(delivery.pk), now, body),
    }
    limits = httpx.Timeout(MESSAGE_SECONDS, connect=MESSAGE_SECONDS / len(addresses))
    # Use the certificates that the system trusts, because a closed network may have its own. (By
    # default httpx uses those of certifi.)
    client = httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False, timeout=limits, headers=headers)
    problem: httpx.TransportError = httpx.ConnectError("the name has no address")
    sni = {"sni_hostname": url.raw_host.decode()}
    async with asyncio.timeout(MESSAGE_SECONDS), client:
        for address in addresses:
            try:
                async with client.stream("POST", url.copy_with(host=address), content=body, extensions=sni) as answer:
                    return answer.status_code
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                problem = error
    raise problem
