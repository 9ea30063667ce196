"""What a user meets who trains classes of their own: names too few, a class more, a recipe that was copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmentation import __version__
from segmentation.core.masks.truth import BadDataset
from segmentation.lab.training.finetune import fine_tuning
from segmentation.lab.training.publish import version_of
from segmentation.lab.training.settings import copied_entries, read_recipe
from tests.lab.test_classes import drawn

RECIPES = Path("segmentation/lab/recipes")


def test_fine_tuning_says_that_it_adds_no_class(tmp_path):
    with pytest.raises(BadDataset) as refusal:
        fine_tuning(drawn(tmp_path, range(6)), "uhcs-steel")
    sentence = str(refusal.value)
    assert "in heads" in sentence and "4 classes of uhcs-steel" in sentence
    assert 'start_from = "uhcs-steel"' in sentence and "spheroidite" in sentence


def test_words_of_a_copied_recipe_are_told():
    steel = read_recipe(RECIPES / "uhcs-steel.toml")
    assert copied_entries(steel) == ""
    recipe = steel.replaced(name="mine")
    assert copied_entries(recipe).startswith("Title and summary")
    assert copied_entries(recipe.replaced(title="Mine", summary="", limits=[])) == ""


def test_ones_own_model_has_a_version_of_its_own():
    steel = read_recipe(RECIPES / "uhcs-steel.toml")
    assert version_of(steel) == __version__
    assert version_of(steel.replaced(name="mine")) == "1"
    assert version_of(steel.replaced(name="mine", version="3")) == "3"
