"""How many trainings a fine-tuning makes and how long it takes: known before it starts, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .tasks.base import Task

FEW = 5  # groups; with fewer each is held out once
MANY = 15  # groups, from which on a fifth of them is enough to judge by
STEPS = 200  # of the usual recipe
CHECKPOINT = 25  # steps from one look at the held-out crops to the next
LEAST_SHARE, LEAST_STEPS = 0.4, 50  # of the recipe's steps, from which on more splits are worth it; of any training
LOOK_SECONDS, IMAGE_SECONDS = 2.0, 3.0  # of a checkpoint, and of scoring a megapixel once
WAYS = 8.0  # times that, for reading it in every way (lab.training.instances.ways)
SHARES = 4  # of the tuned weights, besides the whole (lab.training.blend)
MINUTES = 20.0  # that a training may take, as far as that is possible
PACE = 1.4  # seconds of a step on two cores
LEAST_OBJECTS = 10  # in all images together; from fewer nothing is learnt
TOLD_FEW = 10  # images, under which it is said that the table is uncertain
WHOLE_PX = 16.0  # diameter from which on a particle is cut out for composed agglomerates


class Choice(NamedTuple):
    """folds: into how many parts the groups are divided. splits: how many of these are held out, one after the other.
    steps: of each training. trainings: with the final one. step_seconds, seconds: expected, of a step and of all."""

    folds: int
    splits: int
    steps: int
    trainings: int
    step_seconds: float
    seconds: float


def choose(
    groups: int,
    megapixels: float,
    *,
    pace: float,
    minutes: float,
    steps: int = 0,
    usual: int = STEPS,
    curve: bool = False,
    composed: bool = False,
) -> Choice:
    """The best that `minutes` allow: leave-one-out with fewer than FEW groups, else five parts, or three, or with MANY
    groups one of five.

    groups: with objects, two or more. megapixels: of all images. pace: seconds of a step. steps: so many whatever they
    take; 0: as many as there is time for, at most `usual`. curve: whether a third and two thirds of the images are
    learnt from, too. composed: whether each split is trained a second time, with composed agglomerates. These trainings
    take their own time besides: none becomes shorter.
    """
    possible = [(groups, groups)] if groups < FEW else [(5, 5), (3, 3), *([(5, 1)] if groups >= MANY else [])]
    best = None
    for folds, splits in possible[:1] if steps else possible:
        trainings = splits * (3 if curve else 1) + 1
        # The base and each training score what was held out, and so does each share of the weights; what is kept of the
        # base model's own data costs about as much as two megapixels, six times.
        scoring = IMAGE_SECONDS * (megapixels * (1 + (WAYS * (trainings - 1) + SHARES * splits) / folds) + 12)
        step_seconds = pace + LOOK_SECONDS / CHECKPOINT
        left = max(60 * minutes - scoring, 30 * minutes)  # half of the minutes at least, however long scoring takes
        affordable = min(usual, max(LEAST_STEPS, int(left / trainings / step_seconds) // CHECKPOINT * CHECKPOINT))
        steps_each = steps or affordable
        if composed:
            trainings += splits
            scoring += IMAGE_SECONDS * megapixels * WAYS * splits / folds
        best = Choice(
            folds, splits, steps_each, trainings, step_seconds, scoring + trainings * steps_each * step_seconds
        )
        if steps_each >= LEAST_SHARE * usual:
            break
    assert best
    return best


def few_objects(count: int, things: str) -> str:
    """Why so few outlines cannot be learnt from."""
    return f"The images show {count} {things} together: a training needs {LEAST_OBJECTS} at least. Outline more."


def composing_obstacle(task: Task, particles: Mapping[str, int]) -> str:
    """Why no agglomerates can be composed for a training; "" where they can.

    particles: how many whole, free ones the images of each group show. Of every split LEAST_OBJECTS must be left: of
    three folds a third of the groups is held out at once, with fewer than FEW groups one.
    """
    if not task.composable:
        return f"Agglomerates are composed of particles, and these images show {task.things}."
    counts, groups = sorted(particles.values()), len(particles)
    held_out = 1 if groups < FEW else -(-groups // 3)
    total, left = sum(counts), sum(counts[: groups - held_out])
    if left >= LEAST_OBJECTS:
        return ""
    counted = f"here are {total}" + (f", and {left} while some images are held out" if left < total else "")
    return (
        f"Composing needs {LEAST_OBJECTS} whole, free particles of {WHOLE_PX:g} px or more in the"
        f" images that are learnt from: {counted}. Fewer would come again and again."
    )


def notes(images: int, choice: Choice) -> list[str]:
    """What a person should know before it starts."""
    sentences = []
    if images < TOLD_FEW:
        sentences.append(f"With {images} images the table on held-out images will be uncertain.")
    if choice.splits < choice.folds:
        sentences.append("There is time for one training besides the final one: one fifth of the images is held out.")
    return sentences
