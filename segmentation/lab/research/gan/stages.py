"""The stages of the GAN route, in their order. A stage that was stopped is continued; a stage raises MissingStage if
results of an earlier stage are missing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .... import __version__
from ...training.contract import Labels, Picture
from ...training.files import write_picture, write_whole
from ...training.publish import publish
from ...training.runs import CHECKPOINT, METRICS, State, computing, read_rows
from ...training.sheets import in_rows
from ...training.train import is_over, scores_of, train
from .compose import compose_mask, mask_picture, most_particles, remove_dark_particles
from .cyclegan import CycleTrainer, as_picture, make_generator, paint
from .loop import (
    ORIGIN,
    Figures,
    MakePicture,
    Work,
    checkpoint_of,
    deadline,
    make_pictures,
    numbered_pictures,
    read_json,
    to_grey,
    train_stage,
)
from .outlines import Generator, OutlineTrainer, draw_outlines, scaled_silhouette
from .settings import CycleSettings, MissingStage, OutlineSettings, unet_recipe
from .stock import micrograph_stock, outline_stock

TimeIsUp = Callable[[], bool]
OUTLINES_DRAWN = 4096  # outlines from which all masks are composed; each is turned and mirrored at random
SUMMARY = "summary.json"


def run_stage(stage: str, work: Work) -> bool:
    """Run or continue one stage of STAGES; returns whether it is finished. Raises MissingStage, BadDataset,
    BadRecipe."""
    start_time = time.monotonic()
    with computing(work.device, work.recipe.threads):
        is_finished = STAGES[stage](work, deadline(work.minutes))
    _summarise(stage, work, is_finished, time.monotonic() - start_time)
    if not is_finished:
        work.say(f"{stage}: the time is up; the same command goes on from here")
    return is_finished


def outlines(work: Work, time_is_up: TimeIsUp) -> bool:
    """Train the WGAN; returns whether it is finished. Writes checkpoint.pt, metrics.csv and samples/ (real outlines
    above drawn ones)."""
    recipe = work.recipe

    def begin() -> OutlineTrainer:
        training, held_out = outline_stock(recipe, work.base)
        work.say(f"outlines: {len(training)} to learn from, {len(held_out)} held out")
        return OutlineTrainer(recipe.outlines, training, held_out, recipe.seed, work.device)

    return train_stage(work, "outlines", recipe.outlines, time_is_up, begin)


def masks(work: Work, time_is_up: TimeIsUp) -> bool:
    """Compose masks of drawn outlines; returns whether all are there. Writes labels/NNNNN.png (uint16), metrics.csv and
    samples/."""
    recipe, folder, settings = work.recipe, work.out / "masks", work.recipe.masks
    state = _checkpoint_before(work.out / "outlines", "masks", recipe.outlines)
    origin = {"outlines_step": state["step"], "seed": recipe.seed, **settings.model_dump(exclude={"count"})}

    def begin() -> MakePicture:
        generator = Generator(recipe.outlines).to(work.device)
        generator.load_state_dict(state["generator"])
        fields = draw_outlines(generator, OUTLINES_DRAWN, recipe.outlines.latent, recipe.seed, work.device)

        def make(number: int) -> tuple[Figures, Picture]:
            rng = np.random.default_rng((recipe.seed, 1, number))
            chosen = iter(rng.integers(len(fields), size=most_particles(settings)))
            labels = compose_mask(
                lambda diameter: scaled_silhouette(fields[next(chosen)], diameter, rng), settings, rng
            )
            write_picture(folder / "labels" / f"{number:05d}.png", labels.astype(np.uint16))
            row = {"particles": int(labels.max()), "cover": round(float((labels > 0).mean()), 4)}
            tinted = np.where(labels > 0, 80 + labels * 67 % 176, 0).astype(np.uint8)  # neighbours in different greys
            return row, in_rows([[mask_picture(labels), tinted]])

        return make

    return make_pictures(work, "masks", ("labels",), origin, settings.count, time_is_up, begin)


def cyclegan(work: Work, time_is_up: TimeIsUp) -> bool:
    """Train the CycleGAN; returns whether it is finished. Writes checkpoint.pt, metrics.csv and samples/ (masks and
    micrographs, each translated and translated back)."""
    recipe = work.recipe
    mask_files = _finished_masks(work, "cyclegan")

    def begin() -> CycleTrainer:
        micrographs = micrograph_stock(recipe, work.base)
        work.say(f"cyclegan: {len(mask_files)} masks, {len(micrographs)} micrographs")
        label_images = [read_mask(file) for file in mask_files]
        return CycleTrainer(recipe.cyclegan, label_images, micrographs, recipe.seed, work.device, work.dtype)

    return train_stage(work, "cyclegan", recipe.cyclegan, time_is_up, begin)


def translate(work: Work, time_is_up: TimeIsUp) -> bool:
    """Translate masks to pictures; returns whether all are there. Writes images/NNNNN.png, metrics.csv, and
    labels/NNNNN.png without the particles that are dark in the picture."""
    recipe, folder = work.recipe, work.out / "translate"
    state = _checkpoint_before(work.out / "cyclegan", "translate", recipe.cyclegan)
    mask_files = _finished_masks(work, "translate")[: recipe.translate.count or None]
    masks_from = read_json(work.out / "masks" / ORIGIN)
    origin = {"cyclegan_step": state["step"], "masks": masks_from, "reject": recipe.translate.reject}

    def begin() -> MakePicture:
        network = make_generator(recipe.cyclegan.filters, recipe.cyclegan.blocks).to(work.device)
        network.load_state_dict(state["g_ab"])

        def make(number: int) -> tuple[Figures, Picture]:
            labels = read_mask(mask_files[number])
            picture = to_grey(paint(network, as_picture(labels), work.device, work.dtype))
            bright_labels, rejected = remove_dark_particles(picture, labels) if recipe.translate.reject else (labels, 0)
            if bright_labels.any():
                write_picture(folder / "labels" / f"{number:05d}.png", bright_labels.astype(np.uint16))
                write_picture(folder / "images" / f"{number:05d}.png", picture)
            row = {"particles": int(labels.max()), "rejected": rejected}
            return row, in_rows([[mask_picture(labels), picture, mask_picture(bright_labels)]])

        return make

    return make_pictures(work, "translate", ("images", "labels"), origin, len(mask_files), time_is_up, begin)


def unet(work: Work, time_is_up: TimeIsUp) -> bool:
    """Train the MultiRes U-Net on the translated pictures, as `manage.py train` does; returns whether it is finished.

    The published weights are those of the last checkpoint, or of the best one if the recipe has a rule for it. If the
    time is up before the training is over, the card's limits say so.
    """
    pictures = numbered_pictures(work.out / "translate" / "images")
    if not read_rows(work.out / "translate" / METRICS):
        raise MissingStage(_missing_note("unet", "translate", work.out / "translate" / "images"))
    if len(pictures) < 2:
        raise MissingStage(
            "The translation left hardly any particle bright enough to be seen: train the cyclegan stage for longer, "
            "then translate again."
        )
    recipe, folder = unet_recipe(work.recipe), work.out / "unet"
    run = train(recipe, folder, work.out, work.device, lambda line: work.say(f"unet: {line}"), time_is_up)
    is_finished = is_over(run, recipe)
    unfinished = [] if is_finished else [f"Training was stopped at step {run.step} of {recipe.steps}."]
    extra = {"limits": [*recipe.limits, *unfinished], "scores": scores_of(run, recipe)}
    card = publish(run.averaged, recipe, folder, version=__version__, extra=extra)
    work.say(f"unet: weights and ModelCard: {card}")
    return is_finished


STAGES = {stage.__name__: stage for stage in (outlines, masks, cyclegan, translate, unet)}


def _checkpoint_before(folder: Path, stage: str, settings: OutlineSettings | CycleSettings) -> State:
    """The checkpoint in the folder of the stage before; raises MissingStage, BadRecipe."""
    if not (folder / CHECKPOINT).exists():
        raise MissingStage(_missing_note(stage, folder.name, folder / CHECKPOINT))
    return checkpoint_of(folder, settings)


def _finished_masks(work: Work, stage: str) -> list[Path]:
    """Files of the finished masks, which have a row in the table of the stage `masks`. Raises MissingStage."""
    folder = work.out / "masks"
    files = numbered_pictures(folder / "labels")[: len(read_rows(folder / METRICS))]
    if not files:
        raise MissingStage(_missing_note(stage, "masks", folder / "labels"))
    return files


def _missing_note(stage: str, needed: str, missing: Path) -> str:
    return f"The {stage} stage needs what the {needed} stage makes, and {missing} is not there: run {needed} first."


def read_mask(file: Path) -> Labels:
    """(H, W) labels of a composed mask, int32."""
    return np.asarray(Image.open(file)).astype(np.int32)


def _summarise(stage: str, work: Work, is_finished: bool, seconds: float) -> None:
    """Write into summary.json whether the stage is finished, its last row, seconds over all runs, and the device."""
    file = work.out / SUMMARY
    summary = read_json(file)
    rows = read_rows(work.out / stage / METRICS)
    earlier_seconds = summary.get(stage, {}).get("seconds", 0)
    summary[stage] = {
        "finished": is_finished,
        "seconds": round(earlier_seconds + seconds, 1),
        "device": work.device.type,
        "last": rows[-1] if rows else {},
    }
    write_whole(file, json.dumps(summary, indent=2).encode())
