"""Calculates weighted means of the weights of a base model and of the fine-tuned model, and chooses the best one.

A network that is trained on a few new images becomes worse on others (it forgets). A mean of both weights keeps most of
the old and most of the new (Wortsman et al. 2022, doi 10.1109/CVPR52688.2022.00780). The share of the tuned weights is
chosen when the training ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from safetensors.torch import load_file, save

from ...core.learning.training_summary import Kept, Share
from ...core.network.cards import ModelCard, check_weights, read_card
from .contract import Scoring
from .evaluation.scores import summarise
from .files import write_whole
from .instances.option_sets import PER_PERCENT

TUNED_ONLY = 1.0  # the share of the tuned weights if the base weights are not used
SHARES = (TUNED_ONLY, 0.7, 0.5, 0.3, 0.0)  # of the tuned weights; the first of equally good ones is chosen
LEAST_KEPT = 0.97  # part of the base model's score on its own data that the mean should keep, see RULE
CLEAR_LOSS = 0.01  # smallest fall of a score that is named as a loss
MOST_NAMED = 3  # images that the sentence names
RULE = (
    f"The share is one of {', '.join(f'{share:g}' for share in reversed(SHARES))}. Where some of these keep"
    f" {LEAST_KEPT:.0%} of the score on the base model's own data, only those are compared. The share with"
    " the highest sum is taken: of the score on held-out images and of the mean score on the base model's own data,"
    f" less {PER_PERCENT:g} for every percent by which the reported number is off."
)


class OwnData(NamedTuple):
    """The score on one part of the base model's own data.

    data: the name of the part. images: their number. figure: the title of the score. before: the score of the base
    model. after: share of the tuned weights -> the score.
    """

    data: str
    images: int
    figure: str
    before: float
    after: Mapping[float, float]

    def at_share(self, share: float) -> Kept:
        """The scores before and after, for the summary of a training with this share."""
        return Kept(data=self.data, images=self.images, figure=self.figure, before=self.before, after=self.after[share])


def mean_of(base: ModelCard, tuned: ModelCard, share: float, folder: Path) -> ModelCard:
    """Write a model with the weights base + share * (tuned - base) and the card of `tuned` into `folder`; returns its
    card.

    The statistics of batch normalisation are averaged, too.
    """
    for card in (base, tuned):
        check_weights(card)
    content = tuned.weights.read_bytes()
    if share != TUNED_ONLY:
        base_weights, tuned_weights = load_file(base.weights), load_file(tuned.weights)
        mean_weights = {
            name: base_weights[name].float().lerp(value.float(), share).to(value.dtype)
            if value.is_floating_point()
            else value
            for name, value in tuned_weights.items()
        }
        content = save(mean_weights)
    entries = tomlkit.parse(tuned.weights.with_suffix(".toml").read_text(encoding="utf-8"))
    entries["sha256"] = hashlib.sha256(content).hexdigest()
    file = folder / f"{tuned.name}.toml"
    write_whole(file.with_suffix(".safetensors"), content)
    write_whole(file, tomlkit.dumps(entries).encode())  # last: half-written weights have no card
    return read_card(file)


def choose(scoring: Scoring, held_out: Mapping[float, Sequence[Any]], own_data: Sequence[OwnData]) -> float:
    """The share of the tuned weights that RULE chooses.

    held_out: share -> the records of the held-out images (see `contract.Examiner`). own_data: the scores on the base
    model's own data.
    """
    sums = {share: sum(part.after[share] for part in own_data) for share in SHARES}
    least = LEAST_KEPT * sum(part.before for part in own_data)
    # With other options even the base model's weights alone may keep less than LEAST_KEPT.
    candidates = [share for share in SHARES if sums[share] >= least] or SHARES
    return max(candidates, key=lambda share: merit(scoring, held_out[share]) + sums[share] / max(len(own_data), 1))


def merit(scoring: Scoring, records: Sequence[Any]) -> float:
    """The score on some images together, less PER_PERCENT for every percent by which the reported number is off."""
    figures = summarise(scoring, records, nm=False, groups=[""] * len(records))  # one group: no intervals
    score, error = figures[scoring.tracked.score].value, figures[scoring.compared[0]].value
    return (score or 0.0) - PER_PERCENT * abs(100.0 if error is None else error)


def share_summary(base: ModelCard, share: float, forgetting: Sequence[Kept], worse: Sequence[str]) -> Share:
    """The entry of the summary about a share, with a sentence for the page and the card.

    forgetting: scores on the base model's own data. worse: names of held-out images that got worse."""
    keeps = None
    sentence = f"It takes {100 * share:.0f} % of what was learnt."
    if before := sum(kind["before"] for kind in forgetting):
        keeps = min(sum(kind["after"] for kind in forgetting) / before, 1.0)
        data = " and ".join(f"{kind['images']} {kind['data']}" for kind in forgetting)
        sentence += f" On {data} it keeps {100 * keeps:.0f} % of what {base.title} could before."
        if round(keeps, 2) < LEAST_KEPT:  # rounded as the sentence shows it
            sentence += " Use it for pictures like the taught ones alone."
    losses = [f"the {kind['data']}" for kind in forgetting if kind["before"] - kind["after"] >= CLEAR_LOSS]
    more = [f"{len(worse) - MOST_NAMED} more images"] if len(worse) > MOST_NAMED else []
    if names := [*losses, *worse[:MOST_NAMED], *more]:
        words = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        sentence += f" {base.title} stays the better choice for pictures like {words}."
    return Share(share=share, keeps=keeps, sentence=sentence)
