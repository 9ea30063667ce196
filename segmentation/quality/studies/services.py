"""Makes studies of methods from chosen results, and writes the precision that a study found into the
method."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.conf import settings as site
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from pydantic import ValidationError

from ...core.names import clean_text
from ...core.quality.fitness import Requirements
from ...core.quality.method import MethodDescription
from ...core.quality.robustness import ANALYSES_OF_IMAGE
from ...core.quality.study import check_design
from ...core.validation import sentence
from ...models import SHOWN_NAME, Job, Method, MethodVersion, Study
from ...models.edits import hash_of
from ...services.ground import bounds, limits, staff_log
from ...services.ground.queue import enqueue_after_commit
from ...services.ground.refusal import Refused, change_state, lock, typed_words
from ...services.ground.space import with_disk_reserve
from ...services.results.corrections.signing import check_password, printed_name
from ..methods import services as methods

LONGEST_LABEL = 60  # characters
MOST_IMAGES = 3  # of a study that are analysed again, each ANALYSES_OF_IMAGE times
SETTING, SOURCE = "repeatability", "repeatability_source"  # settings that `apply_study` changes
NO_TITLE = f"Type a name of the study, of at most {SHOWN_NAME} characters."
NO_LABEL = "Type the {name} of each chosen result, or of none."
LONG_LABEL = f"A label has at most {LONGEST_LABEL} characters."
TWICE = "A study takes each result once."
OTHER_METHOD = "{name} is no result by this method."
NO_NUMBER = "{name} has no number with a scale that this study could take."
WAITS = "{name} counts only if you say yes to it: {why}"
GONE = "This study has been deleted."
OWN = "The author of a study signs it as made; another account reviews and approves it."
SIGNED = "You have signed this study as {meaning} already."
UNFINISHED = "The study is not finished."
UNDER_WAY = "A study of this method is already waiting or running: wait for it, or cancel it first."
ENDED = "This study has already ended, so there is nothing to cancel."
OTHER_NUMBER = "The setting “Repeatability” is of the median, and this study is of another number."
NO_SETTING = "This kind of analysis has no setting “Repeatability”."


def images_of(rows: Iterable[Mapping[str, Any]]) -> list[Job]:
    """At most MOST_IMAGES jobs, from the results of a study and the images of its samples: the first, the
    last, and others evenly between them in time."""
    ids = [row["id"] for row in rows]
    results = Job.objects.filter(pk__in=ids) | Job.objects.filter(sample__in=ids, state=Job.State.DONE)
    images = {job.micrograph_id: job for job in results.select_related("micrograph").order_by("created", "pk")}
    jobs = list(images.values())
    if len(jobs) <= MOST_IMAGES:
        return jobs
    return [jobs[index * (len(jobs) - 1) // (MOST_IMAGES - 1)] for index in range(MOST_IMAGES)]


@transaction.atomic
def create_study(
    *,
    method: Method,
    title: str,
    quantity: str,
    names: Iterable[str],
    rows: Iterable[Mapping[str, Any]],
    user: Any,
    agreed: Collection[str] = (),
    requirements: Mapping[str, Any] | None = None,
) -> Study:
    """Make a study of these results; a worker computes it.

    quantity: the name of the studied number. names: of all conditions, the outer ones first; a
    condition that never changed is left out. rows: a dict for each result, see
    `core.quality.study_report`. agreed: ids of the results that the user lets count although something
    speaks against them ("waits" of a row). requirements: of the method's use (`Requirements`). Raises Refused
    (401, 403, 409 another study of the method is under way, 422 the results allow no study, 429 too many analyses).
    """
    methods.check_changeable(method, user)
    words, rows = typed_words(title, SHOWN_NAME, NO_TITLE), [dict(row) for row in rows]
    if len({row["id"] for row in rows}) < len(rows):
        raise Refused(TWICE, 422)
    for row in rows:
        if row["version"] is None:
            raise Refused(OTHER_METHOD.format(name=row["name"]), 422)
        if row["value"] is None:
            raise Refused(NO_NUMBER.format(name=row["name"]), 422)
        if row.get("waits"):
            if row["id"] not in agreed:
                raise Refused(WAITS.format(name=row["name"], why=row["waits"]), 422)
            row["agreed_by"] = user.get_username()
        row["labels"] = {name: clean_text(str(row["labels"].get(name, ""))) for name in names}
        if max(map(len, row["labels"].values()), default=0) > LONGEST_LABEL:
            raise Refused(LONG_LABEL, 422)
    varied = _varied(list(names), rows)
    lock(method, methods.GONE)
    if method.studies.filter(state__in=Study.UNFINISHED).exists():
        raise Refused(UNDER_WAY, 409)
    bounds.ask(Study, of=method, user=user)
    fields = {"method": method, "title": words, "owner": user, "author": user.get_username(), "quantity": quantity}
    try:
        fields["requirements"] = Requirements.read(requirements or {}).model_dump()
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    study = Study(**fields, names=varied, rows=rows)
    images, sender = images_of(rows), {"user": user, "visitor": None, "address": ""}
    study.analyses = ANALYSES_OF_IMAGE * len(images)
    limits.check_waiting(**sender, added=study.analyses)
    pixels = sum(job.micrograph.width * job.micrograph.height for job in images)
    limits.count_pixels(study.pk, ANALYSES_OF_IMAGE * pixels, **sender)
    study.save(force_insert=True)
    staff_log.note(user, "made a study of a method", study, {}, {"method": method.name, "results": len(rows)})
    enqueue_after_commit(study.pk, Study)
    return study


@with_disk_reserve
@transaction.atomic
def cancel_study(*, study: Study, user: Any) -> Study:
    """Stop a study that waits or runs, for who may change its method. Raises Refused (401, 403, 404, 409)."""
    methods.check_changeable(study.method, user)
    before = study.state
    if before != Study.State.CANCELLED:
        end_study(study=study)
        staff_log.note(user, "cancelled a study", study, {"state": before}, {"state": study.state})
    return study


def end_study(*, study: Study) -> Study:
    """Stop a study that waits or runs. A second call changes nothing."""
    change_state(
        study, Study.UNFINISHED, ENDED, GONE, state=Study.State.CANCELLED, finished=timezone.now(), outcomes={}
    )
    return study


def _varied(names: list[str], rows: list[dict[str, Any]]) -> list[str]:
    """The names of the conditions that changed; raises Refused (422) if some results lack a label,
    or if the labels allow no study."""
    varied = [name for name in names if any(row["labels"][name] for row in rows)]
    for name in varied:
        if not all(row["labels"][name] for row in rows):
            raise Refused(NO_LABEL.format(name=name), 422)
    varied = [name for name in varied if len({row["labels"][name] for row in rows}) > 1] or varied[:1]
    try:
        check_design({name: [row["labels"][name] for row in rows] for name in varied})
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    return varied


def apply_study(*, study: Study, user: Any) -> MethodVersion:
    """Write the intermediate precision of a study into the setting "Repeatability" of its method,
    with the study as the source: into the draft, or into a new version. Returns that version.
    Raises Refused (401, 403, 409)."""
    methods.check_changeable(study.method, user)
    relative = study.result.get("relative_intermediate")
    if study.state != Study.State.DONE or relative is None:
        raise Refused(UNFINISHED, 409)
    if study.quantity != "median":
        raise Refused(OTHER_NUMBER, 409)
    before = methods.read_description(methods.newest_version(study.method))
    if SETTING not in before.settings:
        raise Refused(NO_SETTING, 409)
    stated = {SETTING: float(f"{100 * relative:.3g}"), SOURCE: source_words(study)}
    try:
        description = MethodDescription.from_dict({**before.as_dict(), "settings": {**before.settings, **stated}})
    except ValidationError as error:
        raise Refused(sentence(error), 409) from None
    reason = f"precision of the study “{study.title}”"
    return methods.change_method(method=study.method, description=description, user=user, reason=reason)


def sign_study(*, study: Study, request: HttpRequest, password: str, name: str = "", meaning: str = "made") -> None:
    """Sign the report of a study that the caller may see, with the password once more.

    meaning: made, only by its author; reviewed or approved, only by others, unless one person works alone on
    this site. Raises Refused (401, 403, 409, 422, 429).
    """
    user: Any = request.user
    if study.state != Study.State.DONE or study.pdf is None:
        raise Refused(UNFINISHED, 409)
    if meaning not in meanings_for_study(study, user):
        raise Refused(OWN, 403)
    printed = printed_name(user, name)
    check_password(request, password)
    with transaction.atomic():
        lock(study, GONE)
        if any((row["account"], row["meaning"]) == (user.get_username(), meaning) for row in study.signatures):
            raise Refused(SIGNED.format(meaning=meaning), 409)
        time = timezone.now().isoformat(timespec="seconds")
        entry = {"account": user.get_username(), "name": printed, "meaning": meaning, "time": time}
        entry["pdf_sha256"] = hashlib.sha256(bytes(study.pdf)).hexdigest()
        entry["hash"] = hash_of([entry, study.signatures[-1]["hash"] if study.signatures else ""])
        study.signatures = [*study.signatures, entry]
        study.save(update_fields=["signatures"])
        staff_log.note(user, "signed a study", study, {}, entry)


def meanings_for_study(study: Study, user: Any) -> list[str]:
    """The meanings with which a user may sign the report of a study."""
    if not user.is_authenticated:
        return []
    is_author = user.get_username() == study.author
    return [
        *(["made"] if is_author else []),
        *(["reviewed", "approved"] if site.DEEPSEGM_ONE_PERSON or not is_author else []),
    ]


def broken_study(study: Study) -> list[str]:
    """The faults of the signatures of a study and of the report that they cover, a sentence each."""
    faults, before = [], ""
    digest = hashlib.sha256(bytes(study.pdf or b"")).hexdigest()
    for number, row in enumerate(study.signatures, 1):
        entry = {name: value for name, value in row.items() if name != "hash"}
        if hash_of([entry, before]) != row["hash"]:
            faults.append(f"Signature {number} was altered, or one before it is missing.")
        if row["pdf_sha256"] != digest:
            faults.append(f"The report is not what was signed by signature {number}: it was changed since.")
        before = row["hash"]
    return faults


def source_words(study: Study) -> str:
    """A text that names a study as the source of a setting."""
    result = study.result
    within = 100 * result["repeatability"]["sd"] / abs(result["mean"])
    return (
        f"study “{study.title}” of {study.created:%Y-%m-%d} ({study.pk}): intermediate precision with another"
        f" {', '.join(study.names)}, of {result['n']} results; repeatability within them {within:.2g} %"
    )
