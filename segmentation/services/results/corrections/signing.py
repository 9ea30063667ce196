"""Signatures under finished results. The signer gives the password again; the signature stores
checksums of the outlines, of result.json and of the numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.conf import settings as site
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.http import HttpRequest

from ....core.names import clean_text
from ....core.quality.method import checksum_of
from ....core.quality.specification import Specification
from ....core.report.exports.base import RESULT
from ....core.report.file_options import ANNEX, CONFORMITY, FORM, REPORT
from ....models import Job, Signature
from ....models.edits import LONGEST_SIGNER, chain_faults, hash_of
from ....plain import storable
from ...access import links, second_factor
from ...ground import bundles, staff_log
from ...ground.files import delete_with_files
from ...ground.refusal import LOCKED_OUT, Refused
from ..publishing import SEGMENTATION_FILE
from .steps import check_measured, make_version

SIGNATURES = "signatures.json"
# Files that are written again after each signature.
STALE_FILES = (REPORT, ANNEX, FORM, CONFORMITY, *bundles.ARCHIVE_FILES, SIGNATURES)
SIGN_IN = "Only a person with an account can sign: sign in first."
NOT_DONE = "Only a finished result can be signed."
UNREAD = "A scale bar in the image is still to be compared with the scale: wait a moment, look, then sign."
NOT_MADE = "Only the account that made this result may sign it as made; sign as reviewed or approved."
OWN = "You made or corrected this result: another account reviews and approves it."
TAKE_OVER = "This result was made in this browser, before the sign-in: take it over first, then sign it as made."
NO_MEANING = f"meaning is one of {', '.join(Signature.Meaning.values)}."
NO_NAME = f"Type the name that is printed, of at most {LONGEST_SIGNER} characters."
WRONG_PASSWORD = "The password is wrong, so nothing was {done}."
TWICE = "You have signed this result as {meaning} already."
MEANWHILE = "This result was signed at the same moment, in another place: look at it again, then sign."
MISSING = "The files of this result are missing, so it cannot be signed."
KEPT = "This result is signed, or a signed result is made from it: only an administrator may delete it."
DELETED = "signed a result that was deleted since"  # the action in the log
COVERED_NAMES = {
    "labels": f"outlines ({SEGMENTATION_FILE})",
    "result": f"result ({RESULT})",
    "numbers": "numbers on the page",
    "specification": "specification",
    "reference": "reference material",
    "decision": "decision",
    "method": "method",
}


def sign_job(
    *, job: Job, request: HttpRequest, password: str, name: str = "", meaning: str = Signature.Meaning.MADE
) -> Signature:
    """Sign a finished result that the caller may see. The signed files and numbers never change
    afterwards.

    name: to be printed; "" means the full name of the account. meaning: a `Signature.Meaning`.
    Raises Refused (403 without an account, with a wrong password, or if somebody else made a result
    that is to be signed as made; 409 the result cannot be signed; 422; 429 too many wrong
    passwords).
    """
    user: Any = request.user
    if not user.is_authenticated:
        raise Refused(SIGN_IN, 403)
    if not job.is_done:
        raise Refused(NOT_DONE, 409)
    if meaning not in Signature.Meaning.values:
        raise Refused(NO_MEANING, 422)
    if meaning not in meanings_for(job, user, request.visitor):
        is_unclaimed = job.owner_id is None and user.get_username() not in job.makers
        refusal = TAKE_OVER if is_unclaimed and job.visitor == request.visitor else OWN
        raise Refused(NOT_MADE if meaning == Signature.Meaning.MADE and refusal == OWN else refusal, 403)
    printed = printed_name(user, name)
    check_measured(job)
    links.check_open(job, user, request.visitor)
    check_password(request, password)
    return _sign(job, user.get_username(), printed, meaning)


def meanings_for(job: Job, user: Any, visitor: UUID | None) -> list[str]:
    """The meanings with which a user may sign a result: its owner as made; as reviewed and approved only
    who had no part in it, unless one person works alone on this site. visitor: the browser of the user."""
    if not user.is_authenticated:
        return []
    name, as_made = user.get_username(), Signature.Meaning.MADE
    has_made = name in job.makers or (job.owner_id is None and job.visitor is not None and job.visitor == visitor)
    has_judged = job.signatures.filter(account=name).exclude(meaning=as_made).exists()
    meanings = [as_made.value] if job.owner_id == user.pk and (site.DEEPSEGM_ONE_PERSON or not has_judged) else []
    others = [word for word in Signature.Meaning.values if word != as_made]
    return meanings + (others if site.DEEPSEGM_ONE_PERSON or not has_made else [])


def printed_name(user: Any, typed: str) -> str:
    """The name that is printed with a signature; "" means the full name of the account. Raises Refused (422)."""
    printed = clean_text(typed) or user.get_full_name() or user.get_username()
    if len(printed) > LONGEST_SIGNER:
        raise Refused(NO_NAME, 422)
    return printed


def check_password(request: HttpRequest, password: str, done: str = "signed") -> None:
    """Raises Refused (403) if the account that asks has not given its second factor, or this is not its password;
    429 after too many wrong ones, which count as at the sign-in. done: what the password is for."""
    user: Any = request.user
    second_factor.check(user)
    account = account_with_password(request, user.get_username(), storable(password))
    if account is None or account.pk != user.pk:
        raise Refused(WRONG_PASSWORD.format(done=done), 403)


def account_with_password(request: HttpRequest, name: str, password: str) -> Any:
    """The account with this name and password; None if one of them is wrong. Raises Refused (429)
    after too many wrong passwords."""
    try:
        account = authenticate(request, username=name, password=password)
    except ValidationError as error:  # accounts.Crowded: too many sign-ins at once
        raise Refused(error.messages[0], 429) from None
    if account is None and getattr(request, "axes_locked_out", False):
        raise Refused(LOCKED_OUT, 429)
    return account


@transaction.atomic
def _sign(job: Job, account: str, name: str, meaning: str) -> Signature:
    """Store a signature, chained to the signature before it, and remove STALE_FILES, which must be
    written again. Raises Refused."""
    now = Job.objects.filter(state=Job.State.DONE).locked(job.pk)
    if now is None:
        raise Refused(NOT_DONE, 409)
    if now.stored.unread:
        raise Refused(UNREAD, 409)
    make_version(now)
    if now.signatures.filter(account=account, meaning=meaning).exists():
        raise Refused(TWICE.format(meaning=meaning), 409)
    try:
        digests = {f"{file}_sha256": digest for file, digest in _digests(now).items()}
    except OSError as error:
        raise Refused(MISSING, 409) from error
    fields = {"account": account, "name": name, "meaning": meaning, "covered": _covered(now), **digests}
    row = Signature(job=now, sequence=now.signatures.count() + 1, **fields)
    row.previous = now.signature_hash
    row.hash = row.computed_hash()
    if not Job.objects.filter(pk=now.pk, signature_hash=row.previous).update(signature_hash=row.hash):
        raise Refused(MEANWHILE, 409)
    row.save(force_insert=True)
    delete_with_files(now.artifacts.filter(name__in=STALE_FILES))
    return row


def _digests(job: Job) -> dict[str, str]:
    """The SHA-256 of the present outlines, result.json and numbers, by the keys of COVERED_NAMES; raises
    OSError."""
    digests = {}
    for name, file in (("labels", SEGMENTATION_FILE), ("result", RESULT)):
        artifact = job.artifact(file)
        if artifact is None:
            raise FileNotFoundError(file)
        with bundles.open_file(artifact) as opened:
            digests[name] = hashlib.file_digest(opened, "sha256").hexdigest()
    return {**digests, "numbers": hash_of(job.summary)}


def _covered(job: Job) -> dict[str, Any]:
    """What stands under a signature besides files and numbers (`Signature.covered`), as it is now."""
    version = job.method
    method = version and {"name": version.method.name, "number": version.number, "state": version.state}
    return {
        **job.judgement_fields,
        "decision": _decision(job),
        "method": method and {**method, "sha256": checksum_of(version.description)},
    }


def _decision(job: Job) -> dict[str, str]:
    """The verdict on the limits of a result, and by number on each of them; {} without limits."""
    if not job.specification:
        return {}
    specification, stored = Specification.read(job.specification), job.stored
    values = {limit.quantity: stored.value(limit.quantity) for limit in specification.limits}
    conformity = specification.decision(values, stored.doubt)
    return {"all": conformity.verdict, **{row.limit.quantity: row.verdict for row in conformity.decisions}}


def broken_signatures(job: Job) -> list[str]:
    """The faults of a job's signatures and of the files and numbers that they cover, a sentence each."""
    rows = list(job.signatures.all())
    return [*chain_faults(rows, "Signature", job.signature_hash), *(_changed_files(job, rows) if rows else ())]


