"""The help page, and the pages of models with their files and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.views.decorators.http import require_safe
from PIL import Image, ImageOps

from ..core import tasks
from ..core.measure.objects.filters import Reason
from ..core.measure.quantities import number
from ..core.micrograph import formats
from ..core.network import cards
from ..core.network.card_entries import FIGURES, FRACTIONS
from ..core.network.package import BadPackage
from ..core.settings import DEFAULT_MODEL, DEFAULT_TASK
from ..http.serving import serve_local
from ..learning.trainings.words import TrainedModel
from ..location import COMMAND
from ..services.ground.limits import most_pixels
from ..services.results.models_offered import (
    card_for,
    chosen_defaults,
    is_usable,
    may_set_for_all,
    offered_models,
    own_default,
    package_of,
    trainings_by_model,
)

PICTURE_FORMATS = ["WEBP"]  # of the pictures that are stored with a card
CAPTION = 0x010E  # the EXIF tag in which core.report.figures.picture writes the caption of a picture
KIND_PICTURE_SIZE = 192, 144  # width and height in px of the picture of a kind of analysis
OBJECT_COLOUR = 86, 180, 233  # RGB of the objects in a drawn picture


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """The help page: what every number means, and how to work with the files."""
    context = {
        "formats": formats.names_text(" and ", with_titles=True),
        "reasons": [(str(reason), reason.definition) for reason in Reason],
        "kinds": [(task, [number(name) for name in task.quantities]) for task in tasks.every()],
        "with_model": {card.task for card in offered_models(request.user)},
        "max_upload_mb": settings.DEEPSEGM_MAX_UPLOAD_MB,
        "max_megapixels": most_pixels() // 1_000_000,
        "retention_days": settings.DEEPSEGM_RETENTION_DAYS,
        "command": COMMAND,
        "site": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "help.html", context)


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """The list of all models that can be chosen, by kind of analysis."""
    titles, kinds = {task.name: task.title for task in tasks.every()}, dict[str, list[cards.ModelCard]]()
    offered_cards: list[cards.ModelCard] = []
    with suppress(OSError, ValueError):  # the system checks report a damaged card
        offered_cards = offered_models(request.user)
    trained_models = trainings_by_model([card.name for card in offered_cards])
    for card in offered_cards:
        if card.name not in trained_models:
            kinds.setdefault("For comparison" if card.comparison else card.task, []).append(card)
    groups = [(title, kinds.pop(name)) for name, title in titles.items() if name in kinds]
    defaults = {DEFAULT_TASK: DEFAULT_MODEL, **chosen_defaults(request.user)}
    context = {
        "kinds": [*groups, *kinds.items()],
        "trained": [
            TrainedModel(card, trained_models[card.name]) for card in offered_cards if card.name in trained_models
        ],
        "defaults": defaults.values(),
    }
    return render(request, "models.html", context)


@require_safe
def model(request: HttpRequest, name: str) -> HttpResponse:
    """The page of a model: everything in its card."""
    card = _card_for(request, name)
    row = trainings_by_model([name]).get(name)
    context = {
        "card": card,
        "trained": TrainedModel(card, row) if row else None,
        "mine": row is not None and row.is_visible_to(request.user),
        "usable": is_usable(name, request.user),
        "is_default": own_default(card.task, request.user) == name,
        "may_set_for_all": may_set_for_all(request.user),
        "facts": _facts(card),
        "figures": [FIGURES[name] for name in _figures_of(card)],
        "scores": _scores(card),
        "examples": _pictures(card, cards.PICTURES[: -len(cards.LAYERS)]),
        "feature_maps": _pictures(card, cards.LAYERS),
    }
    return render(request, "model.html", context)


@require_safe
def example(request: HttpRequest, name: str, which: str) -> HttpResponse:
    """A picture that is stored with a model's card."""
    if which not in cards.PICTURES:
        raise Http404
    return serve_local(request, cards.picture_of(_card_for(request, name), which))


@require_safe
def weights(request: HttpRequest, name: str) -> HttpResponse:
    """The weights of a model, its card or its graph, as a file to put into the folder of models of another site."""
    card = _card_for(request, PurePath(name).stem)
    suffixes = (card.weights.suffix, ".toml", cards.GRAPH)
    paths = {path.name: path for path in map(card.weights.with_suffix, suffixes)}
    if name not in paths:
        raise Http404
    return serve_local(request, paths[name], download=True)


