"""The whole story on one page: a Micrograph is segmented, and what was found is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segmentation import __version__

from . import tasks
from .analysis import Analysis, AnalysisSettings
from .flags import TWO_SCALES, Flag
from .labels.segmentation import Provenance, Segmentation
from .measure.filters import LEAST_CONFIDENCE, Reason
from .measure.quantities import number
from .measure.regions import area_words, mask_of, share_of
from .measure.table import Table
from .measure.tilt import Stretch, Tilt
from .micrograph.contrast import clip_outliers
from .micrograph.crosscheck import contradict, crosscheck_sources, factor_words, far_apart
from .micrograph.databar import data_bar
from .micrograph.marks import Regions, filled, from_metadata, regions_of
from .micrograph.noise import NOISY, SMOOTH, noise_of
from .micrograph.types import NO_SCALE, Calibration, GreyImage, Micrograph, UnreadableImage
from .micrograph.vendors.facts import MARKS
from .micrograph.writing import writing_on
from .network import cards
from .network.answers import Answers
from .network.cards import ModelCard, stands_for
from .network.inference import Progress as Fraction
from .network.inference import no_progress, predict_augmented
from .network.likeness import ENTRY, NEAR, OWN, relative_distance
from .network.resample import middle, resize
from .network.runtime import Maps, Runtime, give_freed_memory_back, load_network
from .network.scale_search import View, as_shown, with_bright_objects
from .network.textures import clearly_of, compared_with_models, known_of, nearest
from .pace import BEGINS
from .settings import MeasurementSettings, SegmentationSettings
from .tasks.base import Decoded, Task
from .tasks.judgement import UNLIKE, judged

Progress = Callable[[str, float], None]
BETTER = 1.1  # times the worth of the first reading that another one needs
COARSE, LOOKED_AT = 0.6, 512  # working scale from which specks are looked for, and px of the window where they are
TWO_PER_CENT = 0.02  # of the sizes: the least difference of two sources of the scale that is said
# Times the right outlines of a clear picture that another model must promise of small objects: of 80 pictures of EMPS
# one has so many, on spheres that are strewn with smaller ones; three have three times as many.
FAR_MORE = 4.0
MIDDLE = 640  # px of the window in which another model looks for small objects
FREED_FROM = 2**21  # px of an image from which freed memory goes back to the system between the stages
NO_ROW = "The data bar cannot take {rows} rows: the image has only {tall}."
WRONG_SCALE = "Do not use these numbers before the scale is checked. {sources}"
# Why an automatic choice took a model.
NEAREST = "Its training images resemble this image most, among {count} models."
USUAL = "{title} is the default model. Nothing in the image suggests another."
MORE_RIGHT = "Probably {promise}, against {instead}."
Picture = NDArray[np.float32]
Show = Callable[[NDArray[np.int32], NDArray[np.float32]], None]
Number = TypeVar("Number", np.int32, np.uint8)


# Fractions of the whole at which the stages begin, in the order of BEGINS; DONE: only the report is left.
PREPARING, SEARCHING, SEGMENTING, SEPARATING, MEASURING, DONE = BEGINS.values()


def barest_window(outlined: NDArray[np.bool_], side: int) -> tuple[slice, slice]:
    """The window of `side` px, or of the whole side where that is shorter, with the fewest outlined pixels (H, W);
    five positions along each side are compared."""
    sides = [min(side, length) for length in outlined.shape]
    tops, lefts = (
        np.unique(np.linspace(0, length - side, 5).astype(int)).tolist()
        for length, side in zip(outlined.shape, sides, strict=True)
    )
    windows = [(slice(top, top + sides[0]), slice(left, left + sides[1])) for top in tops for left in lefts]
    return min(windows, key=lambda window: int(outlined[window].sum()))


class WrongTask(ValueError):
    """The model is for another kind of analysis; the message is one sentence."""


def quiet(stage: str, fraction: float) -> None:
    """A progress that reports nothing."""


def unseen(labels: NDArray[np.int32], confidence: NDArray[np.float32]) -> None:
    """Shows outlines to nobody."""


@dataclass
class Clock:
    """Seconds spent by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def analyse(
    micrograph: Micrograph,
    settings: AnalysisSettings,
    progress: Progress = quiet,
    *,
    runtime: Runtime | None = None,
    card: ModelCard | None = None,
) -> Analysis:
    """Find, measure and explain what is in a micrograph.

    progress(stage, fraction) receives the current stage and the fraction done; it may raise to stop.
    card: the model, if it is none of those that the settings can name.
    Raises UnknownModel, UnknownTask, WrongTask, UnreadableImage for a data bar of all rows, and as `load_network`.
    """
    clock = Clock()
    segmentation = segment(micrograph, settings, progress, runtime=runtime, card=card, clock=clock)
    return arranged(measure_objects(micrograph, segmentation, settings, progress, clock=clock), clock)


