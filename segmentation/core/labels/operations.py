"""Corrections as people and scripts write them: a list of operations in plain JSON types, applied in order."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

from . import edits, guided
from .patches import BadEdit, Patch, apply
from .segmentation import Segmentation
from .working import WorkingLabels

Operation = Mapping[str, Any]
Reads = Mapping[str, Callable[[str, Any], Any]]
UNDO = "undo"


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise BadEdit(f"{name} is a whole number from 1 on.")
    return value


def _numbers(name: str, value: Any) -> list[int]:
    if not isinstance(value, list) or not value:
        raise BadEdit(f"{name} is a list of numbers of objects.")
    return [_number(name, each) for each in value]


def _radius(name: str, value: Any) -> float:
    if type(value) not in (int, float):
        raise BadEdit(f"{name} is a number.")
    return float(min(value, edits.LARGEST_RADIUS + 1))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadEdit(f"{name} is a text.")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadEdit(f"{name} is true or false.")
    return value


def _points(name: str, value: Any) -> list[Any]:
    each = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
    plain = (isinstance(one, list) and len(one) == 2 and all(type(xy) in (int, float) for xy in one) for one in each)
    if value != [] and not all(plain):
        raise BadEdit(f"{name} is [x, y], or a list of such points.")
    return list(value)


def _split(
    now: WorkingLabels, number: Any = None, line: Any = None, points: Any = None, boundary: bool = False
) -> Patch:
    if (line is None) == (points is None) or (number is None and line is None):
        raise BadEdit("split needs a line or points, one of both, and id with points.")
    return guided.split_at(now, number, points, boundary) if line is None else edits.split(now, number, line, boundary)


# name of the operation: its function, required entries, optional entries
OPERATIONS: dict[str, tuple[Callable[..., Patch], Reads, Reads]] = {
    "delete": (edits.delete, {"ids": _numbers}, {}),
    "restore": (edits.restore, {"ids": _numbers}, {}),
    "set_aside": (edits.set_aside, {"ids": _numbers, "reason": _text}, {}),
    "reviewed": (edits.reviewed, {"ids": _numbers}, {}),
    "merge": (edits.merge, {"ids": _numbers}, {"boundary": _flag}),
    "split": (_split, {}, {"id": _number, "line": _points, "points": _points, "boundary": _flag}),
    "add": (guided.add, {"point": _points}, {"outside": _points, "wider": _number}),
    "area": (edits.area, {"point": _points}, {"id": _number, "class": _text}),
    "smooth": (guided.smooth, {"ids": _numbers}, {}),
    "draw": (edits.draw, {"polygon": _points}, {"id": _number, "class": _text, "ground": _flag, "replace": _flag}),
    "paint": (
        edits.paint,
        {"points": _points, "radius": _radius},
        {"id": _number, "class": _text, "ground": _flag},
    ),
    "erase": (edits.erase, {}, {"polygon": _points, "points": _points, "radius": _radius, "id": _number}),
    "fill": (edits.fill, {"ids": _numbers}, {}),
    "class": (edits.reclassify, {"ids": _numbers, "class": _text}, {}),
}
ARGUMENTS = {"id": "number", "class": "name"}  # names of entries that are named otherwise in the functions


def patch_of(now: WorkingLabels, operation: Operation, original: WorkingLabels) -> Patch:
    """The patch of one operation; original: the outlines before all corrections. Raises BadEdit."""
    name = operation.get("op") if isinstance(operation, Mapping) else None
    if not isinstance(name, str) or name not in OPERATIONS:
        raise BadEdit(f"op is one of {', '.join(OPERATIONS)} or {UNDO}.")
    do, needed, possible = OPERATIONS[name]
    reads, said = {**needed, **possible}, {key: value for key, value in operation.items() if key != "op"}
    if missing := [key for key in needed if said.get(key) is None]:
        raise BadEdit(f"{name} needs {missing[0]}.")
    if unknown := [key for key in said if key not in reads]:
        raise BadEdit(f"{name} has no {unknown[0]}.")
    values = {ARGUMENTS.get(key, key): reads[key](key, value) for key, value in said.items() if value is not None}
    if do in (edits.restore, guided.add):
        values["earlier"] = original
    return do(now, **values)


class Step(NamedTuple):
    """One correction that was made. before: the patch that takes it back. undoes: the number of the step that this one
    takes back, from 1 on; None for any other operation."""

    operation: Operation
    patch: Patch
    before: Patch
    undoes: int | None = None


def standing(steps: Sequence[Step]) -> list[int]:
    """The numbers of the steps that were not taken back."""
    undone = {step.undoes for step in steps}
    return [n for n, step in enumerate(steps, 1) if step.undoes is None and n not in undone]


class Corrections:
    """The corrections of outlines so far, and the outlines that stand after them."""

    def __init__(self, original: WorkingLabels, steps: Iterable[Step] = ()) -> None:
        self.original, self.steps = original, list(steps)
        self.now = original.after(step.patch for step in self.steps)

    def followed_by(self, steps: Iterable[Step]) -> Corrections:
        """The same corrections and some later ones; this one stays as it is."""
        later, new = copy(self), list(steps)
        later.steps, later.now = [*self.steps, *new], self.now.after(step.patch for step in new)
        return later

    def do(self, operation: Operation) -> Step:
        """Make one correction; "undo" takes back the last one that stands. Raises BadEdit, and changes nothing then."""
        undo = isinstance(operation, Mapping) and operation.get("op") == UNDO
        if undo and len(operation) > 1:
            raise BadEdit("undo has no other entries.")
        last = standing(self.steps)[-1:] if undo else []
        if undo and not last:
            raise BadEdit("There is nothing to undo.")
        undoes = last[0] if undo else None
        patch = self.steps[undoes - 1].before if undoes else patch_of(self.now, operation, self.original)
        step = Step(dict(operation), patch, self.now.inverse(patch), undoes)
        self.now = self.now.after([patch])
        self.steps.append(step)
        return step


def splits(corrections: Corrections, chosen: Container[int]) -> list[Operation]:
    """The operations that make the possible cuts at the chosen places of the list, as far as they can still be made."""
    trial, operations = corrections.followed_by([]), list[Operation]()
    for place, cut in enumerate(trial.original.cuts):
        if place in chosen and (number := cut.divides(trial.now.crop)):
            with suppress(BadEdit):
                operations.append(trial.do({"op": "split", "id": number, "line": cut.line}).operation)
    return operations


def finished(original: Segmentation, steps: Sequence[Step]) -> Segmentation:
    """The corrected segmentation, with the operations in its provenance; `used` counts the objects that people changed
    (deleted ones included) and the objects that they only reviewed."""
    operations = tuple(step.operation for step in steps)
    changed: set[int] = set()
    reviewed: set[int] = set()
    for number in standing(steps):
        step = steps[number - 1]
        (reviewed if step.operation["op"] == "reviewed" else changed).update(step.patch.objects)
    before = original.used
    changed |= set(before.get("corrected_ids", ()))
    reviewed = (reviewed | set(before.get("reviewed_ids", ()))) - changed
    counts = {
        "corrected": len(changed),
        "reviewed": len(reviewed),
        "corrected_ids": sorted(changed),
        "reviewed_ids": sorted(reviewed),
    }
    provenance = replace(original.provenance, edits=(*original.provenance.edits, *operations))
    corrected = apply(original, [step.patch for step in steps])
    return replace(corrected, provenance=provenance, used={**before, **counts})


def correct(segmentation: Segmentation, operations: Sequence[Operation]) -> Segmentation:
    """The segmentation after all operations, with these in its provenance.

    Raises BadEdit, which names the operation that is impossible; then nothing is changed.
    """
    corrections = Corrections(WorkingLabels.of(segmentation))
    for place, operation in enumerate(operations, 1):
        try:
            corrections.do(operation)
        except BadEdit as problem:
            raise BadEdit(f"Operation {place}: {problem}") from problem
    return finished(segmentation, corrections.steps)
