"""How maps are read, chosen on images that the weights did not learn from."""

from dataclasses import replace

import numpy as np
import pytest
from django.core.management import call_command

from segmentation.core.labels.particles.options import BORDER_FEATURES, INTERCEPT, MERGE_LIMIT
from segmentation.core.masks.truth import find_pairs
from segmentation.core.network.cards import read_card
from segmentation.core.network.runtime import Runtime
from segmentation.lab.training.evaluation.predictions import Predictor
from segmentation.lab.training.instances.counts import count_image
from segmentation.lab.training.instances.option_sets import (
    best_option_set,
    option_sets,
    option_sets_by_other_groups,
    results_of_option_sets,
)
from segmentation.lab.training.publish import set_entries
from segmentation.lab.training.tasks.particles import SCORING

WEIGHTS = dict.fromkeys(BORDER_FEATURES[:-1], 0.1) | {INTERCEPT: -1.0, MERGE_LIMIT: 0.6}


def squares(*sides):
    """Labels of squares with these sides in px, apart from each other and from the frame."""
    labels = np.zeros((64, 64 * len(sides)), np.int32)
    for number, side in enumerate(sides, start=1):
        labels[10 : 10 + side, 64 * number - 54 : 64 * number - 54 + side] = number
    return labels


def records(truth, *predictions):
    """What an Examiner says of an image, read in as many ways."""
    return [count_image(labels, truth) for labels in predictions]


TRUE = squares(20, 20, 20, 20)
LARGE, FEWER, RIGHT = squares(22, 22, 22, 22), squares(20, 20, 20, 0), TRUE


def test_a_models_own_way_comes_first_and_the_sizes_are_those_that_were_taught(base):
    card = replace(read_card(base), options={"diameter": 36.0, "region_merging": WEIGHTS})
    all_sets = option_sets(card)
    assert all_sets[0] == {"diameter": 36.0, "region_merging": WEIGHTS}
    assert len(all_sets) == len({str(options) for options in all_sets}) == 20
    assert all(card.smallest <= options["diameter"] <= card.largest for options in all_sets)
    plain = option_sets(replace(card, options={"diameter": 60.0}))
    assert [options["diameter"] for options in plain] == [60.0, 30.0, 42.0] and "region_merging" not in plain[0]


def test_score_and_error_of_the_median_decide_together():
    assert best_option_set(SCORING, [records(TRUE, LARGE, RIGHT)] * 3) == 1
    assert best_option_set(SCORING, [records(TRUE, RIGHT, LARGE)] * 3) == 0
    assert best_option_set(SCORING, [records(TRUE, RIGHT, RIGHT)] * 3) == 0
    # Its median is right, but a quarter of the particles is missing.
    assert best_option_set(SCORING, [records(TRUE, LARGE, FEWER)] * 3) == 0


def test_too_few_images_and_images_without_a_find_keep_the_models_own_way():
    nothing = np.zeros_like(TRUE)
    assert best_option_set(SCORING, [records(TRUE, LARGE, RIGHT)] * 2) == 0
    assert best_option_set(SCORING, [records(TRUE, nothing, nothing)] * 3) == 0


def test_no_image_chooses_how_it_is_read():
    image, odd = records(TRUE, LARGE, RIGHT), records(TRUE, RIGHT, LARGE)
    assert option_sets_by_other_groups(SCORING, [image, image, image, odd], "abcd") == [
        best_option_set(SCORING, [image, image, odd])
    ] * 3 + [1]
    assert option_sets_by_other_groups(SCORING, [image] * 4, "aabb") == [0] * 4
    assert option_sets_by_other_groups(SCORING, [image] * 4, "aaab") == [0, 0, 0, 1]


@pytest.mark.slow
def test_the_command_writes_the_best_way_into_the_card(folder, base, capsys):
    set_entries(base, {"options": {"diameter": 18.0, "region_merging": WEIGHTS}})
    card = read_card(base)
    pair = find_pairs(folder).complete()[0]
    read = results_of_option_sets(SCORING, Predictor(card, Runtime("cpu")), pair)
    assert len(read) == len(option_sets(card))
    call_command("fit", str(base), str(folder), "reading")
    after = read_card(base)
    assert {
        "diameter": after.options["diameter"],
        "region_merging": dict(after.options["region_merging"]),
    } in option_sets(card)
    assert after.training["reading_data"] and "median" in after.training["reading_rule"]
    assert "error of the median" in capsys.readouterr().out
