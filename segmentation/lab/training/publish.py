"""Makes a model from a finished training: weights in half precision and a ModelCard. Also adds models to the site,
changes entries of their cards, and removes models."""

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
from ...core.measure.uncertainty.budget import SCORED_BY_OWNER
from ...core.network.architectures import UnknownArchitecture
from ...core.network.card_entries import FIGURES
from ...core.network.cards import (
    CARDS,
    GRAPH,
    PICTURES,
    TEST,
    AlteredWeights,
    ModelCard,
    available,
    check_weights,
    data_from_base,
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
from .files import FINGERPRINT_LENGTH, fingerprint, write_whole
from .pretrained import base_card
from .runs import CHECKPOINT
from .settings import ComposedEntry, RenderedEntry, SourceEntry, TrainingRecipe, read_recipe
from .start import Run
from .train import Say, choices_of, scores_of, train

DONE = "done"  # name of the file that marks a finished training
OWNER_LICENCE = "of its owner"
FIRST_VERSION = "1"  # of a model that is not released with the software
TEST_SIDE = 64  # px of the picture in a package (core/network/package.py)
TRIAL_SIDE = 64  # px of the picture on which a model that is added is tried


def publish(network: nn.Module, recipe: TrainingRecipe, folder: Path, *, version: str, extra: dict[str, Any]) -> Path:
    """Write `folder/<name>.safetensors` and `folder/<name>.toml`; returns the card's path.

    network: has the weights to publish. version: of the model. extra: further entries of the card, such as threshold,
    options, scores and limits. The card is written last, so that a half-written model has none. Raises CannotWrite.
    """
    task = tasks.find(recipe.task)
    state = network.state_dict().items()
    weights = save({name: (v.half() if v.is_floating_point() else v).cpu().contiguous() for name, v in state})
    data, inherited = all_data(recipe), _inherited_fields(recipe)
    options = {**inherited.pop("options", {}), **recipe.options, **extra.get("options", {})}
    # The title of pictures that a GAN made names the licences of the data that the GAN learnt from.
    unlicensed = any(d.get("licence", "") in ("", "unknown") or "(unknown)" in d["title"] for d in data)
    card = {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "version": version,
        **({"task": recipe.task} if recipe.task != _default("task") else {}),
        "licence": OWNER_LICENCE if unlicensed and recipe.licence == _default("licence") else recipe.licence,
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
    """The entries that a card takes over from the model from which the training started. Options that were fitted to
    the maps of that model's decoder are not taken over by another decoder."""
    if not recipe.start_from or (base := base_card(recipe.start_from)).task != recipe.task:
        return {}
    task_options, has_new_decoder = kind_of(base.task).options, recipe.architecture not in ({}, base.architecture)
    names = task_options.INHERITED - task_options.FITTED if has_new_decoder else task_options.INHERITED
    options = {name: value for name, value in base.options.items() if name in names}
    return {"threshold": base.threshold, "options": options}


def publish_run(run: Run, folder: Path, base: Path) -> Path:
    """Publish the run in `folder`; its card describes the training pictures. Returns the card's path.

    base: the recipe's paths are relative to it. Raises what `publish` and `training_images` raise.
    """
    recipe = read_recipe(folder / "recipe.toml")  # in the stored recipe all entries are filled in
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
    """The card of the trained model in `folder`; a model that is not there is trained and published first.

    The checkpoint is deleted. Arguments and exceptions are those of `train`."""
    marker = folder / DONE  # the card is no sign of the end: it is written before all its entries are set
    if not marker.exists():
        publish_run(train(recipe, folder, base, say=say, time_is_up=time_is_up, watch=watch), folder, base)
        write_whole(marker, b"")
    (folder / CHECKPOINT).unlink(missing_ok=True)  # the checkpoints of many trainings would fill a disk
    return read_card(folder / f"{recipe.name}.toml")


def version_of(recipe: TrainingRecipe) -> str:
    """The version of the model that a recipe makes."""
    released = (CARDS / f"{recipe.name}.toml").is_file()
    return recipe.version or (__version__ if released else FIRST_VERSION)


def _default(entry: str) -> Any:
    """The default of a recipe's entry."""
    return TrainingRecipe.model_fields[entry].default


def training_facts(recipe: TrainingRecipe) -> dict[str, Any]:
    """The entries of a card about the training: settings of the recipe, and the model from which it started."""
    rates = "learning_rate", "encoder_learning_rate", "weight_decay", "ema_decay"
    names = "steps", "batch", "crop", *rates, "seed", "precision", "pretrained"
    facts = {name: getattr(recipe, name) for name in names}
    if recipe.schedule.restarts:
        facts["restarts"] = recipe.schedule.restarts
    if recipe.start_from:  # not the path of its file, which means nothing on another machine
        base = base_card(recipe.start_from)
        facts |= {"start_from": base.name, "start_version": base.version, "start_sha256": base.sha256}
    return {**facts, "torch": torch.__version__}


def all_data(recipe: TrainingRecipe) -> list[dict[str, Any]]:
    """The entries of a card about data: the recipe's sources, the ImageNet weights of its encoder, and the data of
    the model from which it starts."""
    facts = [data_facts(entry, recipe) for entry in recipe.sources]
    pretrained = [pretrained_source(recipe.pretrained)] if recipe.pretrained else []
    return facts + pretrained + (data_from_base(base_card(recipe.start_from)) if recipe.start_from else [])


def data_facts(entry: SourceEntry, recipe: TrainingRecipe) -> dict[str, Any]:
    """The entry of a card about one source of pictures: its title, its licence, and which part was held out."""
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
        training_note = f"; {entry.count} images of the others trained on" if entry.count else ""
        training_note = "; none of the others trained on" if entry.use == "held-out" else training_note
        split = f"{share} of the {unit} held out" + ("" if recipe.folds else f", fold {recipe.fold}") + training_note
    title = entry.title or Path(entry.path).name
    if isinstance(entry, ComposedEntry):
        title = f"{entry.pictures} pictures composed of particles of {title}"
    return {"title": title, "licence": entry.licence, "split": split}


def note_images(card: Path, recipe: TrainingRecipe, images: Sequence[Path]) -> None:
    """Write into a card the fingerprints of the images on which the model, and the model before it, were trained:
    scores on these images say little."""
    before = base_card(recipe.start_from).training.get("images", []) if recipe.start_from else []
    add_images(card, [*before, *map(fingerprint, images)])


def add_images(card: Path, sha256s: Iterable[str]) -> None:
    """Write into a card that the model was also trained on the files with these hashes."""
    images = read_card(card).training.get("images", [])
    set_entries(card, {"training": {"images": sorted({*images, *(sha256[:FINGERPRINT_LENGTH] for sha256 in sha256s)})}})


def set_entries(card: Path, entries: Mapping[str, Any]) -> None:
    """Set entries in the file of a card; a table of entries is merged with the card's. Raises OSError, ValueError
    (the file is no TOML)."""
    document = tomlkit.parse(card.read_text(encoding="utf-8"))
    for name, value in entries.items():
        if isinstance(value, Mapping) and name in document:
            for key, entry in value.items():
                document[name][key] = entry  # type: ignore[index]
        else:
            document[name] = value
    write_whole(card, tomlkit.dumps(document).encode())


def write_score(file: Path, report: Mapping[str, Any]) -> None:
    """Put the scores of an evaluation into a card, in place of earlier ones on data with the same name and number of
    images; for classes also their confusion, into the card's options. report: the content of report.json."""
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
    """Copy a model's card and weights to `folder`; returns the new card.

    name, title: of the copy; "": those of the card. run: the folder of a training, the file of a card, or a package.
    Raises BadPackage; BadModel if there is no finished model, its weights were altered or belong to another
    architecture, or its name exists; CannotWrite if the disk is full.
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
    # The card is written last, as half-written weights without a card are no model.
    write_whole(folder / f"{name}.safetensors", weights)
    write_whole(folder / f"{name}.toml", tomlkit.dumps({**entries, "name": name, "title": card.title}).encode())
    add_graph(folder / f"{name}.toml")
    return read_card(folder / f"{name}.toml")


def add_graph(card: Path) -> str:
    """Write an ONNX file of the network, for machines without torch, and a test of it beside the weights of a card; its
    sha256 is written into the card.

    Returns "", or a sentence if no ONNX file can be made of this network: then only torch can run it.
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
    """The card in a file, after a check that its weights are whole, fit its architecture, and can predict. Raises
    BadModel."""
    try:
        card = read_card(file)
        check_weights(card)
        count = len(kind_of(card.task).channels(card))
        network = load_module(card, count)
        try:  # with a grey picture, as in an analysis
            with torch.inference_mode():
                maps = network(torch.linspace(-1, 1, TRIAL_SIDE * TRIAL_SIDE).reshape(1, 1, TRIAL_SIDE, TRIAL_SIDE))
        except RuntimeError as error:
            raise ValueError("its network takes no picture of one channel.") from error
    except (OSError, ValueError, UnknownArchitecture, AlteredWeights, UnknownTask) as error:
        raise BadModel(f"{file} cannot be added: {error}") from error
    except RuntimeError as error:
        raise BadModel(f"{file} cannot be added: its weights belong to another architecture.") from error
    if maps.shape != (1, count, TRIAL_SIDE, TRIAL_SIDE) or not torch.isfinite(maps).all():
        raise BadModel(f"{file} cannot be added: its network gives no {count} maps of its input's size.")
    return card


def remove_model(name: str, folder: Path) -> None:
    """Delete a model that was added to `folder`, and its pictures; raises BadModel for any other model."""
    card, weights = folder / f"{name}.toml", folder / f"{name}.safetensors"
    if "/" in name or not card.exists():
        is_released = name in {card.name for card in available()}
        reason = "it is a released model" if is_released else "there is none of this name"
        raise BadModel(f"{name!r} cannot be removed: {reason}.")
    # The card is deleted first, as weights without a card are no model.
    card.unlink()
    pictures = (folder / f"{name}-{which}{suffix}" for which in PICTURES for suffix in (".webp", ".png"))
    other_files = (weights.with_suffix(end) for end in (GRAPH, TEST))
    for file in (weights, *other_files, card.with_name(f"{card.name}.before"), *pictures):
        file.unlink(missing_ok=True)
