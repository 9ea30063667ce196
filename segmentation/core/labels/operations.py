"""Corrections as people and scripts write them: a list of operations in plain JSON types, applied in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from . import edits, guided
from .patches import BadEdit, Patch, apply
from .segmentation import Segmentation
from .working import WorkingLabels

Operation = Mapping[str, Any]
UNDO, REDO = "undo", "redo"

_Number = Annotated[int, Field(ge=1, lt=2**31)]
_Point = Annotated[list[int | float], Field(min_length=2, max_length=2)]
Number = Annotated[_Number, Field(description="a whole number from 1 on")]
Numbers = Annotated[list[_Number], Field(min_length=1, description="a list of numbers of objects, from 1 on")]
Points = Annotated[_Point | list[_Point], Field(description="[x, y], or a list of such points")]
Lines = Annotated[list[list[_Point]], Field(min_length=1, description="a list of lines, each a list of points [x, y]")]
Radius = Annotated[int | float, Field(description="a number")]
Text = Annotated[str, Field(description="a text")]
Flag = Annotated[bool, Field(description="true or false")]
Entries = Mapping[str, Any]  # name and type


def _split(
    now: WorkingLabels,
    number: Any = None,
    line: Any = None,
    points: Any = None,
    cuts: Any = None,
    boundary: bool = False,
) -> Patch:
    if sum(entry is not None for entry in (line, points, cuts)) != 1:
        raise BadEdit("split needs a line, cuts or points, one of these.")
    if points is not None:
        if number is None:
            raise BadEdit("split needs id with points.")
        return guided.split_at(now, number, points, boundary)
    if cuts is not None:
        if number is not None:
            raise BadEdit("split has no id with cuts: each divides the object that its middle lies in.")
        return edits.split_along(now, cuts, boundary)
    return edits.split(now, number, line, boundary)


# Of what is drawn; touching: see `edits.draw`.
DRAWN: Entries = {"id": Number, "class": Text, "ground": Flag, "touching": Flag}

# name of the operation: its function, required entries, optional entries
OPERATIONS: dict[str, tuple[Callable[..., Patch], Entries, Entries]] = {
    "delete": (edits.delete, {"ids": Numbers}, {}),
    "restore": (edits.restore, {"ids": Numbers}, {}),
    "set_aside": (edits.set_aside, {"ids": Numbers, "reason": Text}, {}),
    "reviewed": (edits.reviewed, {"ids": Numbers}, {}),
    "merge": (edits.merge, {}, {"ids": Numbers, "points": Points, "boundary": Flag}),
    "split": (_split, {}, {"id": Number, "line": Points, "points": Points, "cuts": Lines, "boundary": Flag}),
    "add": (guided.add, {"point": Points}, {"outside": Points, "wider": Number}),
    "area": (edits.area, {"point": Points}, {"id": Number, "class": Text}),
    "smooth": (guided.smooth, {"ids": Numbers}, {}),
    "draw": (edits.draw, {"polygon": Points}, {**DRAWN, "replace": Flag}),
    "paint": (edits.paint, {"points": Points, "radius": Radius}, DRAWN),
    "erase": (
        edits.erase,
        {},
        {"polygon": Points, "points": Points, "radius": Radius, "id": Number, "touching": Flag},
    ),
    "fill": (edits.fill, {"ids": Numbers}, {}),
    "class": (edits.reclassify, {"ids": Numbers, "class": Text}, {}),
}
ARGUMENTS = {"id": "number", "class": "name"}  # names of entries that are named otherwise in the functions


def _words(kind: Any) -> str:
    return str(kind.__metadata__[-1].description)


def _model(name: str, needed: Entries, optional: Entries) -> type[BaseModel]:
    fields: Any = {"op": (Literal[name], ...), **{entry: (kind, ...) for entry, kind in needed.items()}}
    fields |= {entry: (kind | None, Field(None, description=_words(kind))) for entry, kind in optional.items()}
    return create_model(name, __config__=ConfigDict(extra="forbid", strict=True), **fields)


# What each operation looks like as JSON.
MODELS = {name: _model(name, needed, optional) for name, (_, needed, optional) in OPERATIONS.items()}
MODELS |= {name: _model(name, {}, {}) for name in (UNDO, REDO)}


def patch_of(now: WorkingLabels, operation: Operation, original: WorkingLabels) -> Patch:
    """The patch of one operation; original: the outlines before all corrections. Raises BadEdit."""
    name = operation.get("op") if isinstance(operation, Mapping) else None
    if not isinstance(name, str) or name not in OPERATIONS:
        raise BadEdit(f"op is one of {', '.join(OPERATIONS)}, {UNDO} or {REDO}.")
    do, needed, optional = OPERATIONS[name]
    values = {key: value for key, value in operation.items() if value is not None}
    try:
        MODELS[name].model_validate(values)
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        entry = str(error["loc"][0])
        sentences = {"missing": f"{name} needs {entry}.", "extra_forbidden": f"{name} has no {entry}."}
        kinds = {**needed, **optional}
        raise BadEdit(sentences.get(error["type"]) or f"{entry} is {_words(kinds[entry])}.") from None
    values = {ARGUMENTS.get(key, key): value for key, value in values.items() if key != "op"}
    if "radius" in values:
        values["radius"] = float(min(values["radius"], edits.LARGEST_RADIUS + 1))  # a huge int has no float
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

    def is_like(self, other: Step) -> bool:
        """Whether it is the same operation and changed the same."""
        return self.operation == other.operation and self.patch.as_dict() == other.patch.as_dict()


def standing(steps: Sequence[Step]) -> list[int]:
    """The numbers of the steps that were not taken back."""
    undone = {step.undoes for step in steps}
    return [n for n, step in enumerate(steps, 1) if step.undoes is None and n not in undone]


def since_first_undone(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps from the first one that was taken back, in plain JSON types: what can be made again follows from them.
    made: the ids that a step gave."""
    oldest = min((step.undoes for step in steps if step.undoes), default=len(steps) + 1)
    return [
        {
            "number": number,
            "operation": step.operation,
            "undoes": step.undoes,
            "made": [] if step.undoes else sorted(set(_there(step.patch)) - set(_there(step.before))),
        }
        for number, step in enumerate(steps[oldest - 1 :], oldest)
    ]


