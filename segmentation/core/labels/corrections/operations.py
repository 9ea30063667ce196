"""Corrections as pages and scripts send them: operations in plain JSON types, such as {"op": "delete", "ids": [3]}.

This module checks the operations, applies them one after the other (`Corrections`), with undo and redo, and puts the
result into a Segmentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from ...settings import REGIONS_FORM, regions_of
from ..segmentation import Segmentation
from . import edits, guided
from .patches import BadEdit, Patch, apply_patches
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
Regions = Annotated[Any, BeforeValidator(regions_of), Field(description=REGIONS_FORM)]
Text = Annotated[str, Field(description="a text")]
Boolean = Annotated[bool, Field(description="true or false")]
Entries = Mapping[str, Any]  # an operation's entries: name -> type


def _split(
    now: WorkingLabels,
    number: Any = None,
    line: Any = None,
    points: Any = None,
    cuts: Any = None,
    boundary: bool = False,
) -> Patch:
    """The operation "split" with its three forms: along a line, along possible cuts, or between points."""
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


# Optional entries of the operations that draw; see `edits.draw`.
DRAWING_ENTRIES: Entries = {"id": Number, "class": Text, "ground": Boolean, "touching": Boolean}

# The name of each operation: its function, required entries, optional entries.
OPERATIONS: dict[str, tuple[Callable[..., Patch], Entries, Entries]] = {
    "delete": (edits.delete, {"ids": Numbers}, {}),
    "restore": (edits.restore, {"ids": Numbers}, {}),
    "set_aside": (edits.set_aside, {"ids": Numbers, "reason": Text}, {}),
    "reviewed": (edits.review, {"ids": Numbers}, {}),
    "merge": (edits.merge, {}, {"ids": Numbers, "points": Points, "boundary": Boolean}),
    "split": (_split, {}, {"id": Number, "line": Points, "points": Points, "cuts": Lines, "boundary": Boolean}),
    "add": (guided.add_object, {"point": Points}, {"outside": Points, "wider": Number}),
    "area": (edits.draw_area, {"point": Points}, {"id": Number, "class": Text}),
    "smooth": (guided.smooth_outlines, {"ids": Numbers}, {}),
    "draw": (edits.draw, {"polygon": Points}, {**DRAWING_ENTRIES, "replace": Boolean}),
    "paint": (edits.paint, {"points": Points, "radius": Radius}, DRAWING_ENTRIES),
    "erase": (
        edits.erase,
        {},
        {"polygon": Points, "points": Points, "radius": Radius, "id": Number, "touching": Boolean},
    ),
    "fill": (edits.fill, {"ids": Numbers}, {}),
    "class": (edits.reclassify, {"ids": Numbers, "class": Text}, {}),
    "ignore": (edits.ignore, {"regions": Regions}, {}),
}
ARGUMENTS = {"id": "number", "class": "name"}  # entry -> argument of the functions, where the names differ


def _words(entry_type: Any) -> str:
    """The description of an entry's type."""
    return str(entry_type.__metadata__[-1].description)


def _model(name: str, required: Entries, optional: Entries) -> type[BaseModel]:
    """The pydantic model of an operation as JSON."""
    fields: Any = {"op": (Literal[name], ...), **{entry: (kind, ...) for entry, kind in required.items()}}
    fields |= {entry: (kind | None, Field(None, description=_words(kind))) for entry, kind in optional.items()}
    return create_model(name, __config__=ConfigDict(extra="forbid", strict=True), **fields)


# The pydantic model of each operation as JSON.
MODELS = {name: _model(name, required, optional) for name, (_, required, optional) in OPERATIONS.items()}
MODELS |= {name: _model(name, {}, {}) for name in (UNDO, REDO)}


def patch_of(now: WorkingLabels, operation: Operation, original: WorkingLabels) -> Patch:
    """The patch that one operation makes from the outlines `now`. original: the outlines before all corrections. Raises
    BadEdit if the operation is unknown, wrong or impossible."""
    name = operation.get("op") if isinstance(operation, Mapping) else None
    if not isinstance(name, str) or name not in OPERATIONS:
        raise BadEdit(f"op is one of {', '.join(OPERATIONS)}, {UNDO} or {REDO}.")
    function, required, optional = OPERATIONS[name]
    values = {key: value for key, value in operation.items() if value is not None}
    try:
        MODELS[name].model_validate(values)
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        entry = str(error["loc"][0])
        sentences = {"missing": f"{name} needs {entry}.", "extra_forbidden": f"{name} has no {entry}."}
        types = {**required, **optional}
        raise BadEdit(sentences.get(error["type"]) or f"{entry} is {_words(types[entry])}.") from None
    values = {ARGUMENTS.get(key, key): value for key, value in values.items() if key != "op"}
    if "radius" in values:
        values["radius"] = float(min(values["radius"], edits.LARGEST_RADIUS + 1))  # a huge int has no float
    if function in (edits.restore, guided.add_object):
        values["earlier"] = original
    return function(now, **values)