def segment(
    micrograph: Micrograph,
    settings: AnalysisSettings,
    progress: Progress = quiet,
    *,
    runtime: Runtime | None = None,
    card: ModelCard | None = None,
    clock: Clock | None = None,
    show: Show = unseen,
) -> Segmentation:
    """Find the objects of a micrograph, in the uploaded image's own pixels; raises as `analyse` does.

    show(labels, confidence) receives outlines before the network has seen the whole picture: the labels (h, w) of a
    smaller copy of the analysed rows, and the chance of each (n,) to be right.
    An automatic name stands for several models. The one that fits the image best is used, and `used` says why.
    """
    task, requested, clock = tasks.find(settings.task), settings.segmentation, clock or Clock()
    among, runtime = [card] if card else stands_for(requested.model), runtime or Runtime()
    if among[0].task != task.name:
        raise WrongTask(f"The model {among[0].name} is for {among[0].task}, not for {task.name}: choose another model.")
    progress("finding the data bar", PREPARING)
    with clock.stage("prepare"):
        rows = analysed_rows(micrograph, requested)
        shown = without_coloured_marks(micrograph)
        marked = marks_on(shown, rows)
        picture, noise = clip_outliers(shown.pixels[:rows]), {}
        if task.better and (relative := noise_of(picture)) >= NOISY:
            picture, noise = _smoothed(shown.pixels[:rows]), {"noise": round(relative, 2)}
    search = Search(micrograph, picture, rows, task, requested, runtime, clock, show, noise=noise, marks=marked)
    if task.better:
        return search.completed(search.compared(among, progress), among)
    if len(among) == 1:
        return search.completed(search.find(among[0], progress), among)
    best = search.find((nearest(picture, among) or among)[0], progress)
    return search.completed(_with_reason(best, NEAREST.format(count=len(among))), among)


def _smoothed(pixels: GreyImage) -> Picture:
    """Noisy pixels (H, W) as a picture in 0..1 without most of the noise."""
    from scipy import ndimage

    return clip_outliers(np.asarray(ndimage.gaussian_filter(pixels.astype(np.float32), SMOOTH), np.float32))


def _with_reason(segmentation: Segmentation, why: str) -> Segmentation:
    return replace(segmentation, used={**segmentation.used, "chosen": why})


