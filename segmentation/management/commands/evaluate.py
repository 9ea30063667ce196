"""Score a model on images with truth: a folder, or what a training recipe holds out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from pydantic import ValidationError

from segmentation.core.network.cards import ModelCard, find, read_card
from segmentation.core.validation import sentence

from ._lab import BASE, LabCommand

# Options that not every kind of analysis has: settings of the segmentation, and what its scoring can do.
FEW = 300  # particles, under which it is said that a fit to them is unsure
OF_SETTINGS = ("polarity", "scale", "flips")
NOT_THE_CARDS = (*OF_SETTINGS, "threshold", "rows", "choose_threshold")  # what scores another way than the card says
OF_SCORING = (
    *("threshold", "postprocess", "truth_through_postprocess"),
    *("fit_region_merging", "calibrate", "choose_threshold"),
)


class Command(LabCommand):
    help = (
        "Score MODEL on DATASET and write REPORT/report.html, REPORT/report.json and REPORT/labels. DATASET is a"
        " folder with images and labels (PNG, TIFF, npy; each piece of a mask with one number and each number of"
        " any other file is a particle), or a training RECIPE.toml, whose held-out groups are scored."
    )
    result = "The report"

    def add_arguments(self, parser: CommandParser) -> None:
        from segmentation.lab.instances.examine import CHAINS

        parser.add_argument("model", metavar="MODEL", help="a model's name, or the path of a card (TOML)")
        parser.add_argument("dataset", type=Path, metavar="DATASET")
        parser.add_argument("--out", type=Path, required=True, metavar="REPORT", help="folder of the report")
        parser.add_argument("--images", default="", help="folder of the images inside DATASET")
        parser.add_argument("--labels", default="", help='that of the labels; "none": no image shows a particle')
        classes = parser.add_argument("--classes", type=int, nargs="+", default=[], metavar="N")
        classes.help = "the labels that stand for the model's classes, in their order; default: found in the files"
        parser.add_argument("--groups", default="", metavar="CSV", help="table image,group: in DATASET, or a path")
        parser.add_argument("--rows", type=int, metavar="N", help="compare the first N rows only")
        parser.add_argument("--nm", type=float, metavar="PER_PIXEL", help="pixel size; default: what the files say")
        parser.add_argument("--threshold", type=float, metavar="T", help="default: the card's")
        parser.add_argument("--polarity", choices=["auto", "bright", "dark"])
        parser.add_argument("--scale", type=float, metavar="S", help="working scale; default: from the image")
        parser.add_argument("--flips", action="store_const", const=True, help="average four mirrored images")
        parser.add_argument("--device", default=settings.DEEPSEGM_DEVICE, help="auto, cpu, cuda, ...")
        parser.add_argument("--pictures", type=int, default=2, metavar="K", help="of best, median and worst each")
        chains = parser.add_argument("--postprocess", action="append", choices=list(CHAINS), default=[])
        chains.help = "also run this post-processing on the same maps (may be repeated)"
        parser.add_argument("--truth-through-postprocess", action="store_true", help="what chains do to perfect maps")
        fit = parser.add_argument("--fit-region-merging", action="store_true")
        fit.help = "fit where touching particles are kept apart, write it into the card, and score with it"
        parser.add_argument("--calibrate", action="store_true", help="fit the confidence and write it into the card")
        parser.add_argument("--choose-threshold", action="store_true", help="write the best threshold into the card")
        score = parser.add_argument("--write-score", action="store_true")
        score.help = "write the figures on this data into the card, for the page of the models and uncertainty budgets"

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.lab import tasks
        from segmentation.lab.evaluation.report import evaluate, trained_on
        from segmentation.lab.instances.examine import BEFORE
        from segmentation.lab.pretrained import maps_of

        _check(options)
        card, file = _card(options["model"])
        _check_for(card, options)
        scoring = tasks.find(card.task).scoring(maps_of(card))
        examples, title = _examples(card, options), _title(options["dataset"])
        if seen := trained_on(card, examples):
            some = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
            self.say(
                f"Warning: {card.name} was trained on {len(seen)} of these images ({some}): scores on them say "
                "nothing about others."
            )
        if options["fit_region_merging"] or options["calibrate"] or options["choose_threshold"]:
            backup = file.with_name(f"{file.name}.before")
            shutil.copyfile(file, backup)
            self.say(f"the card as it was: {backup}")
        predictor, asked = _predictor(card, options), _options(options)
        if options["fit_region_merging"] or options["calibrate"]:
            predictor, asked = self._fit(predictor, file, examples, options)
        report = evaluate(examples, scoring, predictor, asked, options["out"], title, self.say)
        earlier = report.get("postprocess", {}).get(BEFORE, {}).get("figures", {})
        for name in scoring.shown:
            value, low, high = report["pooled"]["figures"][name].values()
            if value is not None:
                interval = "" if low is None else f"  ({low:.4f} to {high:.4f})"
                was = earlier.get(name, {}).get("value")
                before = "" if was is None else f"  before fitting {was:.4f}"
                self.stdout.write(f"{name:14s} {value:8.4f}{interval}{before}")
        if options["choose_threshold"]:
            self._choose(report, card, file)
        if options["write_score"]:
            self._score(report, predictor.card, file)
        self.stdout.write(f"report: {options['out'] / 'report.html'}")

    def _choose(self, report: dict[str, Any], card: ModelCard, file: Path) -> None:
        chosen = report["thresholds"]["best"]
        if chosen is None:
            raise CommandError("No threshold can be chosen: nothing is right at any of them. The card is unchanged.")
        facts = {"threshold_rule": report["thresholds"]["rule"], "threshold_data": report["data"]["name"]}
        self._write(file, "threshold", chosen, facts)
        self.stdout.write(f"threshold {card.threshold:g} -> {chosen:g} written into {file}")
        self.stdout.write("Scores on this data are scores on data that the threshold was chosen on.")

    def _score(self, report: dict[str, Any], card: ModelCard, file: Path) -> None:
        """Put the figures into the card's scores, in place of earlier ones on the same data."""
        from segmentation.core.measure.budget import OWN
        from segmentation.core.network.card_entries import FIGURES

        pooled, data = report["pooled"], report["data"]
        figures = {name: each["value"] for name, each in pooled["figures"].items() if name in FIGURES}
        if "merged" in pooled["errors"]:
            figures["merges"] = 100 * pooled["errors"]["merged"] / max(pooled["particles"], 1)
            figures["splits"] = 100 * pooled["errors"]["split"] / max(pooled["found"], 1)
        known = {name: round(value, 3) for name, value in figures.items() if value is not None}
        score = {"data": f"{data['name']}, {data['images']} images", "split": OWN, **known}
        others = [each for each in card.scores if each["data"] != score["data"]]
        self._write(file, "scores", [*others, score], {})
        if "confusion" in report:
            shares = [[round(each or 0.0, 4) for each in row] for row in report["confusion"]["shares"]]
            self._write(file, "options", {"confusion": shares}, {})
        self.stdout.write(f"score written into {file}")

    def _fit(self, predictor: Any, file: Path, examples: Any, options: dict[str, Any]) -> tuple[Any, Any]:
        """Fit region merging and confidence, and write them into the card; the predictors to score: new and old."""
        from segmentation.lab.instances.calibrating import calibrate
        from segmentation.lab.instances.cutting import RULE, fit_region_merging

        old, title, told = predictor.card, _title(options["dataset"]), None
        among: dict[str, Any] = {
            "threshold": options["threshold"] or old.threshold,
            "rows": options["rows"],
            "say": self.say,
        }
        predictor = replace(predictor, kept={})
        particles = sum(len(np.unique(pair.load(options["rows"])[1])) - 1 for pair in examples)
        if particles < FEW:
            self.say(
                f"{particles} particles are few to fit a card to: below {FEW} a fit may follow chance. Compare both"
                " cards on other images, and take the old one back where the new one is no better there."
            )
        if options["fit_region_merging"]:
            self.stdout.write("fitting the region merging, on these images and rendered ones")
            found = fit_region_merging(predictor, examples, **among)
            facts = {"region_merging_data": title, "region_merging_rule": RULE}
            self._write(file, "options", {"region_merging": found.weights}, facts)
            worth = ", ".join(f"{value:.4f} with {name}" for name, value in found.merits.items())
            self.stdout.write(
                f"region merging written into {file}: mean F1 at IoU 0.5 and 0.75, without confidence {worth}"
            )
            predictor = _with(predictor, region_merging=found.weights)
        if options["calibrate"]:
            self.stdout.write("fitting the confidence, on these images and rendered ones")
            weights, told = calibrate(predictor, examples, **among)
            facts = {
                "confidence_data": title,
                "confidence_error": round(told["error"], 3),
                "wrong_under_limit": round(told["under"]["wrong"] or 0, 3),
                "wrong_over_limit": round(told["over"]["wrong"] or 0, 3),
            }
            self._write(file, "options", {"confidence": weights}, facts)
            self.stdout.write(f"confidence written into {file}: {facts}")
            predictor = _with(predictor, confidence=weights)
        return predictor, replace(_options(options), before=old, reliability=told)

    def _write(self, file: Path, name: str, value: object, facts: dict[str, Any]) -> None:
        """Put an entry into the card, and under [training] on what it was found."""
        from segmentation.lab.publish import amend

        try:
            amend(file, {name: value, "training": facts})
        except (OSError, ValueError) as error:
            raise CommandError(f"The {name} cannot be written into {file}: {error}") from error


