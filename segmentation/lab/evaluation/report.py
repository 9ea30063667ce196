"""The evaluation itself: every image seen once, compared in all ways, and told in one JSON and one page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ...core.labels.confidence import traits
from ...core.labels.outline import HOPELESS, outline, particles
from ...core.network.cards import ModelCard, check_weights
from ...core.truth import BadDataset, Pair
from ..files import write_whole
from ..targets import inner_distance
from .calibrating import cross_fitted, fit, traits_of_empty
from .counts import ImageCounts, count_image
from .kinds import Kind
from .matching import Labels
from .page import Shown, page
from .pictures import data_uri, panels
from .predictions import Predictor, Seen, padded
from .published import CHAINS
from .reliability import reliability
from .summary import DEFINITIONS, FEWEST, RESAMPLES, ap_by_iou, kinds_of, summarise
from .thresholds import RULE, choose, curve, sweep_image

OWN = "own"
LABELS = "labels"  # folder of the report with what was found, named as the truth is
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """rows: only the first so many of every image are compared. nm: per pixel; None takes what the files say, and
    pixels unless all of them say something. threshold: None takes the card's. chains: further post-processings of
    the same maps, names in CHAINS. truth_through: also show what every chain makes of perfect maps.
    pictures: how many of the best, of the median and of the worst images to show. calibrate: also fit the model of
    the particles' confidence, and tell the reliability of one that was fitted on the other images; no outline is
    dropped then."""

    rows: int | None = None
    nm: float | None = None
    threshold: float | None = None
    chains: tuple[str, ...] = ()
    truth_through: bool = False
    pictures: int = 2
    calibrate: bool = False


@dataclass(eq=False)
class Gathered:
    """What the images gave, each list in their order. counts, through: by chain."""

    counts: dict[str, list[ImageCounts]]
    through: dict[str, list[ImageCounts]]
    sweeps: list[NDArray[np.float64]] = field(default_factory=list)
    confidence: list[NDArray[np.float32]] = field(default_factory=list)
    traits: list[NDArray[np.float64]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)


def evaluate(
    examples: Sequence[Pair],
    predictor: Predictor,
    options: Options,
    out: Path,
    title: str,
    say: Say = print,
) -> dict[str, Any]:
    """Score a model on examples; write `out/report.html`, `out/report.json` and `out/labels/NAME.tif`.

    title: what the report calls the data. Returns what is in the JSON.
    Raises BadDataset, AlteredWeights, UnknownArchitecture or OSError, the first three before any prediction.
    """
    check_weights(predictor.card)
    say(f"checking {len(examples)} images and their labels")  # before any time is spent on networks
    if not examples:
        raise BadDataset("There are no images to score.")
    sizes = [options.nm or pair.load(options.rows)[0].calibration.nm_per_pixel for pair in examples]
    nm = None not in sizes
    units = [size or 1.0 for size in sizes] if nm else [1.0] * len(sizes)
    predictor.network()
    (out / LABELS).mkdir(parents=True, exist_ok=True)
    gathered = _gather(examples, units, predictor, options, out, say)
    report = _report(examples, gathered, predictor, options, title, nm)
    shown = list(_shown(examples, report["images"], options, out))
    write_whole(out / "report.json", json.dumps(report, indent=1).encode())
    write_whole(out / "report.html", page(report, shown).encode())
    return report


def _gather(
    examples: Sequence[Pair], units: Sequence[float], predictor: Predictor, options: Options, out: Path, say: Say
) -> Gathered:
    chains = (OWN, *options.chains)
    gathered = Gathered({chain: [] for chain in chains}, {chain: [] for chain in chains if options.truth_through})
    threshold, card = used_threshold(predictor.card, options), predictor.card
    for number, (example, unit) in enumerate(zip(examples, units, strict=True), start=1):
        micrograph, truth = example.load(options.rows)
        seen = predictor.see(micrograph, len(truth))
        outlines = outline(seen.maps, seen.scale, threshold, card, every=options.calibrate)
        found = outlines.labels
        rows = len(found)
        for chain, counts in gathered.counts.items():
            labels = found if chain == OWN else CHAINS[chain](seen.maps[0])
            counts.append(count_image(padded(labels, truth.shape), truth, unit))
        for chain, counts in gathered.through.items():
            counts.append(count_image(through_chain(chain, truth, threshold, seen.scale, card), truth, unit))
        own = gathered.counts[OWN][-1]
        gathered.sweeps.append(sweep_image(_padded_maps(seen, truth), truth, seen.scale, card))
        gathered.confidence.append(outlines.confidence[own.found_ids - 1])
        found_traits = traits(seen.maps, found, card.diameter / seen.scale)
        gathered.traits.append(found_traits[own.found_ids - 1])
        view = {"polarity": seen.polarity, "scale": seen.scale, "rows": rows, "seconds": round(seen.seconds, 3)}
        gathered.views.append(view)
        tifffile.imwrite(_labels_file(out, example), padded(found, truth.shape), compression="zlib")
        hits, spurious, missed = own.sums.matched[0].astype(int)
        say(f"{number}/{len(examples)} {example.name}: {hits} right, {spurious} wrong, {missed} missed at IoU 0.5")
    return gathered


def used_threshold(card: ModelCard, options: Options) -> float:
    return card.threshold if options.threshold is None else options.threshold


def through_chain(chain: str, truth: Labels, threshold: float, scale: float, card: ModelCard) -> Labels:
    """What a chain makes of the maps (H, W) that a perfect network would give for the truth, shown at `scale`."""
    foreground = ((truth > 0) * 255).astype(np.uint8)
    if chain != OWN:
        return CHAINS[chain](foreground)
    distance = np.rint(255 * inner_distance(truth)).astype(np.uint8)
    return particles(np.stack([foreground, distance]), scale, threshold, card)


def _padded_maps(seen: Seen, truth: Labels) -> NDArray[np.uint8]:
    return np.pad(seen.maps, ((0, 0), (0, truth.shape[0] - seen.maps.shape[1]), (0, 0)))


def _labels_file(out: Path, example: Pair) -> Path:
    return out / LABELS / f"{example.name}.tif"


def _report(
    examples: Sequence[Pair], gathered: Gathered, predictor: Predictor, options: Options, title: str, nm: bool
) -> dict[str, Any]:
    own, card = gathered.counts[OWN], predictor.card
    points = curve(gathered.sweeps)
    return {
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256, "core": card.core},
        "data": {"name": title, "images": len(own), "unit": "nm" if nm else "px", "rows": options.rows},
        "threshold": used_threshold(card, options),
        "definitions": DEFINITIONS | {str(kind): kind.definition for kind in Kind},
        "intervals": f"95 %, from {RESAMPLES} bootstrap samples of images; none for fewer than {FEWEST} images.",
        "pooled": pooled(own, nm),
        "by_iou": ap_by_iou(own),
        "thresholds": {"points": points, "rule": RULE, "chosen": choose(points)},
        **_reliabilities(examples, gathered, predictor, options),
        "sizes": {
            "true": np.concatenate([i.true_sizes for i in own]).round(3).tolist(),
            "found": np.concatenate([i.found_sizes for i in own]).round(3).tolist(),
        },
        "postprocess": {name: pooled(counts, nm) for name, counts in gathered.counts.items() if options.chains},
        "truth_through": {name: pooled(counts, nm) for name, counts in gathered.through.items()},
        "groups": _groups(examples, own, nm),
        "images": [_image(e, c, v, nm) for e, c, v in zip(examples, own, gathered.views, strict=True)],
    }


def _reliabilities(
    examples: Sequence[Pair], gathered: Gathered, predictor: Predictor, options: Options
) -> dict[str, Any]:
    """The reliability of the card's confidence; with `calibrate` the new weights, and instead their reliability on
    outlines that are not hopeless."""
    rights = [image.right for image in gathered.counts[OWN]]
    right = np.concatenate(rights)
    if not options.calibrate:
        return {"reliability": reliability(np.concatenate(gathered.confidence), right), "confidence": None}
    invented = traits_of_empty(predictor, used_threshold(predictor.card, options))
    groups = [example.group for example in examples] + [f"empty {number}" for number in range(len(invented))]
    every = [*gathered.traits, *invented]
    truth = [*rights, *(np.zeros(len(some), bool) for some in invented)]
    apart = cross_fitted(every, truth, groups)[: len(right)]
    weights = fit(np.concatenate(every), np.concatenate(truth))
    shown = apart >= HOPELESS
    return {"reliability": reliability(apart[shown], right[shown]), "confidence": weights}


def pooled(images: Sequence[ImageCounts], nm: bool) -> dict[str, Any]:
    """Particles counted, figures with their intervals, and errors by kind, of some images together."""
    true, found = np.sum([i.sums.particles for i in images], axis=0)
    values = {name: figure._asdict() for name, figure in summarise(images, nm=nm).items()}
    return {"particles": int(true), "found": int(found), "figures": values, "errors": kinds_of(images)}


def _groups(examples: Sequence[Pair], images: Sequence[ImageCounts], nm: bool) -> list[dict[str, Any]]:
    """Pooled by group; empty where every image is its own group."""
    members: dict[str, list[ImageCounts]] = {}
    for example, image in zip(examples, images, strict=True):
        members.setdefault(example.group, []).append(image)
    if len(members) == len(images):
        return []
    return [{"name": name, "images": len(some), **pooled(some, nm)} for name, some in sorted(members.items())]


def _image(example: Pair, image: ImageCounts, view: dict[str, Any], nm: bool) -> dict[str, Any]:
    one = {name: figure.value for name, figure in summarise([image], nm=nm).items()}
    true, found = image.sums.particles.astype(int).tolist()
    errors = {str(kind): n for kind, n in image.kinds.items()}
    return {
        "name": example.name,
        "group": example.group,
        "particles": true,
        "found": found,
        "figures": one,
        "errors": errors,
        **view,
    }


def ranked(images: Sequence[dict[str, Any]]) -> list[int]:
    """Places of the images from the best to the worst: by AP50, then IoU. An image without particles is worth
    1 / (1 + inventions)."""

    def worth(place: int) -> tuple[float, float]:
        image = images[place]
        right = image["figures"]["ap50"] if image["particles"] else 1 / (1 + image["found"])
        return -right, -(image["figures"]["iou"] or 0)

    return sorted(range(len(images)), key=worth)


def choice(n: int, each: int) -> dict[int, str]:
    """Places in a ranking of n to show -> why: `each` best, median and worst, none of them twice."""
    middle = max(0, (n - each) // 2)
    wanted = [(place, "best") for place in range(each)]
    wanted += [(n - 1 - place, "worst") for place in range(each)]
    wanted += [(middle + place, "median") for place in range(each)]
    places: dict[int, str] = {}
    for place, why in wanted:
        if 0 <= place < n:
            places.setdefault(place, why)
    return dict(sorted(places.items()))


def _shown(examples: Sequence[Pair], images: Sequence[dict[str, Any]], options: Options, out: Path) -> Iterator[Shown]:
    order = ranked(images)
    for place, why in choice(len(order), options.pictures).items():
        example = examples[order[place]]
        micrograph, truth = example.load(options.rows)
        found = tifffile.imread(_labels_file(out, example)).astype(np.int32)
        yield Shown(why, images[order[place]], [data_uri(p) for p in panels(micrograph, found, truth)])