@dataclass(frozen=True, eq=False)
class Search:
    """The search for a task's objects in one image, by one model after the other.

    picture: (H, W) float32 in 0..1, of the analysed rows. requested: what the user asked for. show: as of `segment`.
    recognised: what models of other kinds found of theirs in the picture, by name; {} of nothing. noise: what is noted
    of a picture that was smoothed for its noise. marks: regions with writing or drawing. answers: of the networks.
    """

    micrograph: Micrograph
    picture: Picture
    rows: int
    task: Task
    requested: SegmentationSettings
    runtime: Runtime
    clock: Clock
    show: Show = unseen
    recognised: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    marks: Regions = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)

    def find(self, card: ModelCard, progress: Progress, **changed: Any) -> Segmentation:
        """The segmentation by one model; changed: settings that replace the requested ones."""
        task, requested = self.task, self.requested.replaced(**changed) if changed else self.requested
        progress("loading the model", PREPARING)
        with self.clock.stage("load"):
            load_network(card, self.runtime, len(task.channels(card)))

        def show_trial(view: View) -> None:
            if task.first_look and view.trial and view.trial.maps is not None:
                grey = as_shown(resize(self.picture, view.trial.scale), view.polarity)
                seen = replace(view, scale=view.scale / view.trial.scale)
                self.show(*task.first_look(view.trial.maps, grey, seen, card, requested))

        reports = progress, self.clock, show_trial
        maps, view = predict_maps(self.picture, requested, card, self.runtime, self.answers, *reports)
        grey = as_shown(self.picture, view.polarity)
        if grey.size > FREED_FROM:  # separating makes other arrays than the network did
            give_freed_memory_back()
        progress(f"separating {task.things}", SEPARATING)
        with self.clock.stage("labels"):
            decoded = task.decode(maps, grey, view, card, requested)
        self._note_resemblance(card, decoded)
        names = channels.names if (channels := task.channels(card)).activation == "sigmoid" else ()
        kept_maps = dict(zip(names, maps, strict=False))  # shares of classes that exclude each other split no object
        return self._segmentation(card, view, decoded, kept_maps)

    def _segmentation(self, card: ModelCard, view: View, decoded: Decoded, maps: Mapping[str, Maps]) -> Segmentation:
        """What was found with its provenance: model, settings, and the values that they left open."""
        micrograph, task = self.micrograph, self.task
        confidence, requested = decoded.confidence, self.requested.model_dump()
        return Segmentation(
            _in_uploaded_rows(decoded.labels, micrograph),
            np.arange(1, len(confidence) + 1, dtype=np.int32),
            decoded.classes,
            task.classes_of(card),
            confidence,
            self.rows,
            Provenance(micrograph.sha256, task.name, requested, card.entries(), __version__),
            {**view.facts, **decoded.used, **self.noise, **({MARKS: self.marks} if self.marks else {})},
            {name: _in_uploaded_rows(values, micrograph) for name, values in decoded.alternatives.items()},
            {name: _in_uploaded_rows(values, micrograph) for name, values in decoded.layers.items()},
            {name: _in_uploaded_rows(values, micrograph) for name, values in maps.items()},
            cuts=decoded.cuts,
        )

    def _note_resemblance(self, card: ModelCard, decoded: Decoded) -> None:
        """Note in `decoded.used` which other model's images the image resembles; else whether it is unlike those of
        `card`, or unlike those that a user's own model learnt from."""
        task = self.task
        likely, is_unfamiliar = compared_with_models(self.picture, card, same_task=task.better is None)
        bright_picture = as_shown(self.picture, "bright")
        is_unlike_own = OWN in card.options and relative_distance(bright_picture, 1.0, card, OWN) > UNLIKE
        is_near_own_images = (
            ENTRY in card.options and decoded.used.get("unlike", 1.0) * card.options[ENTRY]["limit"] < NEAR
        )
        if is_near_own_images:
            likely, is_unfamiliar = [], False
        if task.plausible and task.plausible(decoded):
            likely, is_unfamiliar = [kind for kind in likely if ENTRY in kind.options], False  # shape outdoes texture
        plausible = iter(()) if is_near_own_images else self._plausible(card, likely)
        resembled = next((kind for kind in plausible if relative_distance(bright_picture, 1.0, kind) <= UNLIKE), None)
        if resembled:
            kind = tasks.find(resembled.task)
            title = resembled.title + (f" ({kind.title})" if kind.title != resembled.title else "")
            decoded.used["resembles"] = {"model": resembled.name, "title": title, "task": resembled.task}
            decoded.used["resembles"] |= self.recognised.get(resembled.name, {})
        elif is_unfamiliar:
            decoded.used["unfamiliar"] = True
        elif is_unlike_own:
            began_with = card.training.get("start_from", "")
            decoded.used["unlike_own"] = {"images": len(card.options[OWN]["taught"]), "began_with": began_with}

    def _plausible(self, card: ModelCard, likely: Sequence[ModelCard]) -> Iterator[ModelCard]:
        """The likely cards of kinds that textures alone decide and, unless the picture looks clearly like the images of
        `card`, cards of the other kinds whose model recognises its kind in it; the likeliest first. These look at a
        picture of particles only: who asks for another kind knows what is there."""
        others = [kind for kind in likely if tasks.find(kind.task).plausible is None]
        looking = [kind for kind in cards.available() if self.task.screened and tasks.find(kind.task).plausible]
        is_known = self.picture.any() and bool(known_of([card]))
        not_excluded = [kind for kind in known_of(looking) if is_known and not clearly_of(self.picture, card, [kind])]
        ranked = nearest(self.picture, [*others, *not_excluded])
        return (kind for kind in ranked if kind in others or self._recognised_by(kind))

    def _recognised_by(self, card: ModelCard) -> Mapping[str, Any]:
        """What the model of another kind recognises of its kind in the picture; asked once."""
        if card.name not in self.recognised:
            task, channels = tasks.find(card.task), tasks.find(card.task).channels(card)
            network = load_network(card, self.runtime, len(channels))
            ask = partial(self.answers.predict, network, activation=channels.activation)
            self.recognised[card.name] = task.recognised(ask, card, self.picture)
        return self.recognised[card.name]

    def compared(self, among: Sequence[ModelCard], progress: Progress) -> Segmentation:
        """The best of several readings: by the first model and, if its outlines do not explain the picture, with other
        polarities and scales; if the image is perhaps not of its kind, by the other models.

        `used["small"]`: name, title and count of another model that shows far more small objects."""
        best, better = self.best_reading(among[0], progress), self.task.better
        assert better is not None
        if others := known_of(among[1:]):
            is_worth_it = self.picture.any() and (
                self.task.unsure(best) or not clearly_of(self.picture, among[0], others)
            )
            best = _with_reason(best, USUAL.format(title=among[0].title))
            for other in others if is_worth_it else ():
                alternative = self._in_either_size(other, _comparing(progress, "another model"))
                if better(alternative, best):
                    promise = f"{alternative.used['promised']:,.0f} right outlines"
                    instead = f"{best.used['promised']:,.0f} with the model {best.provenance.card['title']}"
                    best = _with_reason(alternative, MORE_RIGHT.format(promise=promise, instead=instead))
            for other in () if is_worth_it else others:
                if count := self._small_objects(other, best):
                    best.used["small"] = {"model": other.name, "title": other.title, "count": count}
        return best

    def _in_either_size(self, card: ModelCard, progress: Progress) -> Segmentation:
        """The reading by another model: where it is coarse, the picture in its own size if that is better, because
        supports look like large particles."""
        reading, better = self.find(card, progress), self.task.better
        if better is None or getattr(self.requested, "scale", None) or reading.used["scale"] > COARSE:
            return reading
        fine = self.find(card, progress, scale=1.0)
        return fine if better(fine, reading) else reading

    def completed(self, best: Segmentation, among: Sequence[ModelCard]) -> Segmentation:
        """The chosen reading with what no other reading needs. among: the models of which one made it."""
        if self.task.further is None:
            return best
        card = next(card for card in among if card.name == best.provenance.model)
        view = View(best.used["polarity"], best.used["scale"])
        maps = np.stack([values[: self.rows] for values in best.maps.values()])
        grey, labels = as_shown(self.picture, view.polarity), best.labels[: self.rows]
        with self.clock.stage("labels"):
            alternatives, used = self.task.further(labels, maps, grey, view, card, self.requested)
        alternatives = {name: _in_uploaded_rows(values, self.micrograph) for name, values in alternatives.items()}
        return replace(best, alternatives={**alternatives, **best.alternatives}, used={**best.used, **used})

    def _small_objects(self, card: ModelCard, reading: Segmentation) -> int:
        """About how many small objects another model shows in a picture that was read coarsely, by the middle of it in
        its own size; 0 where they are not FAR_MORE than what was outlined. Specks on supports are such, but the
        supports may be what counts."""
        is_asked_for = getattr(self.requested, "scale", None) is not None
        if self.task.better is None or is_asked_for or reading.used["scale"] > COARSE or not self.picture.any():
            return 0
        picture = np.ascontiguousarray(self.picture[middle(self.picture.shape, MIDDLE)])
        requested = self.requested.replaced(scale=1.0)
        maps, view = predict_maps(picture, requested, card, self.runtime, self.answers)
        decoded = self.task.decode(maps, as_shown(picture, view.polarity), view, card, requested)
        times = self.picture.size / picture.size
        seen = {**decoded.used, **{name: decoded.used[name] * times for name in ("promised", "inside")}}
        is_more = seen["promised"] >= FAR_MORE * reading.used["promised"]
        return round(seen["promised"]) if is_more and self.task.better(replace(reading, used=seen), reading) else 0

    def best_reading(self, card: ModelCard, progress: Progress) -> Segmentation:
        """The segmentation by one model in the polarity and at the scale whose outlines explain the picture best.

        `used["instead_of"]`: polarity, scale and count of the first reading, if another is better; "beside": polarity
        and count of the other polarity where it shows more, although it is not clearly better; "specks": `_specks`.
        """
        first = best = self.find(card, progress)
        readings = []
        if self.picture.any():
            for changed in self.task.other_readings(first, self.requested):
                reading = self.find(card, _comparing(progress, "other settings"), **changed)
                readings.append(reading)
                explains_more = reading.used["worth"] > max(BETTER * first.used["worth"], best.used["worth"])
                if explains_more or self.task.outdoes(reading, best):
                    best = reading
        for reading in (first, *readings):
            if self.task.is_beside(reading, best):
                best.used["beside"] = {"polarity": reading.used["polarity"], "count": reading.used["inside"]}
        if specks := self._specks(card, best):
            best.used["specks"] = specks
        if best is not first:
            how = {name: first.used[name] for name in ("polarity", "scale")}
            best.used["instead_of"] = {**how, "count": len(first)}
        return best

    def _specks(self, card: ModelCard, reading: Segmentation) -> dict[str, float]:
        """What the reading was too coarse for: {"below": px, "count": estimated number of specks}, {} for nothing.

        The barest window of a coarsely read picture is read in its own size. What is sure there, smaller than the
        smallest that the model was taught at the working scale, mostly outside outlines, and not faint beside the
        outlines of the picture, is a speck.
        """
        from .labels.contrast import contrasts

        scale = reading.used["scale"]
        if scale > COARSE or not len(reading) or not self.picture.any() or self.task.first_look is None:
            return {}
        below = card.smallest / (scale * reading.used["second_scale"])
        outlined = reading.labels[: self.rows] > 0
        window = barest_window(outlined, LOOKED_AT)
        picture = np.ascontiguousarray(self.picture[window])
        requested = self.requested.replaced(polarity=reading.used["polarity"], scale=1.0)
        maps, view = predict_maps(picture, requested, card, self.runtime, self.answers)
        small, chances = self.task.first_look(maps, as_shown(picture, view.polarity), view, card, requested)
        areas, hidden = (
            np.bincount(labels, minlength=len(chances) + 1)[1:] for labels in (small.ravel(), small[outlined[window]])
        )
        specks = (2 * hidden < areas) & (areas < np.pi / 4 * below**2) & (chances >= LEAST_CONFIDENCE)
        numbers, both = np.r_[0, np.where(specks, np.cumsum(specks), 0)], reading.labels[: self.rows].copy()
        added = np.where(both[window] > 0, 0, numbers[small])
        both[window] += np.where(added > 0, added + len(reading), 0).astype(np.int32)
        stand_out = contrasts(as_shown(self.picture, reading.used["polarity"]), both)
        faint = stand_out.faint(getattr(self.task.options.of(card), "faint", 0.0))[len(reading) :]
        return {"below": round(below, 1), "count": round(int((~faint).sum()) * self.picture.size / picture.size)}