def _with(predictor: Any, **options: Any) -> Any:
    """The same predictor with other options on its card."""
    card = predictor.card
    return replace(predictor, card=replace(card, options={**card.options, **options}))


def _check(options: dict[str, Any]) -> None:
    """Refuse numbers that cannot be; nothing has been read yet."""
    threshold, nm = options["threshold"], options["nm"]
    if threshold is not None and not 0 < threshold < 1:
        raise CommandError(f"--threshold lies between 0 and 1, not at {threshold:g}.")
    if nm is not None and not 0 < nm < float("inf"):
        raise CommandError(f"--nm is a number above 0, not {nm:g}.")
    other = [f"--{name.replace('_', '-')}" for name in NOT_THE_CARDS if options[name] not in (None, False)]
    if options["write_score"] and other:
        raise CommandError(
            f"A score is that of the card as it stands: leave out --write-score or {' and '.join(other)}."
        )
    if options["rows"] is not None and options["rows"] < 1:
        raise CommandError(f"--rows is at least 1, not {options['rows']}.")
    if options["pictures"] < 0:
        raise CommandError(f"--pictures is at least 0, not {options['pictures']}.")
    if _is_recipe(options["dataset"]) and any(options[name] for name in ("groups", "labels", "images", "classes")):
        raise CommandError(
            "A recipe names its own folders and groups: leave out --images, --labels, --classes and --groups."
        )
    if options["out"].exists() and not options["out"].is_dir():
        raise CommandError(f"{options['out']} is a file; --out names the folder of the report.")