class Step(NamedTuple):
    """One correction that was made: the operation, and the patch that it gave.

    before: the patch that takes it back. undoes: for an undo, the number of the step that it takes back, from 1 on;
    None for any other operation.
    """

    operation: Operation
    patch: Patch
    before: Patch
    undoes: int | None = None

    def is_like(self, other: Step) -> bool:
        """Whether the other step has the same operation and the same patch."""
        return self.operation == other.operation and self.patch.as_dict() == other.patch.as_dict()


def steps_in_effect(steps: Sequence[Step]) -> list[int]:
    """The numbers (from 1 on) of the steps that were not undone and are no undo themselves, in ascending order."""
    undone = {step.undoes for step in steps}
    return [number for number, step in enumerate(steps, 1) if step.undoes is None and number not in undone]


def steps_from_first_undone(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps from the first undone step on, in plain JSON types. From these a page knows what "redo" would do.
    "made": the ids of the new objects of a step."""
    oldest = min((step.undoes for step in steps if step.undoes), default=len(steps) + 1)
    return [
        {
            "number": number,
            "operation": step.operation,
            "undoes": step.undoes,
            "made": [] if step.undoes else sorted(set(step.patch.ids_left) - set(step.before.ids_left)),
        }
        for number, step in enumerate(steps[oldest - 1 :], oldest)
    ]


def redoable_steps(steps: Sequence[Step]) -> list[int]:
    """The numbers of the steps that "redo" can make again; "redo" takes the last one of the list. These are the steps
    that were undone after the last new step. A step equal to the last one of the list is its redo."""
    undone = list[int]()
    for step in steps:
        if step.undoes is not None:
            undone.append(step.undoes)
        elif undone and step.is_like(steps[undone[-1] - 1]):
            undone.pop()
        else:
            undone = []
    return undone


def undo_step(steps: Sequence[Step], number: int, operation: Operation) -> Step:
    """The step that undoes the step `number` (from 1 on). All steps after that one were undone before, so its two
    patches can simply be exchanged."""
    undone = steps[number - 1]
    return Step(dict(operation), undone.before, undone.patch, number)


class Corrections:
    """The corrections of outlines so far.

    original: the outlines before all corrections. steps: the corrections. now: the outlines after them.
    """

    def __init__(self, original: WorkingLabels, steps: Iterable[Step] = ()) -> None:
        self.original, self.steps = original, list(steps)
        self.now = original.after(step.patch for step in self.steps)

    def followed_by(self, steps: Iterable[Step]) -> Corrections:
        """A copy with further steps; this object stays as it is."""
        later, new = copy(self), list(steps)
        later.steps, later.now = [*self.steps, *new], self.now.after(step.patch for step in new)
        return later

    def do(self, operation: Operation) -> Step:
        """Make one correction and return its step. "undo" takes back the last step in effect, "redo" makes the last
        undone step again, with the same ids. Raises BadEdit and changes nothing if the operation is impossible."""
        name = operation.get("op") if isinstance(operation, Mapping) else None
        step = self._undo_or_redo(name, operation) if name in (UNDO, REDO) else self._new_step(operation)
        self.now = self.now.after([step.patch])
        self.steps.append(step)
        return step

    def _new_step(self, operation: Operation) -> Step:
        patch = patch_of(self.now, operation, self.original)
        return Step(dict(operation), patch, self.now.inverse(patch))

    def _undo_or_redo(self, name: str, operation: Operation) -> Step:
        if len(operation) > 1:
            raise BadEdit(f"{name} has no other entries.")
        last = (steps_in_effect(self.steps) if name == UNDO else redoable_steps(self.steps))[-1:]
        if not last:
            raise BadEdit(f"There is nothing to {name}.")
        if name == UNDO:
            return undo_step(self.steps, last[0], operation)
        undone = self.steps[last[0] - 1]  # its patches fit, because the outlines are as they were before it
        return Step(undone.operation, undone.patch, undone.before)


def replay_steps(original: Segmentation, steps: Sequence[Step]) -> Segmentation:
    """The segmentation after the steps, with their operations in its provenance.

    Its `used` gets, as stored keys: "corrected" and "reviewed", the numbers of objects that people changed (deleted
    ones included) or only reviewed; "corrected_ids" and "reviewed_ids"; and "step", the number of steps so far.
    """
    operations = tuple(step.operation for step in steps)
    changed: set[int] = set()
    reviewed: set[int] = set()
    for number in steps_in_effect(steps):
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
    corrected = apply_patches(original, [step.patch for step in steps])
    return replace(corrected, provenance=provenance, used={**before, **counts})


def correct(segmentation: Segmentation, operations: Sequence[Operation]) -> Segmentation:
    """The segmentation after all operations, with these in its provenance. Raises BadEdit, which names the first
    operation that is impossible."""
    corrections = Corrections(WorkingLabels.of(segmentation))
    for index, operation in enumerate(operations, 1):
        try:
            corrections.do(operation)
        except BadEdit as problem:
            raise BadEdit(f"Operation {index}: {problem}") from problem
    return replay_steps(segmentation, corrections.steps)
