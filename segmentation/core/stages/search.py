"""Finds the objects of one image: tries models, polarities and scales, and chooses the best outlines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segmentation import __version__

from .. import tasks
from ..labels.segmentation import Provenance, Segmentation
from ..micrograph.types import Micrograph
from ..network import cards
from ..network.answers import PredictionMemory
from ..network.cards import ModelCard
from ..network.likeness import LIKENESS, NEAR, OWN_IMAGES, relative_distance
from ..network.resample import middle, resize
from ..network.runtime import Maps, Runtime, give_freed_memory_back, load_network
from ..network.scale_search import View, as_shown
from ..network.textures import clearly_resembles, compared_with_models, nearest, with_known_textures
from ..settings import SegmentationSettings
from ..tasks.base import Decoded, Task
from ..tasks.judgement import SURE_PROBABILITY, UNLIKE
from .coarse import COARSE, missed_large, missed_specks, small_objects
from .pace import PREPARING, SEPARATING, Clock, Progress
from .prediction import predict_maps
from .preparation import Picture

BETTER = 1.1  # another candidate replaces the first one if its worth is higher by this factor
CLOSE_PX = 640  # side of the middle of a picture in which thin objects of another kind are looked for
FREED_FROM_PX = 2**21  # for larger images, freed memory is returned to the system between the stages
# The reason that a result states for an automatic choice of the model.
USUAL = "{title} is the default model. Nothing in the image suggests another."
MORE_RIGHT = "Probably {promise}, against {instead}."
Show = Callable[[NDArray[np.int32], NDArray[np.float32]], None]
Number = TypeVar("Number", np.int32, np.uint8)


def with_reason(segmentation: Segmentation, why: str) -> Segmentation:
    """A copy that states in `used` why its model was chosen."""
    return replace(segmentation, used={**segmentation.used, "chosen": why})


@dataclass(frozen=True, eq=False)
class Search:
    """The search for a task's objects in one image, by one model after the other.

    picture: (H, W) float32 in 0..1, of the analysed rows. rows: their number. requested: settings of the user. show: as
    in `pipeline.segment`. recognised: name of a model of another kind -> the result of `Task.recognised` for the
    picture. facts: what is known of the picture beforehand, as `Segmentation.used` stores it: regions with writing or
    drawing, its border, and its relative noise if it was smoothed. answers: remembers the predictions, so that no
    network predicts the same picture twice.
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
    facts: Mapping[str, Any] = field(default_factory=dict)
    answers: PredictionMemory = field(default_factory=PredictionMemory)

    def find(self, card: ModelCard, progress: Progress, **changed: Any) -> Segmentation:
        """The segmentation by one model. changed: settings that replace requested ones."""
        task, requested = self.task, self.requested.replaced(**changed) if changed else self.requested
        progress("loading the model", PREPARING)
        with self.clock.stage("load"):
            load_network(card, self.runtime, len(task.channels(card)))

        def show_trial(view: View) -> None:
            """Show outlines from the maps of the small copy on which the scale was chosen."""
            if self.show and task.first_look and view.trial and view.trial.maps is not None:
                grey = as_shown(resize(self.picture, view.trial.scale), view.polarity)
                view_of_copy = replace(view, scale=view.scale / view.trial.scale)
                self.show(*task.first_look(view.trial.maps, grey, view_of_copy, card, requested))

        callbacks = progress, self.clock, show_trial
        maps, view = predict_maps(self.picture, requested, card, self.runtime, self.answers, *callbacks)
        grey = as_shown(self.picture, view.polarity)
        if grey.size > FREED_FROM_PX:  # the next stage cannot reuse the network's memory
            give_freed_memory_back()
        progress(f"separating {task.things}", SEPARATING)
        with self.clock.stage("labels"):
            decoded = task.decode(maps, grey, view, card, requested)
        self._note_resemblance(card, decoded)
        names = channels.names if (channels := task.channels(card)).activation == "sigmoid" else ()
        # The maps are stored for splitting objects later. Maps of classes that exclude each other are not used for
        # that.
        stored_maps = dict(zip(names, maps, strict=False))
        return self._segmentation(card, view, decoded, stored_maps)

    def _segmentation(self, card: ModelCard, view: View, decoded: Decoded, maps: Mapping[str, Maps]) -> Segmentation:
        """The decoded objects with their provenance: model, settings, and the values that the settings left open."""
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
            {**view.facts, **decoded.used, **self.facts},
            {name: _in_uploaded_rows(values, micrograph) for name, values in decoded.alternatives.items()},
            {name: _in_uploaded_rows(values, micrograph) for name, values in decoded.layers.items()},
            {name: _in_uploaded_rows(values, micrograph) for name, values in maps.items()},
            cuts=decoded.cuts,
        )

    def _note_resemblance(self, card: ModelCard, decoded: Decoded) -> None:
        """Store in `decoded.used` what the picture resembles, for the warnings.

        "resembles": another model, whose training images are like this picture. If there is none: "unfamiliar" if the
        picture is unlike the training images of `card`, or "unlike_own" if it is unlike the user's own images on which
        `card` was fine-tuned.
        """
        task = self.task
        likely, is_unfamiliar = compared_with_models(self.picture, card, same_task=task.better is None)
        bright_picture = as_shown(self.picture, "bright")
        is_unlike_own = OWN_IMAGES in card.options and relative_distance(bright_picture, 1.0, card, OWN_IMAGES) > UNLIKE
        is_near_own_images = (
            LIKENESS in card.options and decoded.used.get("unlike", 1.0) * card.options[LIKENESS]["limit"] < NEAR
        )
        if is_near_own_images or "noise" in self.facts:  # noise hides the texture of a specimen, and has one itself
            likely, is_unfamiliar = [], False
        if task.plausible and task.plausible(decoded):
            # The shapes of the objects are stronger evidence than the texture of the picture.
            likely, is_unfamiliar = [kind for kind in likely if LIKENESS in kind.options], False
        plausible = iter(()) if is_near_own_images else self._plausible(card, likely, decoded)
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
            decoded.used["unlike_own"] = {"images": len(card.options[OWN_IMAGES]["taught"]), "began_with": began_with}

    def _plausible(self, card: ModelCard, likely: Sequence[ModelCard], decoded: Decoded) -> Iterator[ModelCard]:
        """Cards of other kinds that the picture may show, the likeliest first.

        A kind is judged by the texture of the picture (`likely`) or, if it has `Task.plausible`, by whether its model
        recognises such objects in the picture. Models are tried only if the user asked for particles, because a user
        who asks for another kind knows what the image shows, and only if the picture is not clearly like the training
        images of `card` and its outlines are not compact (`Task.compact`)."""
        by_texture = [kind for kind in likely if tasks.find(kind.task).plausible is None]
        by_model = [kind for kind in cards.available() if self.task.screened and tasks.find(kind.task).plausible]
        is_known = self.picture.any() and bool(with_known_textures([card]))
        not_excluded = [
            kind
            for kind in with_known_textures(by_model)
            if is_known and not clearly_resembles(self.picture, card, [kind])
        ]
        if not_excluded and self.task.compact(decoded):
            not_excluded = []
        ranked = nearest(self.picture, [*by_texture, *not_excluded])
        is_doubtful = decoded.used.get("expected", 1.0) < SURE_PROBABILITY
        return (kind for kind in ranked if kind in by_texture or self._recognised_by(kind, is_doubtful))

    def _recognised_by(self, card: ModelCard, is_doubtful: bool) -> Mapping[str, Any]:
        """The result of `Task.recognised` for this model and the picture; calculated once. If the outlines are
        doubtful, the middle is looked at, too: a large picture is reduced, so that its thin objects are lost."""
        task, channels = tasks.find(card.task), tasks.find(card.task).channels(card)
        predict = partial(
            self.answers.predict,
            load_network(card, self.runtime, len(channels)),
            activation=channels.activation,
        )
        if card.name not in self.recognised:
            self.recognised[card.name] = task.recognised(predict, card, self.picture)
        if is_doubtful and not self.recognised[card.name] and max(self.picture.shape) > CLOSE_PX:
            window = np.ascontiguousarray(self.picture[middle(self.picture.shape, CLOSE_PX)])
            self.recognised[card.name] = task.recognised(predict, card, window)
        return self.recognised[card.name]

    def best_of_models(self, models: Sequence[ModelCard], progress: Progress) -> Segmentation:
        """The best of several candidates. The first model tries other polarities and scales if its outlines do not
        explain the picture. The other models are tried if the picture may not be of the first model's kind.

        `used["small"]`: name, title and count of another model that sees many more small objects."""
        default, better = models[0], self.task.better
        best = self.best_candidate(default, progress)
        assert better is not None
        if others := with_known_textures(models[1:]):
            is_likely = bool(self.picture.any()) and not clearly_resembles(self.picture, default, others)
            others_may_fit = self.picture.any() and (is_likely or self.task.unsure(best))
            best = with_reason(best, USUAL.format(title=default.title))
            for other in others if others_may_fit else ():
                alternative = self._in_either_size(other, _comparing(progress, "another model"))
                if better(alternative, best) or (is_likely and self.task.finds_instead(alternative, best)):
                    promise = f"{alternative.used['promised']:,.0f} right outlines"
                    instead = f"{best.used['promised']:,.0f} with the model {best.provenance.card['title']}"
                    best = with_reason(alternative, MORE_RIGHT.format(promise=promise, instead=instead))
            for other in () if others_may_fit else others:
                if count := small_objects(self, other, best):
                    best.used["small"] = {"model": other.name, "title": other.title, "count": count}
        return best

    def _in_either_size(self, card: ModelCard, progress: Progress) -> Segmentation:
        """The candidate by another model. If its working scale is coarse, the picture is tried at scale 1, too, and the
        better of both is returned: at a coarse scale a support looks like a large particle."""
        candidate, better = self.find(card, progress), self.task.better
        if better is None or getattr(self.requested, "scale", None) or candidate.used["scale"] > COARSE:
            return candidate
        fine = self.find(card, progress, scale=1.0)
        return fine if better(fine, candidate) else candidate

    def with_alternatives(self, best: Segmentation, models: Sequence[ModelCard]) -> Segmentation:
        """The chosen candidate, with the alternatives (`Task.further`) that are computed only for it.

        models: the models that were tried.
        """
        if self.task.further is None:
            return best
        card = next(card for card in models if card.name == best.provenance.model)
        view = View(best.used["polarity"], best.used["scale"])
        best = self._rearranged(best, view)
        maps = np.stack([values[: self.rows] for values in best.maps.values()])
        grey, labels = as_shown(self.picture, view.polarity), best.labels[: self.rows]
        with self.clock.stage("labels"):
            alternatives, used, more_maps = self.task.further(labels, maps, grey, view, card, self.requested)
        alternatives = {name: _in_uploaded_rows(values, self.micrograph) for name, values in alternatives.items()}
        more_maps = {name: _in_uploaded_rows(values, self.micrograph) for name, values in more_maps.items()}
        all_alternatives = {**alternatives, **best.alternatives}
        return replace(best, alternatives=all_alternatives, used={**best.used, **used}, maps={**best.maps, **more_maps})

    def _rearranged(self, best: Segmentation, view: View) -> Segmentation:
        """The segmentation with objects parted or joined (`Task.rearranged`)."""
        if self.task.rearranged is None or not len(best):
            return best
        grey = as_shown(self.picture, view.polarity)
        with self.clock.stage("labels"):
            labels, source, used = self.task.rearranged(best.labels[: self.rows], grey, view)
        return replace(
            best,
            labels=_in_uploaded_rows(labels, self.micrograph),
            ids=np.arange(1, len(source) + 1, dtype=np.int32),
            classes=best.classes[source - 1],
            confidence=best.confidence[source - 1],
            used={**best.used, **used},
            next_id=0,
        )

    def best_candidate(self, card: ModelCard, progress: Progress) -> Segmentation:
        """The segmentation by one model, in the polarity and at the scale whose outlines explain the picture best.

        Keys of its `used`: "instead_of": polarity, scale and count of the first candidate, if another one is better;
        "beside": polarity and count of the other polarity, if it shows more objects but is not clearly better;
        "specks": see `missed_specks`; "large": see `missed_large`.
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
        missed = {"specks": missed_specks(self, card, best), "large": missed_large(self, card, best)}
        best.used.update({name: objects for name, objects in missed.items() if objects})
        if best is not usual:
            first_view = {name: usual.used[name] for name in ("polarity", "scale")}
            best.used["instead_of"] = {**first_view, "count": len(usual)}
        return best


def _comparing(progress: Progress, trial: str) -> Progress:
    """A progress for a further candidate: the fraction stays at SEPARATING. trial: what it tries, such as "another
    model"."""
    return lambda stage, fraction: progress(f"trying {trial}: {stage}", SEPARATING)


def _in_uploaded_rows(labels: NDArray[Number], micrograph: Micrograph) -> NDArray[Number]:
    """An array (R, W) of the analysed rows as one of the whole image (H, W), with 0 in the other rows."""
    if len(labels) == micrograph.shape[0]:
        return labels
    full = np.zeros(micrograph.shape, labels.dtype)
    full[: len(labels)] = labels
    return full