def _check_for(card: ModelCard, options: dict[str, Any]) -> None:
    """Refuse options that mean nothing to the card's kind of analysis."""
    from segmentation.core.tasks import find
    from segmentation.lab import tasks
    from segmentation.lab.pretrained import maps_of

    task, taught, names = find(card.task), tasks.find(card.task), maps_of(card)
    known = {*taught.scoring(names).options, *task.settings.model_fields}
    asked = [name for name in (*OF_SETTINGS, *OF_SCORING) if options[name] not in (None, False, [])]
    if unknown := [f"--{name.replace('_', '-')}" for name in asked if name not in known]:
        raise CommandError(f"{task.title} are scored without {' and '.join(unknown)}: leave it out.")
    try:
        task.settings(**_settings(options))
    except ValidationError as error:
        raise CommandError(sentence(error)) from error
    if len(options["classes"]) not in (0, len(names) * taught.classes):
        those = ", ".join(names) if taught.classes else "it has none"
        raise CommandError(f"--classes names a label for each class of {card.name} ({those}).")


def _card(model: str) -> tuple[ModelCard, Path]:
    """The card and its file."""
    try:
        if model.endswith(".toml"):
            return read_card(Path(model)), Path(model)
        card = find(model)
    except FileNotFoundError:
        raise CommandError(f"There is no card {model}.") from None
    except ValueError as error:
        raise CommandError(str(error)) from error
    return card, card.weights.parent / f"{model}.toml"


def _title(dataset: Path) -> str:
    """What the report calls the data."""
    return f"the held-out part of {dataset.stem}" if _is_recipe(dataset) else dataset.resolve().name


def _is_recipe(dataset: Path) -> bool:
    return dataset.suffix.lower() == ".toml"


def _examples(card: ModelCard, options: dict[str, Any]) -> Any:
    from segmentation.core.truth import find_pairs, groups_in
    from segmentation.lab.data import held_out_pairs
    from segmentation.lab.pretrained import maps_of
    from segmentation.lab.settings import keep_apart, number_of_classes, read_recipe

    dataset = options["dataset"]
    if not _is_recipe(dataset):
        classes = {"classes": tuple(options["classes"]), "count": number_of_classes(card.task, maps_of(card))}
        groups = groups_in(dataset, options["groups"])
        pairs = find_pairs(dataset, options["images"], options["labels"], groups=groups, **classes)
        examples = pairs.complete(only_labelled=True)
        if options["calibrate"] or options["choose_threshold"] or options["fit_region_merging"]:
            keep_apart(dataset, *(file for example in examples for file in example.files))
        return examples
    return held_out_pairs(read_recipe(dataset), BASE)


def _predictor(card: ModelCard, options: dict[str, Any]) -> Any:
    from segmentation.core.network.runtime import Runtime
    from segmentation.lab.evaluation.predictions import Predictor
    from segmentation.lab.start import device_of

    device_of(options["device"])
    runtime = Runtime(options["device"], settings.DEEPSEGM_PRECISION)
    return Predictor(card, runtime, _settings(options))


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in OF_SETTINGS if options[name] is not None}


def _options(options: dict[str, Any]) -> Any:
    from segmentation.lab.evaluation.predictions import Options

    return Options(
        rows=options["rows"],
        nm=options["nm"],
        threshold=options["threshold"],
        chains=tuple(dict.fromkeys(options["postprocess"])),
        truth_through=options["truth_through_postprocess"],
        pictures=options["pictures"],
    )