@require_safe
def model_package(request: HttpRequest, name: str) -> HttpResponse:
    """A model as a package of the BioImage Model Zoo."""
    card = _card_for(request, name)
    try:
        file = package_of(card)
    except (BadPackage, cards.AlteredWeights) as error:
        return render(request, "refused.html", {"sentence": str(error)}, status=409)
    return serve_local(request, file, download=True, name=f"{card.name}.bioimage.io.zip")


@require_safe
def kind_picture(request: HttpRequest, name: str) -> HttpResponse:
    """A small picture of what a kind of analysis finds: the right half of the first picture of a model, which shows the
    outlines; else the drawn test case of the kind."""
    try:
        # A name that stands for several models shows the picture of the first one.
        card = next(iter(cards.released(name)), None) or card_for(request.user, name)
        path = cards.picture_of(card, "1")
        content = _kind_jpeg(path if path.is_file() else None, card.task)
    except (OSError, ValueError, cards.UnknownModel, tasks.UnknownTask, Image.DecompressionBombError):
        raise Http404 from None
    return HttpResponse(content, "image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


@lru_cache(32)
def _kind_jpeg(path: Path | None, task: str) -> bytes:
    """The JPEG of `kind_picture`. path: the picture of a model, None to draw the test case of the kind."""
    if path:
        with Image.open(path, formats=PICTURE_FORMATS) as picture:
            half = picture.convert("RGB").crop((picture.width // 2, 0, picture.width, picture.height))
    else:
        case = tasks.find(task).golden()
        grey = np.repeat(case.picture[..., None], 3, axis=2)
        half = Image.fromarray(np.where((case.maps[0] > 127)[..., None], OBJECT_COLOUR, grey // 2).astype(np.uint8))
    jpeg = BytesIO()
    ImageOps.fit(half, KIND_PICTURE_SIZE).save(jpeg, "JPEG", quality=80)
    return jpeg.getvalue()


def _card_for(request: HttpRequest, name: str) -> cards.ModelCard:
    try:
        return card_for(request.user, name)
    except (OSError, ValueError, cards.UnknownModel):
        raise Http404 from None


def _facts(card: cards.ModelCard) -> list[tuple[str, str]]:
    """The facts about a model: (term, words) of each."""
    base = " ".join(card.training[name] for name in ("start_from", "start_version") if card.training.get(name))
    encoder = card.training.get("pretrained", "")
    # Of published weights: the training step, and the criterion by which it was the best.
    steps = [choice.partition(":")[0] for choice in card.training.get("choices", ()) if choice.endswith("(published)")]
    size = filesizeformat(card.size) if card.weights.is_file() else "missing"
    try:
        task_facts = tasks.find(card.task).facts(card)
    except tasks.UnknownTask as error:
        task_facts = [("Kind of analysis", str(error))]
    return [
        ("Name", card.name),
        ("Version", card.version),
        *[(term, name) for term, name in (("Base model", base), ("Encoder started from", encoder)) if name],
        *[("Weights are from", f"training {step.replace(' by ', ', the best by ', 1)}") for step in steps],
        ("Licence of the weights", card.licence or "not stated"),
        ("Size of the weights", size),
        *task_facts,
    ]


def _score_text(name: str, value: float | None) -> str:
    return "–" if value is None else f"{value:{'.3f' if name in FRACTIONS else '.1f'}}".replace("-", "−")


def _figures_of(card: cards.ModelCard) -> list[str]:
    """The names of the measures that the card has scores of, in the order of FIGURES."""
    return [name for name in FIGURES if any(name in score for score in card.scores)]


def _scores(card: cards.ModelCard) -> list[dict[str, Any]]:
    """The scores of a model by data set and split: titles and values in the order of `_figures_of`, a dash for a
    missing value."""
    return [
        {
            "data": score["data"],
            "split": score["split"],
            "figures": [(FIGURES[name][0], _score_text(name, score.get(name))) for name in _figures_of(card)],
        }
        for score in card.scores
    ]


def _pictures(card: cards.ModelCard, names: Iterable[str]) -> list[dict[str, Any]]:
    """The pictures that are stored with a card: name, size in px, and caption."""
    paths = [(name, cards.picture_of(card, name)) for name in names]
    return [{"which": name, **_size_and_caption(path, card)} for name, path in paths if path.is_file()]


def _size_and_caption(path: Path, card: cards.ModelCard) -> dict[str, Any]:
    default_caption = f"A micrograph with the outlines that the model {card.title} finds in it"
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as picture:
            caption = picture.getexif().get(CAPTION, "").encode("latin-1", "replace").decode("utf-8", "replace")
            return {"width": picture.width, "height": picture.height, "text": caption or default_caption}
    except (OSError, ValueError, Image.DecompressionBombError):
        return {"width": "", "height": "", "text": default_caption}
