"""How the particles of a sample's images were found: what all have in common, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..labels.segmentation import MASKS
from ..sample import Found, Image, Member, Sample
from .method import on_off
from .sections import card_of, model_label
from .wording import SOURCES

Fact = tuple[str, str]  # group and name
Facts = dict[Fact, Any]


def facts(sample: Sample, member: Member) -> Facts:
    """What is known of one image, but its name and its numbers; what is not known is left out."""
    found, calibration = member.found, member.calibration
    by_network = found.model != MASKS
    said: Facts = {
        ("image", "width (px)"): found.width,
        ("image", "height (px)"): found.height,
        ("calibration", "nm per pixel"): calibration.nm_per_pixel,
        ("calibration", "source"): SOURCES[calibration.source],
        ("calibration", "detail"): calibration.detail,
        ("calibration", "relative standard uncertainty"): calibration.relative_uncertainty,
        ("model", "model"): model_label(found.model, found.model_sha256),
        ("model", "sha256 of the weights"): found.model_sha256 if by_network else "",
        ("settings", "filter"): on_off(sample.filter if found.recipe is None else found.recipe.measurement.filter),
        ("settings", "edges"): "weighted" if sample.pooled.edge == "weight" else "excluded",
        **(_outlining(found) if by_network else {}),
        **{("instrument", name): _typed(value) for name, value in found.instrument.items()},
    }
    return {fact: value for fact, value in said.items() if value is not None and value != ""}


def _outlining(found: Found) -> Facts:
    """The settings of the network, "auto" replaced by what was used."""
    return {
        ("settings", "threshold"): found.threshold,
        ("settings", "polarity"): f"{found.polarity} particles" if found.polarity else "",
        ("settings", "working scale"): found.scale,
        ("settings", "data bar"): _data_bar(found),
        ("settings", "mirror images averaged"): _mirrored(found),
    }


def common(sample: Sample) -> Facts:
    """What is the same for all images in the pooled numbers."""
    first, *others = [facts(sample, member) for _, member in sample.counted] or [{}]
    return {fact: value for fact, value in first.items() if all(other.get(fact) == value for other in others)}


def differing(sample: Sample) -> list[tuple[Image, Facts]]:
    """For each analysed image what is not as in `common`; images for which there is nothing to say are left out."""
    shared = common(sample)
    own = [(image, facts(sample, image.member)) for image in sample.images if image.member is not None]
    told = [(image, {fact: value for fact, value in each.items() if shared.get(fact) != value}) for image, each in own]
    return [(image, each) for image, each in told if each]


def unknown(sample: Sample) -> str:
    """A sentence for images of which nobody kept how their particles were found, "" where it is known of all."""
    count = sum(not member.found.model for _, member in sample.counted)
    if not count:
        return ""
    images = "all images" if count == len(sample.counted) else "1 image" if count == 1 else f"{count} images"
    return f"With which model and settings the particles of {images} were found was not kept: analyse again to know."


def as_json(sample: Sample) -> dict[str, Any]:
    """settings, used and model as in the result of one image, but only what all pooled images share; settings_differ:
    the names of the others, whose values are with the images. The scale of each image is with it in any case."""
    recipes = [_settings(member.found) for _, member in sample.counted]
    used = [_used(member.found) for _, member in sample.counted]
    models = sample.models
    settings = {**(_shared(recipes) if any(recipes) else {"filter": sample.filter}), "edge": sample.pooled.edge}
    differ = {name for each in recipes for name in each} - set(settings)
    differ |= {name for each in used for name in each} - set(_shared(used))
    return {
        "settings": {name: value for name, value in settings.items() if name != "calibration"},
        "settings_differ": sorted(differ - {"calibration"}),
        "used": _shared(used),
        "model": _model(*models[0]) if len(models) == 1 and not unknown(sample) else None,
    }


def _shared(each: list[dict[str, Any]]) -> dict[str, Any]:
    first, *others = each or [{}]
    return {name: value for name, value in first.items() if all(name in o and o[name] == value for o in others)}


def _settings(found: Found) -> dict[str, Any]:
    return {} if found.recipe is None else found.recipe.as_dict()


def _used(found: Found) -> dict[str, Any]:
    known = {"threshold": found.threshold, "polarity": found.polarity, "scale": found.scale}
    return {name: value for name, value in known.items() if value not in (None, "")}


def _model(name: str, sha256: str) -> dict[str, Any]:
    card = card_of(name, sha256)
    return {"name": name, "version": None if card is None else card.version, "sha256": sha256}


def _mirrored(found: Found) -> str | None:
    flips = getattr(found.recipe and found.recipe.segmentation, "flips", None)
    return None if flips is None else on_off(flips)


def _data_bar(found: Found) -> str:
    if found.data_bar is not None:
        return f"from row {found.data_bar}"
    return "" if found.height is None else "none"


def _typed(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)


def of_image(image: Image) -> dict[str, Any]:
    """One image's own settings, used, model and so on; null for what is not known."""
    member = image.member
    found = Found() if member is None else member.found
    return {
        "sha256": image.sha256,
        "calibration": None if member is None else asdict(member.calibration),
        "clarity": None if member is None else member.clarity,
        "settings": _settings(found) or None,
        "used": _used(found) or None,
        "model": _model(found.model, found.model_sha256) if found.model else None,
        "width": found.width,
        "height": found.height,
        "data_bar": found.data_bar,
        "metadata": dict(found.instrument),
    }


def text(each: Facts) -> str:
    """The facts on one line."""
    return "; ".join(f"{name} {_shown(group, value)}" for (group, name), value in each.items())


def lines(each: Facts) -> Iterator[tuple[str, str]]:
    """The facts as names and values; the model has a place of its own."""
    for (group, name), value in each.items():
        if group != "model":
            yield f"{group.capitalize().removesuffix('s')}: {name}", _shown(group, value)


def _shown(group: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.7g}" if group == "calibration" else f"{value:.4g}"
