"""A training as its page, the API and lists show it: its progress, its curves, and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils import timezone

from ...core.learning.training_summary import Change, ImageChange, Point, TrainingSummary
from ...core.measure.quantities import Value, significant
from ...core.network.cards import ModelCard
from ...core.report.entries import Entry
from ...core.report.wording import capital, interval_words, uncapital
from ...core.stages.pace import time_words
from ...models import Job, Training
from ...presenters.drawings import Lines
from ...presenters.progress import Status
from ...presenters.stored import headline, main_number, numbers_of
from ..datasets.words import amount

FINAL = -1  # number of the split without held-out images: the training on all images
VERDICTS = {"better": "better", "worse": "worse", "same": "about the same"}
# More images are worth the time if the last step of the learning curve lowered the error by more than this share of it.
LEAST_GAIN = 0.1
UNITS_IN_TITLES = ("%", "points")  # units at the end of a title
TOLERATED_LOSS = 0.01  # of AP50: a smaller loss on the data of the base model does not count as forgetting


@dataclass(frozen=True)
class ScoreRow:
    """A number before and after the training, in words. verdict: "better", "worse" or "same"."""

    title: str
    before: str
    after: str
    verdict: str
    verdict_words: str


@dataclass(frozen=True)
class PicturePair:
    """Addresses of two pictures of a held-out image: with its outlines before the training, and after `step` steps.
    latest: "" until there is a second picture."""

    image: str
    before: str
    latest: str
    step: int


@dataclass(frozen=True)
class HeldOutRow:
    """One held-out image before and after the training. picture: the address of a picture of both, "" without one.
    figures: its numbers in words."""

    image: str
    picture: str
    verdict: str
    words: str
    figures: str


@dataclass(frozen=True)
class TrainedModel:
    """A trained model in lists: its card, and the training that made it."""

    card: ModelCard
    training: Training

    @property
    def dataset(self) -> str:
        return self.training.dataset.name if self.training.dataset else "a deleted dataset"

    @property
    def overruled_line(self) -> str:
        """Who offered the model although it was no better; "" otherwise."""
        if not self.training.offered or (self.training.summary.get("outcome") or {}).get("improved"):
            return ""
        name = self.training.overruled_by.get_username() if self.training.overruled_by else "a deleted account"
        return f"Offered by {name} although the error on held-out images did not fall."


@dataclass(frozen=True)
class Rerun:
    """A result that a new model was run on again: the main number of both results, and their difference in per cent of
    the old one."""

    old: Job
    new: Job
    before: str
    after: str
    change: str

    @property
    def is_comparable(self) -> bool:
        return self.old.is_done and self.new.is_done

    @classmethod
    def of(cls, new: Job) -> Rerun:
        old = new.parent
        after = headline(numbers_of(new.stored)) if new.is_done else capital(new.get_state_display())
        return cls(old, new, headline(numbers_of(old.stored)) or "–", after or "–", _change(old, new))


class TrainingView:
    """A training as its page shows it."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.summary: TrainingSummary = training.summary  # type: ignore[assignment]

    @property
    def title(self) -> str:
        """Its own title, else one from the name of its dataset."""
        own_title = str(self.training.options.get("title") or "")
        dataset = self.training.dataset
        return own_title or (f"Training on {dataset.name}" if dataset else "Training on a deleted dataset")

    @property
    def status(self) -> Status:
        return status_of(self.training)

    @property
    def plan_line(self) -> str:
        """The plan of the training in a sentence; "" before there is a plan."""
        if not self._plan:
            return ""
        trainings, held_out = self._plan["trainings"], self._plan["held_out"]
        how = "one training on all images"
        if held_out:
            twice = " as many with composed agglomerates," if self.training.options.get("composed") else ""
            held = f"{amount(len(held_out), 'training')} with images held out"
            how = f"{held},{twice} and one on all images for the model"
        sentence = f"{amount(trainings, 'training')} of {self._plan['steps']:,} steps at most: " if trainings else ""
        # The time of the whole is an estimate, which is left out once the remaining time is known.
        whole = (
            "" if seconds_left(self.training) is not None else f" It takes {time_words(self._plan['seconds'])} in all."
        )
        return f"{sentence}{how}.{whole}"

    @property
    def held_out(self) -> list[str]:
        """The names of the held-out images of each training."""
        return [", ".join(names) for names in self._plan.get("held_out", [])]

    @property
    def loss_chart(self) -> Lines | None:
        """The loss of the training that ran last: on the images to learn from, and on held-out images."""
        last = self._last_split
        points = [point for point in self._curve if point["split"] == last]
        series = [[(point["step"], point[name]) for point in points] for name in ("loss", "validation_loss")]
        return Lines.of(series, "Loss", "steps")

    @property
    def score_chart(self) -> Lines | None:
        """The score on held-out images of every training with such images."""
        splits = sorted({point["split"] for point in self._curve if point["split"] != FINAL})
        series = [
            [(point["step"], point["score"]) for point in self._curve if point["split"] == split] for split in splits
        ]
        return Lines.of(series, "Score on held-out images", "steps")

    @property
    def loss_training(self) -> str:
        """In words, which of the trainings `loss_chart` shows."""
        split = self._last_split
        return "the last training, on all images" if split == FINAL else f"training {split + 1}"

    @property
    def learning_chart(self) -> Lines | None:
        """The error against the number of images to learn from; 0 images is the base model."""
        steps = sorted(self.summary.get("learning_curve", []), key=lambda step: step["images"])
        points = [(step["images"], step["error"]) for step in steps]
        intervals = [(step["images"], *step["error_interval"]) for step in steps if step["error_interval"]]
        return Lines.of([points], "Error of the reported number, %", "images", intervals, from_zero=True)

    @property
    def learning_line(self) -> str:
        """Whether more images are worth the time, by the last step of the learning curve."""
        measured = [step for step in self.summary.get("learning_curve", []) if step["error"] is not None]
        steps = sorted(measured, key=lambda step: step["images"])
        if len(steps) < 2:
            return ""
        before, last = steps[-2], steps[-1]
        fell, more = before["error"] - last["error"], last["images"] - before["images"]
        text = f"With {amount(last['images'], 'image')} to learn from, the error is {significant(last['error'], 2)} %."
        added = f"The last {amount(more, 'image')}"
        if fell > LEAST_GAIN * before["error"]:
            return (
                f"{text} {added} lowered it by {significant(fell, 2)} points. More images are probably worth the time."
            )
        return f"{text} {added} made it no better. More images like these will probably help little."

    @property
    def picture_pairs(self) -> list[PicturePair]:
        """The pictures of each held-out image: the first and the latest one."""
        by_image: dict[tuple[int, str], list[Any]] = {}
        for picture in self.summary.get("pictures", []):
            by_image.setdefault((picture["split"], picture["image"]), []).append(picture)
        pairs = []
        for (_, image), pictures in by_image.items():
            earliest, last = (pick(pictures, key=lambda picture: picture["step"]) for pick in (min, max))
            latest = self._file(last["file"]) if last is not earliest else ""
            pairs.append(PicturePair(image, self._file(earliest["file"]), latest, last["step"]))
        return pairs

    overruled_line = TrainedModel.overruled_line  # both classes have the attribute `training`

    @property
    def table(self) -> list[ScoreRow]:
        return [_row(line) for line in self.summary.get("table", [])]

    @property
    def has_intervals(self) -> bool:
        return any(line["before_interval"] or line["after_interval"] for line in self.summary.get("table", []))

    @property
    def images(self) -> list[HeldOutRow]:
        """The held-out images: first those that got worse, then those that got better, then the others."""
        order = {"worse": 0, "better": 1}
        rows = sorted(self.summary.get("images", []), key=lambda image: order.get(image["verdict"], 2))
        return [self._image(row) for row in rows]

    @property
    def forgetting(self) -> list[ScoreRow]:
        """The score on the data of the base model before and after: whether the new model forgot them."""
        rows = []
        for line in self.summary.get("forgetting", []):
            before, after = line["before"], line["after"]
            verdict = "same" if abs(before - after) <= TOLERATED_LOSS else "worse" if before > after else "better"
            title = f"{line['data']} ({amount(line['images'], 'image')}), {line['figure']}"
            rows.append(ScoreRow(title, _value(before, ""), _value(after, ""), verdict, VERDICTS[verdict]))
        return rows

    @cached_property
    def _titles(self) -> dict[str, tuple[str, str]]:
        return {line["name"]: _title_and_unit(line) for line in self.summary.get("table", [])}

    @property
    def _plan(self) -> Mapping[str, Any]:
        return self.summary.get("plan", {})  # type: ignore[return-value]

    @property
    def _curve(self) -> Sequence[Point]:
        return self.summary.get("curve", [])

    @property
    def _last_split(self) -> int:
        return self._curve[-1]["split"] if self._curve else FINAL

    def _file(self, name: str) -> str:
        return reverse("training-file", args=[self.training.pk, name])

    def _image(self, change: ImageChange) -> HeldOutRow:
        figures = []
        for name in list(self._titles)[:2]:  # the error and the score, which decide the verdict
            title, unit = self._titles[name]
            before, after = (_value(change[side].get(name), unit) for side in ("before", "after"))  # type: ignore[literal-required]
            figures.append(f"{title} {before} → {after}")
        picture = self._file(change["file"]) if change["file"] else ""
        verdict = change["verdict"]
        return HeldOutRow(change["image"], picture, verdict, VERDICTS.get(verdict, verdict), "; ".join(figures))


