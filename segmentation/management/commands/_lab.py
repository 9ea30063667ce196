"""Base classes of the commands for training and research. `LabCommand` shows errors as one sentence and progress at
once; `ScoringCommand` is the base of commands that run a model on images with truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from pydantic import ValidationError

from segmentation.core.errors import UserError
from segmentation.core.network.cards import NEEDS_TORCH, ModelCard, UnknownModel, find, read_card
from segmentation.core.tasks import UnknownTask
from segmentation.core.validation import sentence
from segmentation.location import IS_INSTALLED, NO_LAB, ROOT, has_lab

BASE = Path.cwd() if IS_INSTALLED else ROOT  # folder to which the paths in a recipe are relative
# Options that are settings of the segmentation; not every kind has them.
SEGMENTATION_OPTIONS = ("polarity", "scale", "flips")


class LabCommand(BaseCommand):
    """A command for training or research. result: name of its output, for a sentence. resumes: whether the same
    command continues where an earlier one was stopped."""

    requires_system_checks: list[str] = []
    result = "The result"
    resumes = False

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except (UserError, UnknownModel, UnknownTask) as error:
            raise CommandError(str(error)) from error
        except ImportError as error:
            needed = NEEDS_TORCH.format(what="This command") if has_lab() else NO_LAB
            raise CommandError(needed) from error
        except OSError as error:
            out = options.get("out")  # the error of a full disk has no file name
            is_in_out = error.errno is not None and out and str(error.filename or out).startswith(str(out))
            why = f"{self.result} in {out} cannot be written ({error.strerror})." if is_in_out else str(error)
            raise CommandError(why) from error
        except KeyboardInterrupt:
            if not self.resumes:
                raise
            raise CommandError("Stopped; the same command goes on from the last checkpoint.") from None

    def refuse_folder(self, recipe: Path) -> None:
        """Raise CommandError if the recipe is a folder, which only --fine-tune accepts."""
        if recipe.is_dir():
            raise CommandError(f"{recipe} is a folder: say which model to train further with --fine-tune.")

    def say(self, line: str) -> None:
        """Write a line on the terminal at once."""
        self.stdout.write(line)
        self.stdout.flush()


class ScoringCommand(LabCommand):
    """A command that scores MODEL on DATASET. further_options: names of options of this command that
    some kinds of analysis do not have."""

    further_options: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="a model's name, or the path of a card (TOML)")
        parser.add_argument("dataset", type=Path, metavar="DATASET")
        parser.add_argument("--images", default="", help="folder of the images inside DATASET")
        parser.add_argument("--labels", default="", help='the folder of labels; "none": no image shows a particle')
        classes = parser.add_argument("--classes", type=int, nargs="+", default=[], metavar="N")
        classes.help = "the labels of the model's classes, in their order; default: found in the files"
        parser.add_argument("--groups", default="", metavar="CSV", help="table image,group: in DATASET, or a path")
        parser.add_argument("--rows", type=int, metavar="N", help="compare the first N rows only")
        parser.add_argument("--polarity", choices=["auto", "bright", "dark"])
        parser.add_argument("--scale", type=float, metavar="S", help="working scale; default: from the image")
        parser.add_argument("--flips", action="store_const", const=True, help="average four mirrored images")
        parser.add_argument("--device", default=settings.DEEPSEGM_DEVICE, help="auto, cpu, cuda, ...")

    def warn_of_training_images(self, card: ModelCard, pairs: Any) -> None:
        from segmentation.lab.research.report import names_of_training_images

        if images := names_of_training_images(card, pairs):
            examples = ", ".join(images[:3]) + (", ..." if len(images) > 3 else "")
            self.say(
                f"Warning: {card.name} was trained on {len(images)} of these images ({examples}): scores on them say "
                "nothing about others."
            )

    def card(self, options: dict[str, Any]) -> tuple[ModelCard, Path]:
        """The card of MODEL and its file; raises CommandError if an option is not possible for it."""
        if options["rows"] is not None and options["rows"] < 1:
            raise CommandError(f"--rows is at least 1, not {options['rows']}.")
        if is_recipe(options["dataset"]) and any(options[name] for name in ("groups", "labels", "images", "classes")):
            raise CommandError(
                "A recipe names its own folders and groups: leave out --images, --labels, --classes and --groups."
            )
        model = options["model"]
        try:
            card = read_card(Path(model)) if model.endswith(".toml") else find(model)
        except FileNotFoundError:
            raise CommandError(f"There is no card {model}.") from None
        except ValueError as error:
            raise CommandError(str(error)) from error
        _check_options_for(card, options, self.further_options)
        return card, Path(model) if model.endswith(".toml") else card.weights.parent / f"{model}.toml"

    def pairs(self, card: ModelCard, options: dict[str, Any]) -> Any:
        """The images of DATASET with their truth; for a recipe its held-out images."""
        from segmentation.core.masks.truth import find_pairs, groups_in
        from segmentation.lab.training.data import held_out_pairs
        from segmentation.lab.training.pretrained import maps_of
        from segmentation.lab.training.settings import number_of_classes, read_recipe

        dataset = options["dataset"]
        if is_recipe(dataset):
            return held_out_pairs(read_recipe(dataset), BASE)
        classes = {"classes": tuple(options["classes"]), "count": number_of_classes(card.task, maps_of(card))}
        groups = groups_in(dataset, options["groups"])
        folder_pairs = find_pairs(dataset, options["images"], options["labels"], groups=groups, **classes)
        return folder_pairs.complete(only_labelled=True)

    def predictor(self, card: ModelCard, options: dict[str, Any]) -> Any:
        from segmentation.core.network.runtime import Runtime
        from segmentation.lab.training.evaluation.predictions import Predictor
        from segmentation.lab.training.start import device_of

        device_of(options["device"])  # raises an error if this machine does not have the device
        runtime = Runtime(options["device"], settings.DEEPSEGM_PRECISION)
        return Predictor(card, runtime, _settings(options))


def title_of(dataset: Path) -> str:
    """The name of the data in reports and cards."""
    return f"the held-out part of {dataset.stem}" if is_recipe(dataset) else dataset.resolve().name


def is_recipe(dataset: Path) -> bool:
    return dataset.suffix.lower() == ".toml"


def option_flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _check_options_for(card: ModelCard, options: dict[str, Any], options_of_command: tuple[str, ...]) -> None:
    """Raise CommandError for options that the card's kind of analysis does not have."""
    from segmentation.core.tasks import find
    from segmentation.lab.training import tasks
    from segmentation.lab.training.pretrained import maps_of

    task, learning_task, names = find(card.task), tasks.find(card.task), maps_of(card)
    possible = {*learning_task.scoring(names).options, *task.settings.model_fields}
    requested = [
        name for name in (*SEGMENTATION_OPTIONS, *options_of_command) if options[name] not in (None, False, [])
    ]
    if unknown := [option_flag(name) for name in requested if name not in possible]:
        raise CommandError(f"{task.title} are scored without {' and '.join(unknown)}: leave it out.")
    try:
        task.settings(**_settings(options))
    except ValidationError as error:
        raise CommandError(sentence(error)) from error
    if len(options["classes"]) not in (0, len(names) * learning_task.classes):
        listed = ", ".join(names) if learning_task.classes else "it has none"
        raise CommandError(f"--classes names a label for each class of {card.name} ({listed}).")


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in SEGMENTATION_OPTIONS if options[name] is not None}
