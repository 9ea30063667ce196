"""What three corrections of one sort teach: the same is offered for all objects like the three, here and in other
images.

A correction is a deletion, an object left out for a reason, or a possible cut that was made. Deletions are of one sort
where their objects are alike (`measure.similar`). Objects that somebody drew or confirmed are never offered. The web
process imports this module.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.operations import Corrections, Step, standing
from ..measure import similar
from ..measure.filters import BY_HAND
from ..measure.similar import Floats
from .at_once import AtOnce

FEWEST = 3  # corrections of one sort, after which the same is offered
RECENT = 9  # the last corrections of an action, among which these are looked for: sorts may take turns
OF_ONE_SORT = 0.5  # how alike corrected objects are to the newest at least
ALIKE = 0.7  # how alike to all of them an object is at least that is offered
DELETE, SET_ASIDE, SPLIT = "delete", "set_aside", "split"
Action = tuple[str, str]  # operation and reason


class Lesson(NamedTuple):
    """Corrections of one sort, the newest first. examples: the ids of their objects, or the places of their cuts.
    columns: what is known of each object (k,). unit: of the lengths in these. chance: of the least probable cut."""

    action: Action
    examples: list[int]
    columns: Mapping[str, Floats] = {}
    unit: str = ""
    chance: float = 0.0


class Offer(NamedTuple):
    """What a press would do. ids: the objects that it changes, the most alike first. examples: as of the lesson.
    operation: the correction. question, answer: what is offered, and the words of the button, for people."""

    ids: list[int]
    examples: list[int]
    operation: dict[str, Any]
    question: str
    answer: str


def lesson_of(corrections: Corrections, known: AtOnce) -> Lesson | None:
    """The last corrections of one sort that stand; None where they are fewer than FEWEST."""
    if not _is_comparable(known):
        return None
    steps = [corrections.steps[number - 1] for number in standing(corrections.steps)]
    cuts, stored = _cuts(known), known.standing.stored
    action, numbers = _last(steps, {tuple(line): at for at, line in enumerate(cuts.get("line", ()))})
    if action[0] == SPLIT:
        newest = numbers[:FEWEST]
        chance = min((cuts["chance"][at] for at in newest), default=0.0)
        lesson = Lesson(action, [cuts["place"][at] for at in newest], chance=chance)
    else:
        size = known.standing.terms.task.size
        rows = [stored.places[number] for number in numbers if number in stored.places]
        every = {name: stored.columns[name] for name in _measures(size) if name in stored.columns}
        to_newest = similar.alike(every, rows[:1], size)
        of_sort = [at for at in rows if to_newest[at] >= OF_ONE_SORT]
        columns = {name: values[of_sort] for name, values in every.items()}
        lesson = Lesson(action, stored.ids[of_sort].tolist(), columns, str(stored.head["unit"]))
    return lesson if len(lesson.examples) >= FEWEST else None


def offer_of(lesson: Lesson, known: AtOnce, cuts: Mapping[int, int]) -> Offer:
    """What the same action would do with the objects of an image; without ids where it would do nothing.

    cuts: the object that each possible cut still divides, by its place.
    """
    task, (name, reason) = known.standing.terms.task, lesson.action
    is_open = known.table.kept & ~known.table[BY_HAND].astype(bool) & _is_comparable(known)
    if name == SPLIT:
        count, ids, lines = _further_cuts(lesson, known, cuts, set(known.ids[is_open].tolist()))
        subject = _counted(count, "possible cut", "possible cuts")
        question = f"{subject} as probable as the last {len(lesson.examples)} that were made."
        return Offer(ids, lesson.examples, {"op": SPLIT, "cuts": lines}, question, _button("Cut", count))
    ids = _like(lesson, known, is_open)
    operation = {"op": name, "ids": ids, **({"reason": reason} if reason else {})}
    verb, done = ("Delete", "deleted") if name == DELETE else ("Leave out", f"left out ({reason})")
    question = f"{_counted(len(ids), task.thing, task.things)} like the last {len(lesson.examples)} that were {done}."
    return Offer(ids, lesson.examples, operation, question, _button(verb, len(ids)))


def elsewhere(offers: Sequence[Offer], images: int, thing: str, things: str) -> str:
    """What is offered in other images of a sample, of which `images` were looked at, in words; "" for nothing."""
    if not offers:
        return ""
    is_cut = offers[0].operation["op"] == SPLIT
    count = sum(len(offer.operation["cuts"] if is_cut else offer.ids) for offer in offers)
    subject = _counted(count, *(("possible cut", "possible cuts") if is_cut else (thing, things)))
    of_images = f"{len(offers):,} of the other {images:,} images" if images > 1 else "the other image"
    return f"{subject} so in {of_images}."


def _counted(count: int, thing: str, things: str) -> str:
    return f"No {thing} is" if not count else f"1 {thing} is" if count == 1 else f"{count:,} {things} are"


def _is_comparable(known: AtOnce) -> bool:
    """Whether the objects of an image are measured one by one."""
    terms = known.standing.terms
    return bool(terms.task.size) and not terms.refused


def _button(verb: str, count: int) -> str:
    return f"{verb} {'it' if count == 1 else f'all {count:,}'}"


def _measures(size: str) -> tuple[str, ...]:
    return (*dict.fromkeys((size, "area")), *similar.SHAPES, similar.CONTRAST, similar.CONTACT)


def _cuts(known: AtOnce) -> dict[str, list[Any]]:
    return known.standing.stored.head.get("cuts") or {}


# ---- what was corrected --------------------------------------------------------------------------


def _last(steps: Sequence[Step], cuts: Mapping[tuple[float, ...], int]) -> tuple[Action, list[int]]:
    """The newest action, ("", "") where there is none, and what its last RECENT corrections changed: ids, or the values
    of `cuts`, which are by their line. A correction of many objects ends them: it was the answer to those before."""
    action, numbers = ("", ""), list[int]()
    for step in reversed(steps):
        its_action, changed = _changed(step, cuts)
        if not changed or (action[0] and its_action != action):
            continue
        action = its_action
        if len(changed) > 1 or len(numbers) == RECENT:
            break
        numbers += changed
    return action, numbers


def _changed(step: Step, cuts: Mapping[tuple[float, ...], int]) -> tuple[Action, list[int]]:
    """The action of a correction and what it changed; nothing where it is of another kind. Of cuts that end at each
    other only the last one: the others were made for it."""
    name, operation = step.operation["op"], step.operation
    if name in (DELETE, SET_ASIDE):
        return (name, operation.get("reason", "")), list(operation["ids"])
    lines = operation.get("cuts") or () if name == SPLIT else ()
    made = [cuts[line] for line in (tuple(np.ravel(points).tolist()) for points in lines) if line in cuts]
    divided = [number for number, data in step.before.objects.items() if data is not None]
    return (SPLIT, ""), made[-1:] if len(divided) == 1 else made


# ---- what is like it -----------------------------------------------------------------------------


def _like(lesson: Lesson, known: AtOnce, is_open: NDArray[np.bool_]) -> list[int]:
    """The objects that are like all of the lesson's, and less like any that somebody confirmed."""
    if lesson.unit != known.standing.stored.head["unit"]:
        return []
    size, total = known.standing.terms.task.size, len(known.ids)
    columns = {name: np.concatenate([known.column(name), values]) for name, values in lesson.columns.items()}
    value = similar.alike_to_all(columns, range(total, total + len(lesson.examples)), size)[:total]
    confirmed = np.flatnonzero(known.table.kept & known.table[BY_HAND].astype(bool)).tolist()
    is_like = is_open & (value >= ALIKE) & (value > similar.alike(columns, confirmed, size)[:total])
    order = np.lexsort((known.ids, -value))
    return [int(known.ids[at]) for at in order.tolist() if is_like[at]]


def _further_cuts(
    lesson: Lesson, known: AtOnce, cuts: Mapping[int, int], open_ids: Collection[int]
) -> tuple[int, list[int], list[list[list[float]]]]:
    """How many possible cuts are as probable as those of the lesson, the objects that they divide, and the lines, each
    after those at which it ends."""
    columns = _cuts(known)
    at_place = {place: at for at, place in enumerate(columns.get("place", ()))}
    wanted = [
        place
        for place, at in at_place.items()
        if columns["chance"][at] >= lesson.chance and cuts.get(place, 0) in open_ids
    ]
    ordered = dict.fromkeys(each for place in wanted for each in _chain(columns["after"], at_place, place))
    lines = [np.reshape(columns["line"][at_place[place]], (-1, 2)).tolist() for place in ordered]
    return len(wanted), list(dict.fromkeys(cuts[place] for place in wanted)), lines


def _chain(after: Sequence[Sequence[int]], at_place: Mapping[int, int], place: int) -> list[int]:
    """The place of a cut, and before it those of the cuts at whose lines it ends."""
    before = [each for each in after[at_place[place]] if each in at_place]
    return [*(each for earlier in before for each in _chain(after, at_place, earlier)), place]
