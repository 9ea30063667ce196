"""Webhooks: messages that the site sends to addresses of an account when its work is done or has
failed (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import logging
import re
import secrets
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ...models import REQUEUE_FIELDS, ControlChart, Delivery, Job, Sample, Training, Webhook
from ..ground import bounds
from ..ground.queue import enqueue_after_commit
from ..ground.refusal import Refused
from .site_address import address_of

logger = logging.getLogger(__name__)
PREFIX = "whsec_"  # of the secret with which messages are signed (Standard Webhooks)
# A message that is not accepted is sent again at these ages, as Standard Webhooks recommends; after the
# last one it is given up.
RETRY_AGES = [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=35)]
RETRY_AGES += [timedelta(hours=hours) for hours in (2.5, 7.5, 17.5, 31.5, 51.5, 75.5)]
STOPPED_AFTER = timedelta(days=5)  # a webhook is stopped after so long without an accepted message
# If an address does not answer, its other messages wait so long, and messages to other addresses are
# sent first.
PAUSE_WITHOUT_ANSWER = timedelta(minutes=1)
STORED_FOR = timedelta(days=30)  # delivered and given-up messages
# Special-purpose addresses by the registries of IANA, 2025-10 (Python's `ipaddress` differs from version
# to version). Of IPv6 only the public range is allowed; loopback, private, NAT64 and multicast
# addresses are outside it and need no entry.
GLOBAL_NETWORKS = {4: ip_network("0.0.0.0/0"), 6: ip_network("2000::/3")}
SPECIAL_NETWORKS = {
    4: [
        *map(ip_network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")),
        *map(ip_network, ("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24")),
        *map(ip_network, ("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15")),
        *map(ip_network, ("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")),
    ],
    6: [*map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))],
}
GONE_STATUS = 410  # HTTP status by which a receiver asks for no more messages
NO_URL = "Type the address of your server, such as https://lab.example.org/deepsegm."
NO_HTTPS = "The address must begin with https://, so that nobody can read or change the messages on their way."
PORTS = "The port must be 80, 443, or 1024 to 65535."
PRIVATE = "The address belongs to a private network, and this site sends messages to public addresses only."
NOT_SENT = "not sent: the webhook was stopped"


@transaction.atomic
def create_webhook(*, user: Any, url: str, pk: UUID) -> Webhook:
    """Make a webhook of an account. Raises Refused (400 the address is not allowed, 409 too many webhooks)."""
    url = url.strip()
    check_url(url)
    bounds.ask(Webhook, user=user)
    secret = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    webhook = Webhook(id=pk, owner=user, url=url, secret=secret)
    webhook.save(force_insert=True)
    return webhook


def check_url(url: str) -> None:
    """Raises Refused (400) if messages may not be sent to this URL. A host name is not resolved here,
    but when a message is sent."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused(NO_URL) from None
    is_allowed_text = re.fullmatch(r"[!-~]{1,500}", url) and "@" not in parts.netloc and not parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_allowed_text:
        raise Refused(NO_URL)
    if parts.scheme != "https" and not settings.DEEPSEGM_WEBHOOKS_PRIVATE:
        raise Refused(NO_HTTPS)
    if port is not None and port not in (80, 443) and port < 1024:
        raise Refused(PORTS)
    host = parts.hostname.removesuffix(".")
    if re.fullmatch(r"(.+\.)?localhost", host):  # such a name is always this machine
        host = "127.0.0.1"
    with suppress(OSError):  # also short forms of an IPv4 address, such as 127.1 or 0x7f000001
        host = socket.inet_ntoa(socket.inet_aton(host))
    with suppress(ValueError):  # the host is a name
        check_address(host)


def check_address(address: str) -> None:
    """Raises Refused (400) for an IP address that is not public, ValueError for another text."""
    ip = ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    is_special = ip not in GLOBAL_NETWORKS[ip.version] or any(ip in network for network in SPECIAL_NETWORKS[ip.version])
    if is_special and not settings.DEEPSEGM_WEBHOOKS_PRIVATE:
        raise Refused(PRIVATE)


def announce(row: Job | Sample | Training, event: str) -> None:
    """Send a message to the webhooks of a row's owner that the work has ended. Call it in the
    transaction that ends the work.

    event: the type of the message, such as "job.done" or "sample.failed".
    """
    if row.owner_id is None:
        return
    name = row.micrograph.name if isinstance(row, Job) else getattr(row, "name", "") or str(row)
    body = {"id": str(row.pk), "url": address_of(row, "/api/v1").rstrip("/"), "page": address_of(row)}
    body |= {"state": event.rpartition(".")[2], "name": name, "error": row.error or None}
    body |= {"sample": str(row.sample_id) if row.sample_id else None} if isinstance(row, Job) else {}
    _send_to([row.owner_id], event, body)


