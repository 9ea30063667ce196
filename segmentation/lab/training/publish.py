"""A finished run becomes a model: half-precision weights and their ModelCard; the application offers it or does not."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomlkit
import torch
from pydantic import ValidationError
from safetensors.torch import save
from torch import nn

from ... import __version__
from ...core.errors import UserError
from ...core.measure.budget import SCORED_BY_OWNER
from ...core.network.architectures import UnknownArchitecture
from ...core.network.card_entries import FIGURES
from ...core.network.cards import (
    CARDS,
    GRAPH,
    PICTURES,
    TEST,
    AlteredWeights,
    ModelCard,
    as_base,
    available,
    check_weights,
    pretrained_source,
    read_card,
)
from ...core.network.graph import NoGraph, write_graph, write_test
from ...core.network.package import unpack
from ...core.network.with_torch import load_module
from ...core.tasks import UnknownTask
from ...core.tasks import find as kind_of
from ...core.validation import sentence
from . import tasks
from .data import training_images
from .files import KNOWN_BY, fingerprint, write_whole
from .pretrained import base_card
from .runs import CHECKPOINT
from .settings import ComposedEntry, RenderedEntry, SourceEntry, TrainingRecipe, read_recipe
from .start import Run
from .train import Say, choices_of, scores_of, train

DONE = "done"
OWNERS = "of its owner"
FIRST = "1"  # version of a model of one's own
TEST_SIDE = 64  # px of the picture in a package (core/network/package.py)
TRIAL = 64  # px, side of the picture that a model must be able to take


def publish(network: nn.Module, recipe: TrainingRecipe, folder: Path, *, version: str, extra: dict[str, Any]) -> Path:
    """Write `folder/<name>.safetensors` and `folder/<name>.toml`; returns the card's path.

    extra: further entries of the card, such as threshold, options, scores and limits. The card is written last, so
    that a half-written model has none. Raises CannotWrite.
    """
    task = tasks.find(recipe.task)
    state = network.state_dict().items()
    weights = save({name: (v.half() if v.is_floating_point() else v).cpu().contiguous() for name, v in state})
    data, inherited = all_data(recipe), _inherited_fields(recipe)
    options = {**inherited.pop("options", {}), **recipe.options, **extra.get("options", {})}
    # Pictures that a GAN made name the licences of what it learned from in their title.
    unlicensed = any(d.get("licence", "") in ("", "unknown") or "(unknown)" in d["title"] for d in data)
    card = {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "version": version,
        **({"task": recipe.task} if recipe.task != _usual("task") else {}),
        "licence": OWNERS if unlicensed and recipe.licence == _usual("licence") else recipe.licence,
        "sha256": hashlib.sha256(weights).hexdigest(),
        **({} if recipe.heads == list(task.channels) else {"maps": recipe.heads}),
        **({} if task.classes else {"smallest": recipe.sizes[0], "largest": recipe.sizes[1]}),
        **inherited,
        **extra,
        **({"options": options} if options else {}),
        "architecture": recipe.architecture,
        "training": training_facts(recipe),
        "data": data,
    }
    file = folder / f"{recipe.name}.toml"
    write_whole(file.with_suffix(".safetensors"), weights)
    write_whole(file, tomlkit.dumps(card).encode())
    return file


def _inherited_fields(recipe: TrainingRecipe) -> dict[str, Any]:
    """What a card takes over from the model that a training went on with; what was fitted to the maps of its decoder
    holds for that decoder alone."""
    if not recipe.start_from or (base := base_card(recipe.start_from)).task != recipe.task:
        return {}
    kind, new = kind_of(base.task).options, recipe.architecture not in ({}, base.architecture)
    names = kind.INHERITED - kind.FITTED if new else kind.INHERITED
    options = {name: value for name, value in base.options.items() if name in names}
    return {"threshold": base.threshold, "options": options}


def publish_run(run: Run, folder: Path, base: Path) -> Path:
    """Publish the run in `folder`; its card describes the training pictures. Returns the card's path.

    base: the recipe's paths are relative to it. Raises as `publish` and `training_images`.
    """
    recipe = read_recipe(folder / "recipe.toml")  # with what the run decided
    pictures = training_images(recipe, base)
    learnt = tasks.find(recipe.task).learnt(pictures)
    extra: dict[str, Any] = {"limits": recipe.limits, "scores": scores_of(run, recipe), "options": learnt}
    card = publish(run.averaged, recipe, folder, version=version_of(recipe), extra=extra)
    set_entries(card, {"training": {"choices": choices_of(run, recipe)}})
    note_images(card, recipe, [picture.pair.image for picture in pictures])
    return card


def trained_model(
    recipe: TrainingRecipe,
    folder: Path,
    base: Path,
    say: Say = print,
    time_is_up: Callable[[], bool] = lambda: False,
    watch: Callable[[Run], None] = lambda run: None,
) -> ModelCard:
    """Train and publish in `folder`, unless that is done, and delete the checkpoint; all as of `train`."""
    marker = folder / DONE  # the card is there before it is whole
    if not marker.exists():
        publish_run(train(recipe, folder, base, say=say, time_is_up=time_is_up, watch=watch), folder, base)
        write_whole(marker, b"")
    (folder / CHECKPOINT).unlink(missing_ok=True)  # those of many trainings would fill a disk
    return read_card(folder / f"{recipe.name}.toml")


def version_of(recipe: TrainingRecipe) -> str:
    """Of the model that a recipe makes."""
    released = (CARDS / f"{recipe.name}.toml").is_file()
    return recipe.version or (__version__ if released else FIRST)


def _usual(entry: str) -> Any:
    """The default of a recipe's entry."""
    return TrainingRecipe.model_fields[entry].default