def _comparing(progress: Progress, by: str) -> Progress:
    """The progress of a further reading, which goes on within the same stage. by: what it tries."""
    return lambda stage, fraction: progress(f"trying {by}: {stage}", SEPARATING)


def predict_maps(
    picture: Picture,
    requested: SegmentationSettings,
    card: ModelCard,
    runtime: Runtime,
    answers: Answers | None = None,
    progress: Progress = quiet,
    clock: Clock | None = None,
    seen: Callable[[View], None] = lambda view: None,
) -> tuple[Maps, View]:
    """The maps (C, H, W) uint8 of a picture (H, W) float32 in 0..1, and how it was shown; `seen` hears of that first.
    answers: of the networks so far.

    A picture without contrast has empty maps, because it shows nothing, whatever the network predicts.
    """
    task, clock = tasks.find(card.task), clock or Clock()
    channels = task.channels(card)
    if not picture.any():
        return np.zeros((len(channels), *picture.shape), np.uint8), View(clarity=0.0)
    network, answers = load_network(card, runtime, len(channels)), answers or Answers()

    def ask(copy: Picture, fraction: Fraction = no_progress) -> Maps:
        return answers.predict(network, copy, activation=channels.activation, progress=fraction)

    progress(f"estimating the size of the {task.things}", SEARCHING)
    with clock.stage("search"):
        view = task.scale(ask, card, picture, requested)
    with clock.stage("labels"):
        seen(view)
    progress(f"outlining {task.things}", SEGMENTING)
    with clock.stage("network"):
        maps = predict_augmented(
            ask,
            with_bright_objects(picture, view.polarity),
            view.scale,
            second_scale=view.second_scale,
            flips=getattr(requested, "flips", False),
            progress=lambda done: progress(f"outlining {task.things}", SEGMENTING + done * (SEPARATING - SEGMENTING)),
        )
    return maps, view