def status_of(training: Training) -> Status:
    """The state of a training in words."""
    if training.state == Training.State.QUEUED and training.stage:
        return Status(f"Waiting: {uncapital(training.stage)}", "It goes on by itself.")
    if training.state == Training.State.QUEUED:
        count_before = Training.objects.filter(state__in=Training.UNFINISHED, queued__lt=training.queued).count()
        turn = f"{amount(count_before, 'training')} before it" if count_before else "next in the queue"
        return Status("Waiting for its turn", f"{capital(turn)}. Analyses go first. You may close this page.")
    if training.state == Training.State.RUNNING:
        per_cent = round(100 * training.progress)
        time_note = f", {time_words(seconds)} left" if (seconds := seconds_left(training)) is not None else ""
        return Status(
            capital(training.stage or "starting"), f"{per_cent} % done{time_note}. You may close this page.", per_cent
        )
    if training.state == Training.State.FAILED:
        return Status("The training failed", training.error)
    if training.state == Training.State.CANCELLED:
        return Status("Cancelled", "The training was stopped. Try again to let it go on.")
    return Status("Done", sentence_of(training), 100)


def seconds_left(training: Training) -> float | None:
    """Seconds until a running training is done; None if not known."""
    if training.state != Training.State.RUNNING or training.ends is None:
        return None
    return max((training.ends - timezone.now()).total_seconds(), 0.0)


