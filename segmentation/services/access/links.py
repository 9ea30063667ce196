"""Private links: anybody who has the link of a result or sample can look at it. The owner can set when
the link ends, renew it or switch it off."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from secrets import token_hex
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from ...models import Job, Link, Micrograph, Owned, Sample
from ..ground.refusal import Refused

SECRET_LENGTH = 32  # characters of a secret: 128 bits
TERMS = {"never": None, "1 day": timedelta(days=1), "1 week": timedelta(days=7), "30 days": timedelta(days=30)}
LATEST_END = timedelta(days=3660)  # from now: a little over ten years (END_HINT)
EXPIRED = "This link has expired: ask the person who sent it for a new one."
SWITCHED_OFF = "This link was switched off: ask the person who sent it."
LOOK_ONLY = "This link is for looking only: ask its owner, or run your own analysis."
END_HINT = f"ends is {', '.join(TERMS)} or a date such as 2027-03-31, from today on and within ten years."


class LinkEnded(Http404):
    """The caller has a link that has expired or is switched off. The message is one sentence."""


def may_open(row: Owned, user: Any, visitor: UUID | None, secrets: Collection[str] = ()) -> bool:
    """Whether a caller may look at a row: the maker, permitted staff, and anybody who has its link.

    secrets: of the links that came with the request. Raises LinkEnded if such a link has expired or
    is switched off.
    """
    if not isinstance(row, Job | Sample | Micrograph):
        return row.is_visible_to(user)
    is_maker = row.owner_id is None and row.visitor is not None and row.visitor == visitor
    if row.staff_may(user, "view") or (row.is_visible_to(user) and (row.owner_id or is_maker)):
        return True
    if settings.DEEPSEGM_REQUIRE_LOGIN and not getattr(user, "is_authenticated", False):
        return False
    return _opens(row, secrets)


def is_open(row: Owned, user: Any, visitor: UUID | None) -> bool:
    """Whether a caller may look at a row without using a link."""
    try:
        return may_open(row, user, visitor)
    except LinkEnded:
        return False


def check_open(row: Owned, user: Any, visitor: UUID | None) -> None:
    """Raises Refused (403) if the caller may look at the row only because of a link."""
    if not is_open(row, user, visitor):
        raise Refused(LOOK_ONLY, 403)


def used_secret(row: Owned, secrets: Collection[str]) -> str:
    """The first of these secrets that belongs to a link of the row; "" if none does."""
    links = [link for link in _links_by_target(row).values() if link.number]
    valid = {secret for link in links for secret in (secret_of(link), printed_secret(link, row.pk))}
    return next((secret for secret in secrets if secret in valid), "")


def secret_of(link: Link) -> str:
    """The secret of a link. It is computed with the site's secret key, so it cannot be read from a
    copy of the database."""
    return salted_hmac("segmentation.link", f"{link.target} {link.number}", algorithm="sha256").hexdigest()[
        :SECRET_LENGTH
    ]


def printed_secret(link: Link, pk: UUID) -> str:
    """A secret for files of one row (id) that a link opens: it opens this row alone, as long as the link
    does, and does not reveal the secret of the link."""
    return salted_hmac("segmentation.printed", f"{pk} {link.target} {link.number}", algorithm="sha256").hexdigest()[
        :SECRET_LENGTH
    ]


def printed_link(row: Job | Sample) -> tuple[str, datetime | None] | None:
    """The secret that a file of a row may hold, "" if none is needed, and when it ends; None if the row has
    no open link.

    It is that of the link that ends first, of the row and of its sample, because whoever sees the row by
    either can read the file.
    """
    if state_of(row) != "open":
        return None
    links = [link for link in _links_by_target(row).values() if link.number and not link.off and not _has_ended(link)]
    if not links:
        return "", None
    soonest = min(links, key=lambda link: (link.ends is None, link.ends and link.ends.timestamp()))
    return printed_secret(soonest, row.pk), soonest.ends


def link_of(row: Owned) -> Link | None:
    """The link of a result or sample; None if nobody has changed it yet, because it has no row then."""
    return Link.objects.filter(pk=row.pk).first()


def state_of(row: Owned) -> str:
    """The state of a row's link: "none", "open", "expired" or "off"."""
    link = link_of(row)
    if link is None or (row.owner_id and not link.number):
        return "none" if row.owner_id else "open"
    return "off" if link.off else "expired" if _has_ended(link) else "open"