def _in_uploaded_rows(labels: NDArray[Number], micrograph: Micrograph) -> NDArray[Number]:
    """Labels, or a layer, of the analysed rows as those of the uploaded image."""
    if len(labels) == micrograph.shape[0]:
        return labels
    full = np.zeros(micrograph.shape, labels.dtype)
    full[: len(labels)] = labels
    return full


def analysed_rows(micrograph: Micrograph, settings: SegmentationSettings) -> int:
    """Rows from the top that are analysed: all but the data bar; raises UnreadableImage where that leaves none."""
    bar, tall = settings.data_bar, micrograph.shape[0]
    if bar == "auto":
        return data_bar(micrograph)
    if bar >= tall:
        raise UnreadableImage(NO_ROW.format(rows=bar, tall=tall))
    return tall - bar


def marks_on(micrograph: Micrograph, rows: int) -> Regions:
    """Regions of the analysed rows of a micrograph that writing or drawing covers: coloured pieces, which its reader
    found, and text, bars, lines and circles in black and white. micrograph: without its coloured marks."""
    coloured = [region for region in from_metadata(micrograph.metadata) if min(y for _, y in region) < rows]
    written = writing_on(micrograph.pixels[:rows])
    return coloured if written is None else [*coloured, *regions_of(written)]


def without_coloured_marks(micrograph: Micrograph) -> Micrograph:
    """The micrograph with its coloured marks filled in from their surroundings, as thin lines over particles would part
    them. What is black or white stays: filling it in changes the contrast of the whole, and it hides what lies under
    it all the same."""
    marks = from_metadata(micrograph.metadata)
    mask = mask_of(marks, micrograph.shape) if marks else None
    return micrograph if mask is None or not mask.any() else replace(micrograph, pixels=filled(micrograph.pixels, mask))


