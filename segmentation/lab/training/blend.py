"""Learning without forgetting: the mean of a base model's weights and of those that a training made of them.

A network that goes on learning on a few images forgets what it could before. Weights between both networks keep most
of the old and most of the new, and cost nothing: it is one network again (Wortsman et al. 2022, doi
10.1109/CVPR52688.2022.00780). How far to go is one number, chosen when the training ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from safetensors.torch import load_file, save

from ...core.learning import Kept, Share
from ...core.network.cards import ModelCard, check_weights, read_card
from .contract import Scoring
from .evaluation.scores import summarise
from .files import write_whole
from .instances.readings import PER_PERCENT

WHOLE = 1.0
SHARES = (WHOLE, 0.7, 0.5, 0.3, 0.0)  # of the tuned weights; of equally good ones the first is chosen
FLOOR = 0.97  # of the base model's score on its own data, which the mean keeps where any share does
CLEAR = 0.01  # of a score, from which on a loss is one
NAMED = 3  # images, at most, that the sentence names
RULE = (
    f"The share is one of {', '.join(f'{share:g}' for share in reversed(SHARES))}. Where some of these keep"
    f" {FLOOR:.0%} of the score on the base model's own data, only those are compared. The share with"
    " the highest sum is taken: of the score on held-out images and of the mean score on the base model's own data,"
    f" less {PER_PERCENT:g} for every percent by which the reported number is off."
)


class OwnData(NamedTuple):
    """What is found in one kind of the base model's own data. figure: its title. before: by the base model. after: by
    each share of the tuned weights."""

    data: str
    images: int
    figure: str
    before: float
    after: Mapping[float, float]

    def at(self, share: float) -> Kept:
        return Kept(data=self.data, images=self.images, figure=self.figure, before=self.before, after=self.after[share])


def mean_of(base: ModelCard, tuned: ModelCard, share: float, folder: Path) -> ModelCard:
    """Write the card of `tuned` with the weights base + share * (tuned - base) into `folder`; batch statistics, too."""
    for card in (base, tuned):
        check_weights(card)
    content = tuned.weights.read_bytes()
    if share != WHOLE:
        old, new = load_file(base.weights), load_file(tuned.weights)
        mixed = {
            name: old[name].float().lerp(value.float(), share).to(value.dtype) if value.is_floating_point() else value
            for name, value in new.items()
        }
        content = save(mixed)
    entries = tomlkit.parse(tuned.weights.with_suffix(".toml").read_text(encoding="utf-8"))
    entries["sha256"] = hashlib.sha256(content).hexdigest()
    file = folder / f"{tuned.name}.toml"
    write_whole(file.with_suffix(".safetensors"), content)
    write_whole(file, tomlkit.dumps(entries).encode())  # last: half-written weights have no card
    return read_card(file)


def choose(scoring: Scoring, held: Mapping[float, Sequence[Any]], measured: Sequence[OwnData]) -> float:
    """The share by RULE. held: of each share the records of the same held-out images."""
    on_own_data = {share: sum(kind.after[share] for kind in measured) for share in SHARES}
    least = FLOOR * sum(kind.before for kind in measured)
    # Where pictures are read otherwise than by the base model, even its own weights may keep less than FLOOR.
    keeping = [share for share in SHARES if on_own_data[share] >= least] or SHARES

    return max(keeping, key=lambda share: worth(scoring, held[share]) + on_own_data[share] / max(len(measured), 1))


def worth(scoring: Scoring, records: Sequence[Any]) -> float:
    """The score on some images together, less PER_PERCENT for every percent by which the reported number is off."""
    figures = summarise(scoring, records, nm=False, groups=[""] * len(records))  # one group: no intervals
    score, error = figures[scoring.tracked.score].value, figures[scoring.compared[0]].value
    return (score or 0.0) - PER_PERCENT * abs(100.0 if error is None else error)


def described(base: ModelCard, share: float, forgetting: Sequence[Kept], worse: Sequence[str]) -> Share:
    """What the page and the card say of it. worse: names of held-out images that got worse."""
    keeps = None
    sentence = f"It takes {100 * share:.0f} % of what was learnt."
    if before := sum(kind["before"] for kind in forgetting):
        keeps = min(sum(kind["after"] for kind in forgetting) / before, 1.0)
        data = " and ".join(f"{kind['images']} {kind['data']}" for kind in forgetting)
        sentence += f" On {data} it keeps {100 * keeps:.0f} % of what {base.title} could before."
        if round(keeps, 2) < FLOOR:  # as it is shown
            sentence += " Use it for pictures like the taught ones alone."
    lost = [f"the {kind['data']}" for kind in forgetting if kind["before"] - kind["after"] >= CLEAR]
    named = [*worse[:NAMED], *([f"{len(worse) - NAMED} more images"] if len(worse) > NAMED else [])]
    if kinds := [*lost, *named]:
        listed = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
        sentence += f" {base.title} stays the better choice for pictures like {listed}."
    return Share(share=share, keeps=keeps, sentence=sentence)
