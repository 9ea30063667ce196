"""Offers of further corrections: after three corrections of one sort, the same correction of all
similar objects.

Similar objects are looked for in the corrected image and in the other images of its sample. A
correction is here a deletion, or an object that is left out for a reason. Corrections are of one
sort if they do the same and their objects are alike (`measure.similarity`). Objects that a person drew
or confirmed are never offered. The web process imports this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..labels.operations import Corrections, Step, steps_in_effect
from ..measure.filters import BY_HAND
from ..measure.similarity import CONTACT, CONTRAST, SHAPES, Floats, similarity, similarity_to_all
from .quick_numbers import QuickNumbers

FEWEST = 3  # corrections of one sort, before an offer is made
RECENT = 9  # last corrections that are looked at: a person may correct two sorts of objects in turn
# Least likeness, from 0 to 1: of a corrected object to the newest corrected object, so that it is of the same sort; and
# of an offered object to all corrected objects of that sort.
OF_ONE_SORT, ALIKE = 0.5, 0.8
DELETE, SET_ASIDE = "delete", "set_aside"
Action = tuple[str, str]  # operation and reason


class Lesson(NamedTuple):
    """The last corrections of one sort, from which similar objects are found.

    examples: ids of the k corrected objects, the newest first. columns: their measures by name,
    (k,) each. unit: of lengths in the columns, "nm" or "px".
    """

    action: Action
    examples: list[int]
    columns: Mapping[str, Floats]
    unit: str


class Offer(NamedTuple):
    """An offered correction of several objects.

    ids: the objects that it would change, the most alike first.
    examples: those of the lesson.
    operation: the correction, as `labels.operations` takes it.
    question: the sentence for people.
    answer: the words of the button.
    """

    ids: list[int]
    examples: list[int]
    operation: dict[str, Any]
    question: str
    answer: str


def lesson_of(corrections: Corrections, quick: QuickNumbers) -> Lesson | None:
    """The last corrections of one sort that were not undone; None if they are fewer than FEWEST."""
    if not _is_comparable(quick):
        return None
    steps = [corrections.steps[number - 1] for number in steps_in_effect(corrections.steps)]
    stored, size = quick.objects.stored, quick.objects.terms.task.size
    action, ids = _last_action(steps)
    rows = [stored.places[number] for number in ids if number in stored.places]
    if len(rows) < FEWEST:
        return None
    names = (*dict.fromkeys((size, "area")), *SHAPES, CONTRAST, CONTACT)
    columns = {name: stored.columns[name] for name in names if name in stored.columns}
    likeness = similarity_to_all(columns, rows[:1], size)
    alike_rows = [row for row in rows if likeness[row] >= OF_ONE_SORT]
    if len(alike_rows) < FEWEST:
        return None
    columns = {name: values[alike_rows] for name, values in columns.items()}
    return Lesson(action, stored.ids[alike_rows].tolist(), columns, str(stored.head["unit"]))


def offer_of(lesson: Lesson, quick: QuickNumbers) -> Offer:
    """The same action for the similar objects of an image. The offer has no ids if there are none."""
    task, (name, reason) = quick.objects.terms.task, lesson.action
    ids = _similar_ids(lesson, quick) if _is_comparable(quick) else []
    operation = {"op": name, "ids": ids, **({"reason": reason} if reason else {})}
    verb, participle = ("Delete", "deleted") if name == DELETE else ("Leave out", f"left out ({reason})")
    subject = _subject(len(ids), task.thing, task.things)
    question = f"{subject} like the last {len(lesson.examples)} that were {participle}."
    answer = f"{verb} {'it' if len(ids) == 1 else f'all {len(ids):,}'}"
    return Offer(ids, lesson.examples, operation, question, answer)


def offers_in_words(offers: Sequence[Offer], images: int, thing: str, things: str) -> str:
    """A sentence on the offers in other images of a sample; "" without offers.

    images: how many other images were searched. thing, things: the word for an object and its
    plural.
    """
    if not offers:
        return ""
    count = sum(len(offer.ids) for offer in offers)
    part = f"{len(offers):,} of " if len(offers) < images else ""
    of_images = f"{part}the other {images:,} images" if images > 1 else "the other image"
    return f"{_subject(count, thing, things)} like them in {of_images}."


def _subject(count: int, thing: str, things: str) -> str:
    """The beginning of a sentence, such as "12 particles are"."""
    return f"No {thing} is" if not count else f"1 {thing} is" if count == 1 else f"{count:,} {things} are"


def _is_comparable(quick: QuickNumbers) -> bool:
    """Whether the objects of an image are measured one by one."""
    terms = quick.objects.terms
    return bool(terms.task.size) and not terms.refused


def _last_action(steps: Sequence[Step]) -> tuple[Action, list[int]]:
    """The newest action, and the ids of the objects of its last RECENT corrections; ("", "") and no
    ids without any.

    Corrections before one of several objects at once are not looked at: that one probably accepted
    an offer.
    """
    action, ids = ("", ""), list[int]()
    for step in reversed(steps):
        operation = step.operation
        step_action = operation["op"], operation.get("reason", "")
        if step_action[0] not in (DELETE, SET_ASIDE) or (action[0] and step_action != action):
            continue
        action = step_action
        if len(operation["ids"]) > 1 or len(ids) == RECENT:
            break
        ids += operation["ids"]
    return action, ids


def _similar_ids(lesson: Lesson, quick: QuickNumbers) -> list[int]:
    """The ids of the counted objects that are ALIKE to all examples of the lesson, the most alike
    first.

    An object that is more like one that a person confirmed is not among them.
    """
    if lesson.unit != quick.objects.stored.head["unit"]:
        return []
    size, total, by_hand = quick.objects.terms.task.size, len(quick.ids), quick.table[BY_HAND].astype(bool)
    columns = {name: np.concatenate([quick.column(name), values]) for name, values in lesson.columns.items()}
    likeness = similarity_to_all(columns, range(total, total + len(lesson.examples)), size)[:total]
    confirmed = np.flatnonzero(quick.table.kept & by_hand).tolist()
    is_similar = quick.table.kept & ~by_hand & (likeness >= ALIKE)
    is_similar &= likeness > similarity(columns, confirmed, size)[:total]
    order = np.lexsort((quick.ids, -likeness))
    return [int(quick.ids[at]) for at in order.tolist() if is_similar[at]]
