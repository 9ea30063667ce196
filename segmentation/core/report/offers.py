"""What three corrections of one sort teach: the same is offered for all objects like the three, here and in other
images.

A correction is a deletion, or an object left out for a reason. Corrections are of one sort where they do the same and
their objects are alike (`measure.similar`). Objects that somebody drew or confirmed are never offered. The web process
imports this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..labels.operations import Corrections, Step, steps_in_effect
from ..measure import similar
from ..measure.filters import BY_HAND
from ..measure.similar import Floats
from .quick_numbers import QuickNumbers

FEWEST = 3  # corrections of one sort, after which the same is offered
RECENT = 9  # the last corrections of an action, among which these are looked for: sorts may take turns
OF_ONE_SORT = 0.5  # how alike corrected objects are to the newest at least
ALIKE = 0.8  # how alike to all of them an object is at least that is offered
DELETE, SET_ASIDE = "delete", "set_aside"
Action = tuple[str, str]  # operation and reason


class Lesson(NamedTuple):
    """Corrections of one sort, the newest first. examples: the ids of their objects. columns: what is known of each
    object (k,). unit: of the lengths in these."""

    action: Action
    examples: list[int]
    columns: Mapping[str, Floats]
    unit: str


class Offer(NamedTuple):
    """What a press would do. ids: the objects that it changes, the most alike first. examples: as of the lesson.
    operation: the correction. question, answer: what is offered, and the words of the button, for people."""

    ids: list[int]
    examples: list[int]
    operation: dict[str, Any]
    question: str
    answer: str


def lesson_of(corrections: Corrections, quick: QuickNumbers) -> Lesson | None:
    """The last corrections of one sort that stand; None where they are fewer than FEWEST."""
    if not _is_comparable(quick):
        return None
    steps = [corrections.steps[number - 1] for number in steps_in_effect(corrections.steps)]
    stored, size = quick.objects.stored, quick.objects.terms.task.size
    action, numbers = _last(steps)
    rows = [stored.places[number] for number in numbers if number in stored.places]
    if len(rows) < FEWEST:
        return None
    names = (*dict.fromkeys((size, "area")), *similar.SHAPES, similar.CONTRAST, similar.CONTACT)
    every = {name: stored.columns[name] for name in names if name in stored.columns}
    to_newest = similar.alike_to_all(every, rows[:1], size)
    of_sort = [at for at in rows if to_newest[at] >= OF_ONE_SORT]
    if len(of_sort) < FEWEST:
        return None
    columns = {name: values[of_sort] for name, values in every.items()}
    return Lesson(action, stored.ids[of_sort].tolist(), columns, str(stored.head["unit"]))


def offer_of(lesson: Lesson, quick: QuickNumbers) -> Offer:
    """What the same action would do with the objects of an image; without ids where it would do nothing."""
    task, (name, reason) = quick.objects.terms.task, lesson.action
    ids = _like(lesson, quick) if _is_comparable(quick) else []
    operation = {"op": name, "ids": ids, **({"reason": reason} if reason else {})}
    verb, done = ("Delete", "deleted") if name == DELETE else ("Leave out", f"left out ({reason})")
    question = f"{_counted(len(ids), task.thing, task.things)} like the last {len(lesson.examples)} that were {done}."
    answer = f"{verb} {'it' if len(ids) == 1 else f'all {len(ids):,}'}"
    return Offer(ids, lesson.examples, operation, question, answer)


def elsewhere(offers: Sequence[Offer], images: int, thing: str, things: str) -> str:
    """What is offered in other images of a sample, of which `images` were looked at, in words; "" for nothing."""
    if not offers:
        return ""
    count = sum(len(offer.ids) for offer in offers)
    part = f"{len(offers):,} of " if len(offers) < images else ""
    of_images = f"{part}the other {images:,} images" if images > 1 else "the other image"
    return f"{_counted(count, thing, things)} like them in {of_images}."


def _counted(count: int, thing: str, things: str) -> str:
    return f"No {thing} is" if not count else f"1 {thing} is" if count == 1 else f"{count:,} {things} are"


def _is_comparable(quick: QuickNumbers) -> bool:
    """Whether the objects of an image are measured one by one."""
    terms = quick.objects.terms
    return bool(terms.task.size) and not terms.refused


def _last(steps: Sequence[Step]) -> tuple[Action, list[int]]:
    """The newest action, ("", "") where there is none, and the ids of its last RECENT corrections. A correction of many
    objects ends them: it was the answer to those before."""
    action, numbers = ("", ""), list[int]()
    for step in reversed(steps):
        operation = step.operation
        its_action = operation["op"], operation.get("reason", "")
        if its_action[0] not in (DELETE, SET_ASIDE) or (action[0] and its_action != action):
            continue
        action = its_action
        if len(operation["ids"]) > 1 or len(numbers) == RECENT:
            break
        numbers += operation["ids"]
    return action, numbers


def _like(lesson: Lesson, quick: QuickNumbers) -> list[int]:
    """The objects that are like all of the lesson's, and less like any that somebody confirmed."""
    if lesson.unit != quick.objects.stored.head["unit"]:
        return []
    size, total, by_hand = quick.objects.terms.task.size, len(quick.ids), quick.table[BY_HAND].astype(bool)
    columns = {name: np.concatenate([quick.column(name), values]) for name, values in lesson.columns.items()}
    value = similar.alike_to_all(columns, range(total, total + len(lesson.examples)), size)[:total]
    confirmed = np.flatnonzero(quick.table.kept & by_hand).tolist()
    is_like = quick.table.kept & ~by_hand & (value >= ALIKE)
    is_like &= value > similar.alike(columns, confirmed, size)[:total]
    order = np.lexsort((quick.ids, -value))
    return [int(quick.ids[at]) for at in order.tolist() if is_like[at]]