def measure(
    micrograph: Micrograph, segmentation: Segmentation, settings: AnalysisSettings, progress: Progress = quiet
) -> Analysis:
    """Measure a segmentation. No model is needed, and the one that made it need not exist any more."""
    clock = Clock()
    return arranged(measure_objects(micrograph, segmentation, settings, progress, clock=clock), clock)


def measure_objects(
    micrograph: Micrograph,
    segmentation: Segmentation,
    settings: AnalysisSettings,
    progress: Progress = quiet,
    *,
    clock: Clock,
) -> Analysis:
    """All numbers and flags but how the objects lie to each other, which takes a third of the time (`arranged`)."""
    task = tasks.find(segmentation.provenance.task)
    progress("measuring", MEASURING)
    settings = replace(settings, measurement=task.effective(settings.measurement))
    calibration = settings.measurement.scaled(micrograph.scale).in_use
    stretch = _stretch(micrograph, settings.measurement)
    with clock.stage("measure"):
        outlines, picture, measuring = segmentation, without_coloured_marks(micrograph), settings.measurement
        if stretch:
            outlines, picture = stretch.segmentation(segmentation), stretch.micrograph(picture)
            measuring = measuring.replaced(ignore=stretch.regions(measuring.ignore))
        measured = task.measure(outlines, picture, measuring, calibration)
    table, quantities = stretch.brought_back(measured.table) if stretch else measured.table, measured.quantities
    if not calibration.is_known:  # in pixels lengths, areas and densities are no measurements, and have no intervals
        quantities = {
            name: replace(value, low=None, high=None) if number(name).power else value
            for name, value in quantities.items()
        }
    if not task.screened:
        from .measure.drawn import with_outlines

        quantities = with_outlines(quantities, segmentation.provenance.card.get("scores", ()))
    progress("measured", DONE)
    return Analysis(
        micrograph,
        settings,
        calibration,
        segmentation,
        table,
        measured.statistics,
        quantities,
        clock.seconds,
        (
            *judged(micrograph, segmentation, table, settings.measurement, task.things, measured.flags),
            *_ignored(segmentation, table, settings.measurement),
            *_unsure_scale(micrograph, calibration),
        ),
    )