def _changed_files(job: Job, rows: list[Signature]) -> Iterator[str]:
    """A sentence for each of COVERED_NAMES that changed after a signature."""
    try:
        now = _digests(job)
    except (OSError, ValueError, EOFError) as error:
        yield f"The files that were signed cannot be read: {error}."
        return
    covered = _covered(job)
    for name, what in COVERED_NAMES.items():
        broken = [
            str(row.sequence)
            for row in rows
            if (row.digests[name] != now[name] if name in now else name in row.covered and _differs(name, row, covered))
        ]
        if broken:
            yield f"The {what} is not what was signed by signature {', '.join(broken)}: it was changed since."


def _differs(name: str, row: Signature, now: dict[str, Any]) -> bool:
    """Whether an entry of what a signature covers is another one now. A method may be withdrawn since."""
    before, after = row.covered[name], now[name]
    if name != "method" or not before or not after:
        return bool(before != after)
    return bool(before["sha256"] != after["sha256"] or before["number"] != after["number"])


@receiver(pre_delete, sender=Signature)
def keep_in_log(instance: Signature, **kwargs: Any) -> None:
    """Keep the signature of a result that is deleted, also with its account, in the log of the staff, which
    nobody deletes. Django calls this."""
    staff_log.note(instance.account, DELETED, instance, instance.as_dict())


def signed_jobs() -> set[UUID]:
    """The ids of jobs that only an administrator may delete: signed jobs, and jobs from whose outlines or
    corrections a signed job was made."""
    pks = set(Signature.objects.values_list("job", flat=True))
    while pks:
        segmentations = Job.objects.filter(pk__in=pks, segmentation__isnull=False).values("segmentation")
        makers = Job.objects.filter(corrects__isnull=False, segmentation__in=segmentations).values_list("pk", "parent")
        more = {pk for pair in makers for pk in pair if pk} - pks
        if not more:
            break
        pks |= more
    return pks