def announce_alarm(chart: ControlChart, owners: Iterable[Any], event: str, body: dict[str, Any]) -> None:
    """Send a message to the webhooks of accounts that a point of a control chart is out of control.

    owners: ids of the accounts. event: the type of the message. body: further data of the message.
    """
    addresses = {"url": address_of(chart, "/api/v1").rstrip("/"), "page": address_of(chart)}
    _send_to(owners, event, {"id": str(chart.pk), **addresses, "state": event.rpartition(".")[2], **body})


def _send_to(owners: Iterable[Any], event: str, body: dict[str, Any]) -> None:
    """Send a message to the webhooks of these accounts (ids) that are not stopped."""
    for webhook in Webhook.objects.filter(owner__in=list(owners), stopped=None):
        _send(webhook, event, body)


def send_test(*, webhook: Webhook) -> None:
    """Send an empty message to test the address. Raises Refused (409 the webhook is stopped, 429
    too many tests)."""
    if webhook.stopped:
        raise Refused("This webhook is stopped: start it again, then send a test message.", 409)
    bounds.ask(Delivery, user=webhook.owner)
    _send(webhook, "test", {})


@transaction.atomic
def _send(webhook: Webhook, event: str, data: dict[str, Any]) -> None:
    """Store a message and let a worker send it."""
    payload = {"type": event, "timestamp": timezone.now().isoformat(), "data": data}
    delivery = Delivery.objects.create(webhook=webhook, event=event, payload=payload)
    enqueue_after_commit(delivery.pk, Delivery)


@transaction.atomic
def end_delivery(*, delivery: Delivery, status: int, answer: str) -> None:
    """Store the outcome of one attempt to send a message. A message that was not accepted is sent
    again at the next of RETRY_AGES, or given up.

    status: of HTTP, 0 for no answer. answer: the outcome in words, for the page. After STOPPED_AFTER
    without an accepted message, or for GONE_STATUS, the webhook is stopped and its waiting messages
    are given up. If there was no answer, they wait for PAUSE_WITHOUT_ANSWER. Raises `Superseded`.
    """
    now, webhook = timezone.now(), Webhook.objects.filter(pk=delivery.webhook_id)
    if 200 <= status < 300:
        delivery.finish(Delivery.State.DONE, answer=answer)
        webhook.exclude(failing=None).update(failing=None)
        return
    due = next((delivery.created + age for age in RETRY_AGES if delivery.created + age > now), None)
    if due is None or status == GONE_STATUS:
        delivery.finish(Delivery.State.FAILED, answer=answer)
    else:
        # The queue takes `started` for the last turn of the owner (`AttemptedQuerySet.last_turns`).
        delivery.change(**{**REQUEUE_FIELDS, "due": due, "started": now}, answer=answer)
    webhook.filter(failing=None).update(failing=now)
    waiting = Delivery.objects.filter(webhook=delivery.webhook_id, state=Delivery.State.QUEUED)
    failed_long = Q(failing__lte=now - STOPPED_AFTER)
    if webhook.filter(*([] if status == GONE_STATUS else [failed_long]), stopped=None).update(stopped=now):
        logger.warning("Webhook %s is stopped: %s.", delivery.webhook_id, answer)
        waiting.update(state=Delivery.State.FAILED, finished=now, answer=NOT_SENT)
    elif not status:
        waiting.filter(Q(due=None) | Q(due__lt=now + PAUSE_WITHOUT_ANSWER)).exclude(pk=delivery.pk).update(
            due=now + PAUSE_WITHOUT_ANSWER, enqueued=None
        )


def restart_webhook(*, webhook: Webhook) -> None:
    """Send messages to a stopped webhook again, from now on."""
    Webhook.objects.filter(pk=webhook.pk).update(stopped=None, failing=None)


def remove_old_deliveries() -> None:
    """Remove messages older than STORED_FOR that were delivered or given up."""
    ended = (Delivery.State.DONE, Delivery.State.FAILED)
    with transaction.atomic():
        Delivery.objects.filter(state__in=ended, created__lt=timezone.now() - STORED_FOR).delete()