def _stretch(micrograph: Micrograph, settings: MeasurementSettings) -> Stretch | None:
    """How the picture is stretched to be that of the specimen seen from above; None where it is not."""
    tilt = Tilt.to_correct(settings, micrograph.metadata)
    return None if tilt is None else Stretch.of(tilt)


def arranged(analysis: Analysis, clock: Clock) -> Analysis:
    """With how the objects lie to each other, in the table and in the statistics."""
    from .measure.arrangement import arrange
    from .measure.neighbours import with_neighbours
    from .measure.statistics import seed_of

    micrograph, segmentation = analysis.micrograph, analysis.segmentation
    task = tasks.find(segmentation.provenance.task)
    # What crosses has no neighbours, and where some are ignored nobody knows the nearest.
    if analysis.statistics is None or not len(segmentation) or task.parted or analysis.settings.measurement.ignore:
        return analysis
    frame, table, labels = (micrograph.shape[1], segmentation.rows), analysis.table, segmentation.dense
    stretch = _stretch(micrograph, analysis.settings.measurement)
    with clock.stage("measure"):
        if stretch:
            frame, table, labels = stretch.frame(*frame), stretch.table(table), stretch.pixels(labels)
        table = with_neighbours(table, labels, frame, bounded=task.bounded)
        arrangement = arrange(table, frame, analysis.calibration, seed_of(micrograph.sha256), task.things)
    table = stretch.brought_back(table) if stretch else table
    return replace(analysis, table=table, statistics=replace(analysis.statistics, arrangement=arrangement))


def _ignored(segmentation: Segmentation, table: Table, settings: MeasurementSettings) -> Iterator[Flag]:
    """The note on the regions to ignore, and on what lies in them."""
    if not (regions := settings.ignore):
        return
    task, is_one = tasks.find(segmentation.provenance.task), len(regions) == 1
    share = area_words(share_of(regions, (segmentation.rows, segmentation.labels.shape[1])))
    where = "1 region to ignore" if is_one else f"{len(regions)} regions to ignore"
    if task.semantic:
        yield Flag(f"{where} ({share} of the picture) {'does' if is_one else 'do'} not count in the shares.")
        return
    count = int((table.reasons == Reason.IGNORED).sum())
    verb = "does" if count == 1 else "do"
    without = "" if task.parted else f" How the {task.things} lie to each other is not given then."
    text = f"{task.count(count)} in {where} {verb} not count ({share} of the picture).{without}"
    yield Flag(text, reason=str(Reason.IGNORED) if count else "")


def _unsure_scale(micrograph: Micrograph, used: Calibration) -> Iterator[Flag]:
    """What is to be said of the scale, then the notes of the micrograph."""
    if not used.is_known:
        yield Flag(NO_SCALE)
    others = micrograph.calibration, micrograph.reading
    sources = crosscheck_sources(*others, used)
    if factor := far_apart(used, *others):
        short = f"Do not use: scale wrong by a factor of {factor_words(factor)}?"
        yield Flag.doubtful(WRONG_SCALE.format(sources=" ".join(sources)), short, moves="all", by=1.0)
    else:
        doubt = any(contradict(other, used) for other in others)
        yield from (
            Flag.doubtful(sentence, TWO_SCALES, moves="sizes", by=TWO_PER_CENT) if doubt else Flag(sentence)
            for sentence in sources
        )
    yield from map(Flag, micrograph.notes)
