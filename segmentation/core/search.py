"""The search for the objects of one image: by one model after the other, in other polarities and at other scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segmentation import __version__

from . import tasks
from .coarse import COARSE, small_objects, specks_of
from .labels.segmentation import Provenance, Segmentation
from .micrograph.marks import Regions
from .micrograph.types import Micrograph
from .micrograph.vendors.facts import MARKS
from .network import cards
from .network.answers import Answers
from .network.cards import ModelCard
from .network.likeness import ENTRY, NEAR, OWN, relative_distance
from .network.resample import resize
from .network.runtime import Maps, Runtime, give_freed_memory_back, load_network
from .network.scale_search import View, as_shown
from .network.textures import clearly_of, compared_with_models, known_of, nearest
from .pace import PREPARING, SEPARATING, Clock, Progress
from .prediction import predict_maps
from .preparation import Picture
from .settings import SegmentationSettings
from .tasks.base import Decoded, Task
from .tasks.judgement import UNLIKE

BETTER = 1.1  # times the worth of the first candidate that another one needs
FREED_FROM = 2**21  # px of an image from which freed memory goes back to the system between the stages
# Why an automatic choice took a model.
USUAL = "{title} is the default model. Nothing in the image suggests another."
MORE_RIGHT = "Probably {promise}, against {instead}."
Show = Callable[[NDArray[np.int32], NDArray[np.float32]], None]
Number = TypeVar("Number", np.int32, np.uint8)


def with_reason(segmentation: Segmentation, why: str) -> Segmentation:
    return replace(segmentation, used={**segmentation.used, "chosen": why})


@dataclass(frozen=True, eq=False)
class Search:
    """The search for a task's objects in one image, by one model after the other.

    picture: (H, W) float32 in 0..1, of the analysed rows. requested: what the user asked for. show: as in `segment`.
    recognised: by the name of a model of another kind, what it found of its kind in the picture; {} for nothing.
    noise: facts about a picture that was smoothed because of its noise. marks: regions with writing or drawing.
    answers: the predictions so far, so that no network is asked twice about the same picture.
    """

    micrograph: Micrograph
    picture: Picture
    rows: int
    task: Task
    requested: SegmentationSettings
    runtime: Runtime
    clock: Clock
    show: Show | None = None
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
            if self.show and task.first_look and view.trial and view.trial.maps is not None:
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
        """Store in `decoded.used` which other model was trained on images like this one. If there is none: whether the
        image is unlike those of `card`, or unlike those that a user's own model was trained on."""
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
            # The shapes found say more than the texture.
            likely, is_unfamiliar = [kind for kind in likely if ENTRY in kind.options], False
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
        """Cards of other kinds that the picture may show, the likeliest first.

        Of kinds without `plausible` these are the likely ones, by texture alone. Of the other kinds they are those
        whose model recognises its kind in the picture. The latter are tried only if the user asked for particles
        (whoever asks for another kind knows what the image shows) and the picture is not clearly like the images of
        `card`."""
        others = [kind for kind in likely if tasks.find(kind.task).plausible is None]
        looking = [kind for kind in cards.available() if self.task.screened and tasks.find(kind.task).plausible]
        is_known = self.picture.any() and bool(known_of([card]))
        not_excluded = [kind for kind in known_of(looking) if is_known and not clearly_of(self.picture, card, [kind])]
        ranked = nearest(self.picture, [*others, *not_excluded])
        return (kind for kind in ranked if kind in others or self._recognised_by(kind))

    def _recognised_by(self, card: ModelCard) -> Mapping[str, Any]:
        """What the model of another kind recognises of its kind in the picture; computed once."""
        if card.name not in self.recognised:
            task, channels = tasks.find(card.task), tasks.find(card.task).channels(card)
            network = load_network(card, self.runtime, len(channels))
            ask = partial(self.answers.predict, network, activation=channels.activation)
            self.recognised[card.name] = task.recognised(ask, card, self.picture)
        return self.recognised[card.name]

    def compared(self, among: Sequence[ModelCard], progress: Progress) -> Segmentation:
        """The best of several candidates. If the outlines of the first model do not explain the picture, it tries
        other polarities and scales. If the image is perhaps not of its kind, the other models try it, too.

        `used["small"]`: name, title and count of another model that shows far more small objects."""
        best, better = self.best_candidate(among[0], progress), self.task.better
        assert better is not None
        if others := known_of(among[1:]):
            is_worth_it = self.picture.any() and (
                self.task.unsure(best) or not clearly_of(self.picture, among[0], others)
            )
            best = with_reason(best, USUAL.format(title=among[0].title))
            for other in others if is_worth_it else ():
                alternative = self._in_either_size(other, _comparing(progress, "another model"))
                if better(alternative, best):
                    promise = f"{alternative.used['promised']:,.0f} right outlines"
                    instead = f"{best.used['promised']:,.0f} with the model {best.provenance.card['title']}"
                    best = with_reason(alternative, MORE_RIGHT.format(promise=promise, instead=instead))
            for other in () if is_worth_it else others:
                if count := small_objects(self, other, best):
                    best.used["small"] = {"model": other.name, "title": other.title, "count": count}
        return best

    def _in_either_size(self, card: ModelCard, progress: Progress) -> Segmentation:
        """The candidate by another model. If it was found at a coarse scale, the picture is tried in its own size, too,
        and the better of both is returned: at a coarse scale a support looks like a large particle."""
        candidate, better = self.find(card, progress), self.task.better
        if better is None or getattr(self.requested, "scale", None) or candidate.used["scale"] > COARSE:
            return candidate
        fine = self.find(card, progress, scale=1.0)
        return fine if better(fine, candidate) else candidate

    def completed(self, best: Segmentation, among: Sequence[ModelCard]) -> Segmentation:
        """The chosen candidate with the alternatives that are computed for it alone. among: the models tried."""
        if self.task.further is None:
            return best
        card = next(card for card in among if card.name == best.provenance.model)
        view = View(best.used["polarity"], best.used["scale"])
        maps = np.stack([values[: self.rows] for values in best.maps.values()])
        grey, labels = as_shown(self.picture, view.polarity), best.labels[: self.rows]
        with self.clock.stage("labels"):
            alternatives, used, more_maps = self.task.further(labels, maps, grey, view, card, self.requested)
        alternatives = {name: _in_uploaded_rows(values, self.micrograph) for name, values in alternatives.items()}
        more_maps = {name: _in_uploaded_rows(values, self.micrograph) for name, values in more_maps.items()}
        all_alternatives = {**alternatives, **best.alternatives}
        return replace(best, alternatives=all_alternatives, used={**best.used, **used}, maps={**best.maps, **more_maps})

    def best_candidate(self, card: ModelCard, progress: Progress) -> Segmentation:
        """The segmentation by one model in the polarity and at the scale whose outlines explain the picture best.

        `used["instead_of"]`: polarity, scale and count of the first candidate, if another is better; "beside": polarity
        and count of the other polarity where it shows more, although it is not clearly better; "specks": `specks_of`.
        """
        usual = best = self.find(card, progress)
        candidates = []
        if self.picture.any():
            for changed in self.task.other_settings(usual, self.requested):
                candidate = self.find(card, _comparing(progress, "other settings"), **changed)
                candidates.append(candidate)
                explains_more = candidate.used["worth"] > max(BETTER * usual.used["worth"], best.used["worth"])
                if explains_more or self.task.replaces(candidate, best):
                    best = candidate
        for candidate in (usual, *candidates):
            if self.task.is_beside(candidate, best):
                best.used["beside"] = {"polarity": candidate.used["polarity"], "count": candidate.used["inside"]}
        if specks := specks_of(self, card, best):
            best.used["specks"] = specks
        if best is not usual:
            how = {name: usual.used[name] for name in ("polarity", "scale")}
            best.used["instead_of"] = {**how, "count": len(usual)}
        return best


def _comparing(progress: Progress, by: str) -> Progress:
    """The progress of a further candidate, which goes on within the same stage. by: what it tries."""
    return lambda stage, fraction: progress(f"trying {by}: {stage}", SEPARATING)


def _in_uploaded_rows(labels: NDArray[Number], micrograph: Micrograph) -> NDArray[Number]:
    """Labels, or a layer, of the analysed rows as those of the uploaded image."""
    if len(labels) == micrograph.shape[0]:
        return labels
    full = np.zeros(micrograph.shape, labels.dtype)
    full[: len(labels)] = labels
    return full
