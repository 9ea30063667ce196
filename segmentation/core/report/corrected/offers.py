"""After three corrections of one sort, offers the same correction for all similar objects.

Similar objects are searched in the corrected image and in the other images of its sample. Only two
corrections are repeated: to delete an object, and to leave it out for a reason. Corrections are of
one sort if their operations are equal and their objects are similar (`measure.similarity`). Objects
that a person drew or confirmed are never offered. The web process imports this module,
so it imports no heavy library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...labels.corrections.operations import Corrections, Step, steps_in_effect
from ...measure.objects.filters import BY_HAND
from ...measure.review.similarity import CONTACT, CONTRAST, SHAPES, Floats, similarity, similarity_to_all
from .quick_numbers import QuickNumbers

FEWEST = 3  # corrections of one sort, before an offer is made
MOST_RECENT = 9  # last corrections that are compared: a person may correct two sorts of objects in turn
LEAST_IN_SORT = 0.5  # least similarity (0 to 1) of a corrected object to the newest one, to be of one sort with it
LEAST_OFFERED = 0.8  # least similarity (0 to 1) of an offered object to all corrected objects of the sort
DELETE, SET_ASIDE = "delete", "set_aside"
Action = tuple[str, str]  # operation and reason


class CorrectionPattern(NamedTuple):
    """The last corrections of one sort, by which similar objects are searched.

    examples: ids of the k corrected objects, the newest first. columns: their measures by name,
    (k,) each. unit: of lengths in the columns, "nm" or "px".
    """

    action: Action
    examples: list[int]
    columns: Mapping[str, Floats]
    unit: str


class Offer(NamedTuple):
    """An offered correction of several objects.

    ids: the objects that it would change, the most similar first.
    examples: ids of the corrected objects.
    operation: the correction, as `labels.operations` takes it.
    question: the sentence for people.
    answer: the words of the button.
    """

    ids: list[int]
    examples: list[int]
    operation: dict[str, Any]
    question: str
    answer: str


def pattern_of(corrections: Corrections, quick_numbers: QuickNumbers) -> CorrectionPattern | None:
    """The last corrections of one sort that were not undone; None if they are fewer than FEWEST."""
    if not _is_comparable(quick_numbers):
        return None
    steps = [corrections.steps[number - 1] for number in steps_in_effect(corrections.steps)]
    stored, size = quick_numbers.objects.stored, quick_numbers.objects.conditions.task.size
    action, ids = _last_action(steps)
    rows = [stored.places[number] for number in ids if number in stored.places]
    if len(rows) < FEWEST:
        return None
    names = (*dict.fromkeys((size, "area")), *SHAPES, CONTRAST, CONTACT)
    columns = {name: stored.columns[name] for name in names if name in stored.columns}
    similarities = similarity_to_all(columns, rows[:1], size)
    alike_rows = [row for row in rows if similarities[row] >= LEAST_IN_SORT]
    if len(alike_rows) < FEWEST:
        return None
    columns = {name: values[alike_rows] for name, values in columns.items()}
    return CorrectionPattern(action, stored.ids[alike_rows].tolist(), columns, str(stored.head["unit"]))


def offer_of(pattern: CorrectionPattern, quick_numbers: QuickNumbers) -> Offer:
    """The offer to correct the similar objects of an image in the same way; without ids if there
    are none."""
    task, (name, reason) = quick_numbers.objects.conditions.task, pattern.action
    ids = _similar_ids(pattern, quick_numbers) if _is_comparable(quick_numbers) else []
    operation = {"op": name, "ids": ids, **({"reason": reason} if reason else {})}
    verb, participle = ("Delete", "deleted") if name == DELETE else ("Leave out", f"left out ({reason})")
    subject = _subject(len(ids), task.thing, task.things)
    question = f"{subject} like the last {len(pattern.examples)} that were {participle}."
    answer = f"{verb} {'it' if len(ids) == 1 else f'all {len(ids):,}'}"
    return Offer(ids, pattern.examples, operation, question, answer)


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


def _is_comparable(quick_numbers: QuickNumbers) -> bool:
    """Whether the objects of an image have sizes of their own, so that they can be compared."""
    conditions = quick_numbers.objects.conditions
    return bool(conditions.task.size) and not conditions.refused


def _last_action(steps: Sequence[Step]) -> tuple[Action, list[int]]:
    """The newest action, and the ids of the objects of its last MOST_RECENT corrections; ("", "")
    and no ids without any.

    A correction of several objects at once probably accepted an offer, so corrections before it are
    ignored.
    """
    action, ids = ("", ""), list[int]()
    for step in reversed(steps):
        operation = step.operation
        step_action = operation["op"], operation.get("reason", "")
        if step_action[0] not in (DELETE, SET_ASIDE) or (action[0] and step_action != action):
            continue
        action = step_action
        if len(operation["ids"]) > 1 or len(ids) == MOST_RECENT:
            break
        ids += operation["ids"]
    return action, ids


def _similar_ids(pattern: CorrectionPattern, quick_numbers: QuickNumbers) -> list[int]:
    """The ids of the counted objects that are similar to all corrected objects, the most similar
    first.

    Objects that are more similar to a confirmed object than to the corrected ones are excluded.
    """
    if pattern.unit != quick_numbers.objects.stored.head["unit"]:
        return []
    size, total = quick_numbers.objects.conditions.task.size, len(quick_numbers.present.ids)
    by_hand = quick_numbers.table[BY_HAND].astype(bool)
    columns = {name: np.concatenate([quick_numbers.column(name), values]) for name, values in pattern.columns.items()}
    similarities = similarity_to_all(columns, range(total, total + len(pattern.examples)), size)[:total]
    confirmed = np.flatnonzero(quick_numbers.table.kept & by_hand).tolist()
    is_similar = quick_numbers.table.kept & ~by_hand & (similarities >= LEAST_OFFERED)
    is_similar &= similarities > similarity(columns, confirmed, size)[:total]
    order = np.lexsort((quick_numbers.present.ids, -similarities))
    return [int(quick_numbers.present.ids[index]) for index in order.tolist() if is_similar[index]]