def training_facts(recipe: TrainingRecipe) -> dict[str, Any]:
    """What the card says of how the weights came to be."""
    rates = "learning_rate", "encoder_learning_rate", "weight_decay", "ema_decay"
    names = "steps", "batch", "crop", *rates, "seed", "precision", "pretrained"
    facts = {name: getattr(recipe, name) for name in names}
    if recipe.schedule.restarts:
        facts["restarts"] = recipe.schedule.restarts
    if recipe.start_from:  # the place of its file is this machine's business
        base = base_card(recipe.start_from)
        facts |= {"start_from": base.name, "start_version": base.version, "start_sha256": base.sha256}
    return {**facts, "torch": torch.__version__}


def all_data(recipe: TrainingRecipe) -> list[dict[str, Any]]:
    """The recipe's sources, the ImageNet weights of its encoder, and what the model it starts from was taught on."""
    facts = [data_facts(entry, recipe) for entry in recipe.sources]
    pretrained = [pretrained_source(recipe.pretrained)] if recipe.pretrained else []
    return facts + pretrained + (as_base(base_card(recipe.start_from)) if recipe.start_from else [])


def data_facts(entry: SourceEntry, recipe: TrainingRecipe) -> dict[str, Any]:
    """One source of pictures: its kind, its licence, and the part that was held out."""
    if isinstance(entry, RenderedEntry):
        fixed = ", ".join(f"{name} {value}" for name, value in entry.settings.items())
        count = entry.count * len(recipe.schedule.ends(recipe.steps))
        title = f"{count} drawn images" + (f" ({fixed})" if fixed else "")
        return {"title": title, "licence": "MIT", "split": "unlimited; other seeds for validation"}
    if entry.use in ("training", "validation"):
        split = f"{entry.count or 'all'} for {entry.use}"
    else:
        unit = "publications" if entry.groups else "groups" if entry.group_pattern else "images"
        share = f"fold {recipe.fold} of {recipe.folds}" if recipe.folds else f"{recipe.validation:.0%}"
        trained = f"; {entry.count} images of the others trained on" if entry.count else ""
        trained = "; none of the others trained on" if entry.use == "held-out" else trained
        split = f"{share} of the {unit} held out" + ("" if recipe.folds else f", fold {recipe.fold}") + trained
    title = entry.title or Path(entry.path).name
    if isinstance(entry, ComposedEntry):
        title = f"{entry.pictures} pictures composed of particles of {title}"
    return {"title": title, "licence": entry.licence, "split": split}


def note_images(card: Path, recipe: TrainingRecipe, images: Sequence[Path]) -> None:
    """Write into a card which images it was trained on, and the model before it: scores on them say little."""
    before = base_card(recipe.start_from).training.get("images", []) if recipe.start_from else []
    add_images(card, [*before, *map(fingerprint, images)])


def add_images(card: Path, sha256s: Iterable[str]) -> None:
    """Write into a card that it was trained on the files of these hashes, too."""
    images = read_card(card).training.get("images", [])
    set_entries(card, {"training": {"images": sorted({*images, *(sha256[:KNOWN_BY] for sha256 in sha256s)})}})


def set_entries(card: Path, entries: Mapping[str, Any]) -> None:
    """Set entries of a card; those of its tables one by one. Raises OSError, ValueError (the file is no TOML)."""
    document = tomlkit.parse(card.read_text(encoding="utf-8"))
    for name, value in entries.items():
        if isinstance(value, Mapping) and name in document:
            for key, entry in value.items():
                document[name][key] = entry  # type: ignore[index]
        else:
            document[name] = value
    write_whole(card, tomlkit.dumps(document).encode())


def write_score(file: Path, report: Mapping[str, Any]) -> None:
    """Put an evaluation's figures into the card's scores, in place of earlier ones on data of that name and number of
    images; where there are classes, their confusion into its options."""
    pooled, data = report["pooled"], report["data"]
    figures = {name: figure["value"] for name, figure in pooled["figures"].items() if name in FIGURES}
    if "merged" in pooled["errors"]:
        figures["merges"] = 100 * pooled["errors"]["merged"] / max(pooled["particles"], 1)
        figures["splits"] = 100 * pooled["errors"]["split"] / max(pooled["found"], 1)
    rounded = {name: round(value, 3) for name, value in figures.items() if value is not None}
    score = {"data": f"{data['name']}, {data['images']} images", "split": SCORED_BY_OWNER, **rounded}
    entries = {"scores": [*(old for old in read_card(file).scores if old["data"] != score["data"]), score]}
    if "confusion" in report:
        shares = [[round(share or 0.0, 4) for share in row] for row in report["confusion"]["shares"]]
        entries["options"] = {"confusion": shares}
    set_entries(file, entries)


