"""Methods of a laboratory: makes them from results, adds versions, approves and withdraws versions, and
finds a version by name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings as site
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Case, CharField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from pydantic import ValidationError

from ...core.analysis import AnalysisSettings
from ...core.micrograph.calibration.sources import Source
from ...core.names import clean_text
from ...core.network import cards
from ...core.quality.method import MethodDescription, changes
from ...core.quality.method_file import settings_of_method
from ...core.quality.stopping import StoppingRule
from ...core.settings import DEFAULT_TASK
from ...core.validation import sentence
from ...models import SHOWN_NAME, ChartPoint, Job, Method, MethodVersion, Sample, StaffAction
from ...plain import storable
from ...services.access import second_factor
from ...services.ground import bounds, staff_log
from ...services.ground.refusal import Refused, lock, typed_words
from ...services.results.corrections.signing import check_password
from .rows import LONGEST_REASON

SIGN_IN = "Sign in first: a method belongs to an account."
GONE = "This method has been deleted."
NOT_DONE = "Only a finished result can be saved as a method."
NO_MODEL = "The outlines of this result come from another tool, and a method needs a model that finds them."
NO_NAME = f"Type a name of the method, of at most {SHOWN_NAME} characters."
NAMED_ALREADY = "There is a method of this name already: choose another name, or save a further version of it."
NO_GROUP = "You are in no group of this name."
UNCHANGED = "Nothing is changed, so there is no further version."
OTHER_KIND = "The method is for another kind of analysis: save this result as a new method."
NOT_YOURS = "Only the owner of a method and the members of its group may change it."
NOT_ALLOWED = "Only an account that may change this method and approve methods can do that: ask the administrator."
OWN = "You wrote this version or a part of it: another account approves it."
HAS_RESULTS = "Results were made by this draft, so it stays: write the next version."
NO_DRAFT = "Only a draft can be approved: this version is {state}."
NOT_APPROVED = "Only an approved version can be withdrawn: this one is {state}."
NO_REASON = f"Type the reason, of at most {LONGEST_REASON} characters."
MEANWHILE = "This version was changed at the same moment, in another place: look at it again."
KEPT = "An approved version stays: withdraw it with a reason."
SIGNED = "Signed results were made by this method, so it stays: withdraw its versions."
UNKNOWN = "There is no method {text!r} here."
NO_VERSION = "There is no version {number} of the method {name!r}."
SEVERAL = "Several methods are named {name!r}: send the id of the version."
WITHDRAWN = "{title}: {reason} Choose another version."
NONE_LEFT = "Every version of the method {name!r} is withdrawn."
DEMO = "Demo: powder, median size"
DEMO_RULE = StoppingRule(quantity="median", half_width=0.1)
KNOWN_SOURCES = tuple(source for source in Source if source != Source.NONE)


def save_as_method(
    *, job: Job, user: Any, name: str, group: str = "", method: Method | None = None, reason: str = ""
) -> MethodVersion:
    """Save settings, model and source of the scale of a finished result as a draft: of a new method, or
    as the next version of `method`. The other requirements of `method` stay.

    group: the name of one of the account's groups, "" for none. reason: as for `change_method`. Raises Refused
    (401, 409, 422).
    """
    _check_signed_in(user)
    if not job.is_done:
        raise Refused(NOT_DONE, 409)
    settings, model = job.get_settings(), job.stored.model
    if job.stored.used.imported or not model.sha256:
        raise Refused(NO_MODEL, 409)
    settings = settings.replaced(model=model.name)  # an automatic choice is not part of a method
    source = job.calibration.source
    sources = (Source(source),) if source in KNOWN_SOURCES else KNOWN_SOURCES
    limits = job.specification.get("limits", ())
    if method is None:
        description = _new_description(settings, model.sha256, sources, {"limits": limits})
        return create_method(description=description, user=user, name=name, group=group)
    before = read_description(newest_version(method))
    if before.task != settings.task:
        raise Refused(OTHER_KIND, 422)
    further = {"quantity": before.quantity, "texts": before.texts, "stopping": before.stopping}
    further |= {"least_images": before.least_images, "least_particles": before.least_particles}
    return change_method(
        method=method,
        user=user,
        reason=reason,
        description=_new_description(settings, model.sha256, sources, {**further, "limits": limits or before.limits}),
    )


def _new_description(
    settings: AnalysisSettings, weights: str, sources: tuple[Source, ...], further: dict[str, Any]
) -> MethodDescription:
    """A description from settings, the SHA-256 of the weights, allowed sources of the scale and
    further fields. Raises Refused (422)."""
    try:
        return MethodDescription.of_result(settings, weights, sources[0], **{"scale_sources": sources, **further})
    except ValidationError as error:
        raise Refused(sentence(error), 422) from None


@transaction.atomic
def create_method(*, description: MethodDescription, user: Any, name: str, group: str = "") -> MethodVersion:
    """Make a method with its first version, a draft. Raises Refused (401, 409 the name is taken,
    422)."""
    _check_signed_in(user)
    words = typed_words(name, SHOWN_NAME, NO_NAME)
    row = Method(owner=user, name=words)
    if group:
        row.group = user.groups.filter(name=storable(group)).first()
        if row.group is None:
            raise Refused(NO_GROUP, 422)
    bounds.ask(Method, user=user)
    if row.group:
        bounds.ask(Method, among=Method.objects.filter(group=row.group), user=user)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Refused(NAMED_ALREADY, 409) from None
    version = _new_version(row, description, user, 1)
    staff_log.note(user, "saved a method", version, {}, _log_values(version))
    return version


def make_demo(*, user: Any) -> MethodVersion:
    """Make a method for the example image, to try versions, approval and a sample that grows.
    Raises Refused (401, 409)."""
    card = next(card for card in cards.available() if card.task == DEFAULT_TASK and not card.comparison)
    settings = AnalysisSettings.of(model=card.name)
    further = {"stopping": DEMO_RULE, "least_images": 2, "least_particles": 200}
    description = _new_description(settings, card.sha256, (Source.METADATA, Source.DATA_BAR), further)
    return create_method(description=description, user=user, name=DEMO)


@transaction.atomic
def change_method(*, method: Method, description: MethodDescription, user: Any, reason: str = "") -> MethodVersion:
    """Write a description into the draft of a method, or into a new draft if the newest version is approved
    or has results; returns the draft.

    reason: why a next version is made. Raises Refused (401, 403, 409, 422 another kind of analysis or a
    next version without a reason)."""
    check_changeable(method, user)
    lock(method, GONE)
    last = newest_version(method)
    lock(last, GONE)  # a result that is begun by it at this moment is seen below
    # Both are compared: the stored checksum differs if the release that wrote it had fewer settings.
    if description.checksum in (last.checksum, read_description(last).checksum):
        raise Refused(UNCHANGED, 409)
    if description.task != last.description.get("task"):
        raise Refused(OTHER_KIND, 422)
    is_draft = last.state == MethodVersion.State.DRAFT
    if is_draft and not last.has_results:
        before = _log_values(last)
        fields = {"description": description.as_dict(), "checksum": description.checksum}
        fields |= {"authors": sorted(last.makers), "author": user.get_username(), "created": timezone.now()}
        if not last.update_if_unchanged(**fields):
            raise Refused(MEANWHILE, 409)
        staff_log.note(user, "changed a draft of a method", last, before, _log_values(last))
        return last
    fields = {
        "authors": sorted(last.makers) if is_draft else [],
        "purpose": typed_words(reason, LONGEST_REASON, NO_REASON),
    }
    version = _new_version(method, description, user, last.number + 1, **fields)
    staff_log.note(user, "made a version of a method", version, _log_values(last), _log_values(version))
    return version


def _new_version(
    method: Method, description: MethodDescription, user: Any, number: int, **fields: Any
) -> MethodVersion:
    """A new draft. fields: `purpose`, and as `authors` those of the draft before, whose contents it changes."""
    fields |= {"description": description.as_dict(), "checksum": description.checksum}
    bounds.ask(MethodVersion, of=method, user=user)
    return MethodVersion.objects.create(method=method, number=number, author=user.get_username(), **fields)


def approve_version(*, version: MethodVersion, request: HttpRequest, password: str, checksum: str) -> None:
    """Approve a draft. The user gives the password again, as for a signature.

    checksum: of the description that the caller has seen. Raises Refused (403 without the right or
    with a wrong password, 409, 429).
    """
    user: Any = request.user
    _check_may_approve(version.method, user)
    if not may_approve(version, user):
        raise Refused(OWN, 403)
    if version.state != MethodVersion.State.DRAFT:
        raise Refused(NO_DRAFT.format(state=version.state), 409)
    if checksum != version.checksum:
        raise Refused(MEANWHILE, 409)
    check_password(request, password, "approved")
    before, name = _log_values(version), user.get_full_name() or user.get_username()
    fields = {"approver": user.get_username(), "approver_name": name, "approved": timezone.now()}
    with transaction.atomic():
        lock(version.method, GONE)  # so that nobody deletes the draft meanwhile
        if not version.update_if_unchanged(state=MethodVersion.State.APPROVED, **fields):
            raise Refused(MEANWHILE, 409)
        staff_log.note(user, "approved a method", version, before, _log_values(version))


def may_approve(version: MethodVersion, user: Any) -> bool:
    """Whether a user may approve a version: not its authors, unless one person works alone on this site."""
    is_other = user.is_authenticated and (site.DEEPSEGM_ONE_PERSON or user.get_username() not in version.makers)
    return is_other and version.method.may_be_approved_by(user)


@transaction.atomic
def withdraw_version(*, version: MethodVersion, user: Any, reason: str) -> None:
    """Withdraw an approved version: no new image is analysed by it. Raises Refused (403, 409, 422 without a reason)."""
    _check_may_approve(version.method, user)
    if version.state != MethodVersion.State.APPROVED:
        raise Refused(NOT_APPROVED.format(state=version.state), 409)
    words = typed_words(reason, LONGEST_REASON, NO_REASON)
    before = _log_values(version)
    fields = {"withdrawn_by": user.get_username(), "withdrawn": timezone.now(), "reason": words}
    if not version.update_if_unchanged(state=MethodVersion.State.WITHDRAWN, **fields):
        raise Refused(MEANWHILE, 409)
    staff_log.note(user, "withdrew a method", version, before, _log_values(version))


@transaction.atomic
def delete_draft(*, version: MethodVersion, user: Any) -> bool:
    """Delete a draft, and the method if it has no other version; returns whether the method stays.
    Raises Refused."""
    check_changeable(version.method, user)
    lock(version.method, GONE)
    lock(version, GONE)
    if version.state == MethodVersion.State.DRAFT and version.has_results:
        raise Refused(HAS_RESULTS, 409)
    staff_log.note(user, "deleted a draft of a method", version, _log_values(version))
    draft = MethodVersion.objects.filter(pk=version.pk, state=MethodVersion.State.DRAFT)
    if not draft.delete()[0]:
        raise Refused(KEPT, 409)
    if version.method.versions.exists():
        return True
    version.method.delete()
    return False


@transaction.atomic
def delete_method(*, method: Method, user: Any) -> None:
    """Delete a method with its versions, charts and studies; results keep what they say. Raises Refused (409) if
    a signed result follows it, because the signature covers its contents."""
    if Job.objects.filter(method__method=method).exclude(signature_hash="").exists():
        raise Refused(SIGNED, 409)
    for version in method.versions.all():
        staff_log.note(user, "deleted a method", version, {**_log_values(version), "description": version.description})
    method.delete()


def log_of(method: Method) -> QuerySet[StaffAction]:
    """The log of a method, the newest first: its versions, charts with their points, studies and samples."""
    rows = (method.versions, method.charts, method.studies, Sample.objects.filter(method__method=method))
    targets = [str(pk) for kind in rows for pk in kind.values_list("pk", flat=True)]
    points = ChartPoint.objects.filter(chart__method=method).values(text=Cast("pk", CharField()))
    of_points = Q(kind=str(ChartPoint._meta.verbose_name), target__in=points)
    return StaffAction.objects.filter(Q(target__in=targets) | of_points)


def newest_version(method: Method) -> MethodVersion:
    """The version with the highest number; raises Refused (404) if the method is deleted."""
    version = method.versions.select_related("method").first()
    if version is None:
        raise Refused(GONE, 404)
    return version


def read_description(version: MethodVersion) -> MethodDescription:
    """The description of a version; raises Refused (409) if this release cannot read it."""
    try:
        return version.written.read()
    except ValueError as error:
        raise Refused(str(error), 409) from None


def settings_from_version(version: MethodVersion, laboratory: dict[str, str]) -> AnalysisSettings:
    """The settings with which a version analyses an image. laboratory: texts that the account has set for
    all its results, used if the method does not set them. Raises Refused (409)."""
    try:
        return settings_of_method(version.written, laboratory)
    except ValueError as error:
        raise Refused(str(error), 409) from None


def changes_of(version: MethodVersion) -> list[str]:
    """The differences of a version from the version before it, a line each; [] for the first version."""
    before = version.method.versions.filter(number__lt=version.number).select_related("method").first()
    return changes(read_description(version), read_description(before)) if before else []


def offered_versions(user: Any) -> list[MethodVersion]:
    """For each method that a user can see, the version for a new analysis: the newest approved version,
    otherwise the draft. Approved versions come first, of these the methods of groups."""
    draft = MethodVersion.State.DRAFT
    of_method = MethodVersion.objects.filter(method=OuterRef("pk")).exclude(state=MethodVersion.State.WITHDRAWN)
    approved_first = Case(When(state=draft, then=1), default=0), "-number"
    chosen = Subquery(of_method.order_by(*approved_first).values("pk")[:1])
    methods = Method.objects.visible_to(user).annotate(chosen=chosen).values("chosen")
    versions = MethodVersion.objects.filter(pk__in=methods).defer("description").select_related("method__group")
    return sorted(versions, key=lambda row: (row.state == draft, row.method.group_id is None, row.method.name.lower()))


def find_version(text: str, user: Any) -> MethodVersion:
    """The version that a text names: by its id, as "NAME@2", or as "NAME" (the newest approved version,
    otherwise the draft).

    Raises Refused (409 it is withdrawn or several methods have the name, 422 there is none).
    """
    rows = MethodVersion.objects.select_related("method__group").defer("description")
    rows = rows.filter(method__in=Method.objects.visible_to(user))
    words = clean_text(text)
    try:
        version = rows.filter(pk=UUID(words)).first()
        if version is None:
            raise Refused(UNKNOWN.format(text=words), 422)
    except ValueError:
        version = _by_name(rows, words)
    if version.state == MethodVersion.State.WITHDRAWN:
        raise Refused(WITHDRAWN.format(title=f"{version} is withdrawn", reason=version.reason), 409)
    return version


def _by_name(rows: Any, words: str) -> MethodVersion:
    """The version among `rows` that "NAME@2" or "NAME" means, see `find_version`; raises Refused."""
    is_whole_name = rows.filter(method__name=words).exists()
    name, _, number = (words, "", "") if is_whole_name else words.rpartition("@")
    versions = (
        list(rows.filter(method__name=name)) if is_whole_name or (number.isdecimal() and len(number) < 10) else []
    )
    if not versions:
        raise Refused(UNKNOWN.format(text=words), 422)
    if len({version.method_id for version in versions}) > 1:
        raise Refused(SEVERAL.format(name=name), 409)
    if number:
        version = next((row for row in versions if row.number == int(number)), None)
        if version is None:
            raise Refused(NO_VERSION.format(number=number, name=name), 422)
        return version
    for state in (MethodVersion.State.APPROVED, MethodVersion.State.DRAFT):
        if candidates := [row for row in versions if row.state == state]:
            return max(candidates, key=lambda row: row.number)
    raise Refused(NONE_LEFT.format(name=name), 409)


def groups_of_account(user: Any) -> list[Group]:
    """The groups of a user, with which the user may share a method; [] without an account."""
    return list(user.groups.order_by("name")) if user.is_authenticated else []


def _check_signed_in(user: Any) -> None:
    if not user.is_authenticated:
        raise Refused(SIGN_IN, 401)


def check_changeable(method: Method, user: Any) -> None:
    """Raises Refused (401, 403) if a user may not change a method."""
    _check_signed_in(user)
    if not method.is_changeable_by(user):
        raise Refused(NOT_YOURS, 403)


def _check_may_approve(method: Method, user: Any) -> None:
    _check_signed_in(user)
    second_factor.check(user)
    if not method.may_be_approved_by(user):
        raise Refused(NOT_ALLOWED, 403)


def _log_values(version: MethodVersion) -> dict[str, Any]:
    """The data of a version that the staff's log stores."""
    values = {"state": version.state, "number": version.number, "sha256": version.checksum}
    return values | {name: text for name in ("purpose", "reason") if (text := getattr(version, name))}
