"""Pictures of cards and documents were made by the weights that are shipped."""

from __future__ import annotations

import tomllib
from itertools import chain
from pathlib import Path

import pytest
from PIL import Image

from segmentation.core.network import cards
from segmentation.core.report.figures.picture import WEIGHTS

DOCS = Path(__file__).resolve().parents[1] / "docs"
MADE_BY = tomllib.loads((DOCS / "pictures.toml").read_text(encoding="utf-8"))
SHIPPED = cards.available()


@pytest.mark.weights
@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.name)
def test_pictures_of_a_card_are_of_its_weights(card):
    pictures = [card.weights.parent / f"{card.name}-{part}.webp" for part in ("1", "2", "convolutions", "up-samplings")]
    for path in [*pictures, *card.weights.parent.glob(f"{card.name}-[3-9].webp")]:
        with Image.open(path) as picture:
            assert picture.getexif().get(WEIGHTS) == card.sha256, path.name


def test_pictures_of_the_documents_are_of_shipped_weights():
    digests = {card.sha256[:12] for card in SHIPPED}
    assert MADE_BY["weights"].keys() <= digests, "make these pictures anew"
    listed = [*chain(*MADE_BY["weights"].values()), *MADE_BY["drawn"]]
    there = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*") if path.suffix in (".png", ".webp")]
    assert sorted(listed) == sorted(there)


def test_a_document_says_that_a_picture_is_old():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    for name in MADE_BY["old"]:
        (line,) = [line for line in pages.splitlines() if f"/{Path(name).name})" in line]
        assert "version" in line, name