def sentence_of(training: Training) -> str:
    """The outcome in a sentence, "" before there is one."""
    return str((training.summary.get("outcome") or {}).get("sentence", ""))


def _row(change: Change) -> ScoreRow:
    before, after = change["before"], change["after"]
    if change["better"] == "zero":
        before, after = (None if side is None else abs(side) for side in (before, after))
    verdict = "same"
    if before is not None and after is not None and before != after:
        verdict = "better" if (after > before) == (change["better"] == "higher") else "worse"
    title, unit = _title_and_unit(change)
    sides = [
        _value(change[side], unit, change[f"{side}_interval"])  # type: ignore[literal-required]
        for side in ("before", "after")
    ]
    return ScoreRow(title, *sides, verdict, VERDICTS[verdict])


def _title_and_unit(change: Change) -> tuple[str, str]:
    """Title and unit of a number; some titles end with the unit."""
    title, _, unit = change["title"].rpartition(", ")
    return (title, unit) if title and unit in UNITS_IN_TITLES else (change["title"], change["unit"])


def _value(value: float | None, unit: str, interval: Iterable[float] | None = None) -> str:
    if value is None or unit:
        return Entry("", "", Value(value, *(interval or (None, None)), unit)).words
    write = "{:.3f}".format  # a number without a unit is a score
    return f"{write(value)} ({interval_words(*interval, write)})" if interval else write(value)


def _change(old: Job, new: Job) -> str:
    """The difference of the main numbers in per cent of the old one, or in its unit if the old one is 0; "" if they are
    different quantities."""
    if not (old.is_done and new.is_done):
        return ""
    old_entry, new_entry = (main_number(numbers_of(job.stored)) for job in (old, new))
    if old_entry is None or new_entry is None:
        return ""
    if (old_entry.name, old_entry.number.unit) != (new_entry.name, new_entry.number.unit):
        return ""
    before, after = old_entry.number.value or 0.0, new_entry.number.value or 0.0
    return f"{100 * (after - before) / before:+.1f} %" if before else significant(after - before)
