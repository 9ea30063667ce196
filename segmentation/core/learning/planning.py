"""Plans a fine-tuning before it starts, without torch: the number of trainings, their steps, and the expected time.

Images are divided into groups (of one specimen or session), and groups into folds. To judge a training, each split
holds out one fold and trains a network on the others; a final training uses all images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..tasks.base import Task

FEW_GROUPS = 5  # with fewer groups each group is held out once
MANY_GROUPS = 15  # with so many groups it is enough to hold out a fifth of them once
DEFAULT_STEPS = 200  # of a training by the default recipe
CHECKPOINT_STEPS = 25  # between two checkpoints, which score the held-out crops
LEAST_SHARE = 0.4  # of the recipe's steps: a plan with more splits must leave this share for each training
LEAST_STEPS = 50  # of any training
CHECKPOINT_SECONDS = 2.0  # for one checkpoint, on two cores
IMAGE_SECONDS = 3.0  # for scoring a megapixel once, on two cores
AUGMENTED_TIMES = 8.0  # scoring with all flips and scales takes so many times as long (lab.training.instances.ways)
MIXTURES = 4  # mixtures of tuned and base weights that are scored (lab.training.blend)
MINUTES = 20.0  # in which a training should end
STEP_SECONDS = 1.4  # for one step of a training, on two cores
LEAST_OBJECTS = 10  # that a training needs, in all images together
FEW_IMAGES = 10  # with fewer images a note says that the scores are uncertain
LEAST_COMPOSED_PX = 16.0  # diameter of a particle that is cut out for composed agglomerates


class ChosenPlan(NamedTuple):
    """The chosen plan.

    folds: number of parts into which the groups are divided. splits: how many of them are held out, one after the
    other. steps: of each training. trainings: their number, the final one included. step_seconds, seconds: expected
    time of a step and of everything.
    """

    folds: int
    splits: int
    steps: int
    trainings: int
    step_seconds: float
    seconds: float


def choose_plan(
    groups: int,
    megapixels: float,
    *,
    pace: float,
    minutes: float,
    steps: int = 0,
    usual: int = DEFAULT_STEPS,
    curve: bool = False,
    composed: bool = False,
) -> ChosenPlan:
    """The best plan for so many `minutes`.

    With fewer than FEW_GROUPS groups each is held out once. Otherwise the plan has five folds, or three if the time is
    short. With MANY_GROUPS groups and very little time one of five folds is held out.

    groups: number of groups that show objects, two or more. megapixels: of all images together. pace: seconds of a
    step. steps: of each training, however long they take; 0: as many as the time allows, at most `usual`. curve:
    whether there is a learning curve, which trains each split on a third and on two thirds of the images, too.
    composed: whether each split is trained a second time, with composed agglomerates. This takes extra time; it does
    not reduce the steps.
    """
    possible = (
        [(groups, groups)] if groups < FEW_GROUPS else [(5, 5), (3, 3), *([(5, 1)] if groups >= MANY_GROUPS else [])]
    )
    best = None
    for folds, splits in possible[:1] if steps else possible:
        trainings = splits * (3 if curve else 1) + 1
        # The held-out images are scored with the base model, with each training, and with each mixture of weights.
        # Scoring the base model's own data six times costs about as much as 12 megapixels.
        scoring = IMAGE_SECONDS * (
            megapixels * (1 + (AUGMENTED_TIMES * (trainings - 1) + MIXTURES * splits) / folds) + 12
        )
        step_seconds = pace + CHECKPOINT_SECONDS / CHECKPOINT_STEPS
        # At least half of the time is for training, however long scoring takes.
        seconds_left = max(60 * minutes - scoring, 30 * minutes)
        possible_steps = int(seconds_left / trainings / step_seconds) // CHECKPOINT_STEPS * CHECKPOINT_STEPS
        affordable = min(usual, max(LEAST_STEPS, possible_steps))
        steps_each = steps or affordable
        if composed:
            trainings += splits
            scoring += IMAGE_SECONDS * megapixels * AUGMENTED_TIMES * splits / folds
        best = ChosenPlan(
            folds, splits, steps_each, trainings, step_seconds, scoring + trainings * steps_each * step_seconds
        )
        if steps_each >= LEAST_SHARE * usual:
            break
    assert best
    return best


def few_objects(count: int, things: str) -> str:
    """The sentence that refuses a training with `count` outlines. things: what the outlines are, such as
    "particles"."""
    return f"The images show {count} {things} together: a training needs {LEAST_OBJECTS} at least. Outline more."


def composing_obstacle(task: Task, particles: Mapping[str, int]) -> str:
    """The reason, as a sentence, why no agglomerates can be composed for a training; "" if they can.

    particles: group -> number of whole particles that touch no other. Each split must leave LEAST_OBJECTS of them. It
    holds out at most a third of the groups; with fewer than FEW_GROUPS groups it holds out one.
    """
    if not task.composable:
        return f"Agglomerates are composed of particles, and these images show {task.things}."
    counts, groups = sorted(particles.values()), len(particles)
    held_out = 1 if groups < FEW_GROUPS else -(-groups // 3)
    total, training_count = sum(counts), sum(counts[: groups - held_out])
    if training_count >= LEAST_OBJECTS:
        return ""
    counted = f"here are {total}" + (
        f", and {training_count} while some images are held out" if training_count < total else ""
    )
    return (
        f"Composing needs {LEAST_OBJECTS} whole, free particles of {LEAST_COMPOSED_PX:g} px or more in the"
        f" images that are learnt from: {counted}. Fewer would come again and again."
    )


def notes(images: int, choice: ChosenPlan) -> list[str]:
    """Sentences that the user should read before the training starts. images: their number."""
    sentences = []
    if images < FEW_IMAGES:
        sentences.append(f"With {images} images the table on held-out images will be uncertain.")
    if choice.splits < choice.folds:
        sentences.append("There is time for one training besides the final one: one fifth of the images is held out.")
    return sentences