def _there(patch: Patch) -> list[int]:
    return [number for number, data in patch.objects.items() if data is not None]


def redoable(steps: Sequence[Step]) -> list[int]:
    """The numbers of the steps that can be made again, the one that comes first last: those that were taken back since
    the last other step. One that was made again gave the same patch."""
    undone = list[int]()
    for step in steps:
        if step.undoes is not None:
            undone.append(step.undoes)
        elif undone and step.is_like(steps[undone[-1] - 1]):
            undone.pop()
        else:
            undone = []
    return undone


def undo_of(steps: Sequence[Step], number: int, operation: Operation) -> Step:
    """The step that takes back one of these, from 1 on. All after it were taken back, so it has the patches of that one
    the other way round."""
    undone = steps[number - 1]
    return Step(dict(operation), undone.before, undone.patch, number)


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
        """Make one correction; "undo" takes back the last one that stands, "redo" makes the last one that was taken
        back again, with the same ids. Raises BadEdit, and changes nothing then."""
        name = operation.get("op") if isinstance(operation, Mapping) else None
        step = self._moved(name, operation) if name in (UNDO, REDO) else self._made(operation)
        self.now = self.now.after([step.patch])
        self.steps.append(step)
        return step

    def _made(self, operation: Operation) -> Step:
        patch = patch_of(self.now, operation, self.original)
        return Step(dict(operation), patch, self.now.inverse(patch))

    def _moved(self, name: str, operation: Operation) -> Step:
        """The step of an undo or a redo."""
        if len(operation) > 1:
            raise BadEdit(f"{name} has no other entries.")
        last = (standing(self.steps) if name == UNDO else redoable(self.steps))[-1:]
        if not last:
            raise BadEdit(f"There is nothing to {name}.")
        if name == UNDO:
            return undo_of(self.steps, last[0], operation)
        again = self.steps[last[0] - 1]  # all is as it was before it
        return Step(again.operation, again.patch, again.before)


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
        "step": before.get("step", 0) + len(steps),
    }
    provenance = replace(original.provenance, edits=(*original.provenance.edits, *operations))
    corrected = apply(original, [step.patch for step in steps])
    return replace(corrected, provenance=provenance, used={**before, **counts})


def correct(segmentation: Segmentation, operations: Sequence[Operation]) -> Segmentation:
    """The segmentation after all operations, with these in its provenance.

    Raises BadEdit, which names the operation that is impossible; then nothing is changed.
    """
    corrections = Corrections(WorkingLabels.of(segmentation))
    for index, operation in enumerate(operations, 1):
        try:
            corrections.do(operation)
        except BadEdit as problem:
            raise BadEdit(f"Operation {index}: {problem}") from problem
    return finished(segmentation, corrections.steps)
