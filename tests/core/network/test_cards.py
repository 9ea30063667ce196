"""The cards of the released models say everything that the page about them shows."""

from __future__ import annotations

import pytest

from segmentation.core import tasks
from segmentation.core.network import cards

RELEASED = cards.available(cards.CARDS)
FIGURES = {"dice", "iou", "ap50", "ap75", "f50", "f75", "pq"}
LARGEST_MB = 25

pytestmark = pytest.mark.parametrize("card", RELEASED, ids=lambda card: card.name)


def test_it_is_named_as_its_file(card):
    assert (cards.CARDS / f"{card.name}.toml").is_file()
    assert card.weights.name == f"{card.name}.safetensors"


def test_its_weights_are_those_it_describes(card):
    cards.check_weights(card)
    assert card.size <= LARGEST_MB * 2**20


def test_it_says_what_it_is_for_and_what_its_limits_are(card):
    assert card.title and card.version and card.licence
    assert card.summary.endswith(".")
    assert card.limits
    assert all(sentence.endswith(".") for sentence in card.limits)
    chosen = any(card.name == model.name for model in cards.released(cards.automatic_name(card.task)))
    assert card.comparison == card.limits[0].startswith("For comparison") != chosen, "no image chooses such a model"


def test_every_source_has_title_licence_and_split(card):
    assert card.data
    assert all(source.get(name) for source in card.data for name in ("title", "licence", "split"))


def test_scores_name_their_split_and_are_fractions(card):
    assert card.scores
    for score in card.scores:
        assert score["data"] and score["split"]
        figures = {name: value for name, value in score.items() if name in FIGURES}
        assert figures
        assert all(0 <= value <= 1 for value in figures.values())


def test_its_sizes_fit_together(card):
    liked = tasks.find(card.task).options.of(card).model_dump().get("diameter", card.largest / 2)
    assert 0 < card.smallest < liked < card.largest


def test_its_pictures_are_pictures(card):
    from PIL import Image

    for path in cards.CARDS.glob(f"{card.name}-[0-9]*.webp"):
        with Image.open(path, formats=["WEBP"]) as picture:
            picture.load()
            assert min(picture.size) >= 200