class BadModel(UserError):
    """The model cannot be added or removed; the message says why."""


def add_model(run: Path, folder: Path, *, name: str = "", title: str = "") -> ModelCard:
    """Copy a run's card and weights to `folder`, under another name and title where they are given.

    run: a training's folder, a card's file, or a package. Raises BadPackage; BadModel when there is no finished model,
    its weights were altered or fit another architecture, or its name is taken; CannotWrite when the disk is full.
    """
    if run.suffix == ".zip" and run.is_file():
        with TemporaryDirectory() as unpacked:
            return add_model(unpack(run, Path(unpacked)), folder, name=name, title=title)
    file = card_file(run)
    card = checked_card(file)
    try:
        card = replace(card, name=name or card.name, title=title or card.title)
    except ValidationError as error:
        raise BadModel(f"A model's {sentence(error)}") from error
    name = card.name
    if name in {card.name for card in available()} or (folder / f"{name}.toml").exists():
        raise BadModel(f"There is a model named {name!r} already: give this one another name with --name.")
    weights = card.weights.read_bytes()
    if hashlib.sha256(weights).hexdigest() != card.sha256:
        raise BadModel(f"The weights of {file} changed while they were read.")
    entries = tomllib.loads(file.read_text(encoding="utf-8"))
    for file_beside in ("weights", "graph"):
        entries.pop(file_beside, None)
    # The card comes last: without it what is half written is no model.
    write_whole(folder / f"{name}.safetensors", weights)
    write_whole(folder / f"{name}.toml", tomlkit.dumps({**entries, "name": name, "title": card.title}).encode())
    add_graph(folder / f"{name}.toml")
    return read_card(folder / f"{name}.toml")


def add_graph(card: Path) -> str:
    """Write an ONNX, for machines without torch, and a test of it beside a card's weights, its sha256 into the card.

    Returns a sentence where none can be made of this network: torch alone runs it then.
    """
    model = read_card(card)
    task = kind_of(model.task)
    channels, picture = task.channels(model), task.golden().picture[:TEST_SIDE, :TEST_SIDE]
    try:
        set_entries(card, {"graph": write_graph(model, len(channels))})
        write_test(model, len(channels), channels.activation, picture)
    except NoGraph as error:
        return str(error)
    return ""


def card_file(run: Path) -> Path:
    """The file of the one card in a run's folder, or `run` where it is a card's file; raises BadModel."""
    if run.suffix == ".toml" and run.is_file():
        return run
    if not run.is_dir():
        raise BadModel(f"There is no run {run}.")
    files = [file for file in sorted(run.glob("*.toml")) if file.name != "recipe.toml"]
    if not files:
        raise BadModel(f"{run} holds no ModelCard: its training is not finished (the same command goes on with it).")
    if len(files) > 1:
        raise BadModel(f"{run} holds {len(files)} ModelCards: name the file of one.")
    return files[0]


def checked_card(file: Path) -> ModelCard:
    """The card in a file, after its weights were found whole, fit to its architecture and able to predict."""
    try:
        card = read_card(file)
        check_weights(card)
        count = len(kind_of(card.task).channels(card))
        network = load_module(card, count)
        try:  # a grey picture, as an analysis shows it
            with torch.inference_mode():
                maps = network(torch.linspace(-1, 1, TRIAL * TRIAL).reshape(1, 1, TRIAL, TRIAL))
        except RuntimeError as error:
            raise ValueError("its network takes no picture of one channel.") from error
    except (OSError, ValueError, UnknownArchitecture, AlteredWeights, UnknownTask) as error:
        raise BadModel(f"{file} cannot be added: {error}") from error
    except RuntimeError as error:
        raise BadModel(f"{file} cannot be added: its weights belong to another architecture.") from error
    if maps.shape != (1, count, TRIAL, TRIAL) or not torch.isfinite(maps).all():
        raise BadModel(f"{file} cannot be added: its network gives no {count} maps of its input's size.")
    return card


def remove_model(name: str, folder: Path) -> None:
    """Delete a model that was added to `folder`, with its pictures; raises BadModel for any other."""
    card, weights = folder / f"{name}.toml", folder / f"{name}.safetensors"
    if "/" in name or not card.exists():
        released = name in {card.name for card in available()}
        why = "it is a released model" if released else "there is none of this name"
        raise BadModel(f"{name!r} cannot be removed: {why}.")
    # The card goes first: without it the weights are no model.
    card.unlink()
    pictures = (folder / f"{name}-{which}{suffix}" for which in PICTURES for suffix in (".webp", ".png"))
    beside = (weights.with_suffix(end) for end in (GRAPH, TEST))
    for file in (weights, *beside, card.with_name(f"{card.name}.before"), *pictures):
        file.unlink(missing_ok=True)