@transaction.atomic
def change_link(*, row: Owned, ends: str = "", renew: bool = False, off: bool | None = None) -> Link:
    """Change the link of a row.

    ends: a key of TERMS or a date; "" changes nothing. renew: give it a new secret; the old one
    becomes invalid. off: switch it off (True) or on (False). Raises Refused (422) if `ends` is
    neither.
    """
    link = Link.objects.select_for_update().filter(pk=row.pk).first() or Link(pk=row.pk)
    if ends:
        link.ends = _end(ends)
    if renew or (row.owner_id and not link.number and not off):
        link.number = token_hex(16)
        link.off = False
        if _has_ended(link):
            link.ends = None
    if off is not None:
        link.off = off
    link.save()
    return link


def _end(text: str) -> datetime | None:
    """The time at which a link ends; None for never. text: a key of TERMS or a date such as
    2027-03-31. Raises Refused (422)."""
    now = timezone.now()
    if text in TERMS:
        term = TERMS[text]
        return now + term if term else None
    try:
        day = timezone.make_aware(datetime.combine(date.fromisoformat(text), time.max))
    except ValueError:
        raise Refused(END_HINT, 422) from None
    if not now < day < now + LATEST_END:
        raise Refused(END_HINT, 422)
    return day


def _has_ended(link: Link) -> bool:
    return link.ends is not None and link.ends <= timezone.now()


def _opens(row: Job | Sample | Micrograph, secrets: Collection[str]) -> bool:
    """Whether one of the secrets opens a row: the secret of its link, of the link of its sample, or
    for an image of the link of a job that analyses it. Raises LinkEnded if that link has ended."""
    links_by_target = _links_by_target(row)
    if isinstance(row, Micrograph) and (jobs := list(row.jobs.all())):
        answers = [
            _answer(links_by_target.get(job.pk) or links_by_target.get(job.sample_id), job, secrets) for job in jobs
        ]
    else:
        links = [links_by_target.get(row.pk), links_by_target.get(row.sample_id) if isinstance(row, Job) else None]
        answers = [_answer(links[0] or links[1], row, secrets)]
        if all(links):  # a file of the row may hold a secret that ends with the link of the sample
            answers.append(_answer(links[1], row, secrets, printed_only=True))
    if True in answers:
        return True
    if ended := next((answer for answer in answers if answer), None):
        raise LinkEnded(ended)
    return False


def _answer(link: Link | None, row: Owned, secrets: Iterable[str], *, printed_only: bool = False) -> bool | str:
    """Whether a link lets the caller look at a row; a sentence if the caller has its secret but it has ended.
    Without a link's secret a row without an owner is open. printed_only: only the secret in files of the row
    counts."""
    if link is None or not link.number:
        may_see = row.owner_id is None and not printed_only
    else:
        valid = [printed_secret(link, row.pk), *([] if printed_only else [secret_of(link)])]
        may_see = any(constant_time_compare(sent, secret) for sent in secrets for secret in valid)
    if link is None or not may_see:
        return may_see
    return SWITCHED_OFF if link.off else EXPIRED if _has_ended(link) else True


def _links_by_target(row: Owned) -> dict[Any, Link]:
    """The links that may open a row, by the id of their target: the row, its sample, or the results
    of an image."""
    targets = {row.pk, getattr(row, "sample_id", None)}
    if isinstance(row, Micrograph):
        targets |= {pk for pair in row.jobs.values_list("pk", "sample") for pk in pair}
    return Link.objects.in_bulk(list(targets - {None}))
