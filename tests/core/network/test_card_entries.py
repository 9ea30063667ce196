"""What stands in a card is checked when it is read, each entry with a sentence of its own."""

from __future__ import annotations

import re

import pytest

from segmentation.core import tasks
from segmentation.core.labels.particles.options import INTERCEPT, OUTLINE_FEATURES
from segmentation.core.network import cards

PLAIN = {
    "name": '"mine"',
    "title": '"Mine"',
    "summary": '""',
    "version": '"1"',
    "sha256": f'"{"a" * 64}"',
    "architecture": '{name = "unet"}',
}
WEIGHTS = {**dict.fromkeys(OUTLINE_FEATURES, "1.5"), INTERCEPT: "-2"}


def read(folder, entries, stem="mine"):
    lines = {name: value for name, value in {**PLAIN, **entries}.items() if value is not None}
    file = folder / f"{stem}.toml"
    file.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()), encoding="utf-8")
    return cards.read_card(file)


def of(**changes):
    """Options with a confidence of these weights."""
    weights = ", ".join(f"{name} = {value}" for name, value in {**WEIGHTS, **changes}.items())
    return f"{{confidence = {{{weights}}}}}"


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"threshold": "0.01", "smallest": "1", "largest": "10000"},
        {"options": "{seed_threshold = 0.99, diameter = 36, second_scale = 4, noise = 0, coarsest = 1}"},
        {"limits": '["No fibres.", "Größe ≥ 5 px."]', "licence": '""', "weights": '"other.safetensors"'},
        {"options": of(), "training": "{steps = 3, wrong_under_limit = 0.7, when = 2024-01-01}"},
        {"data": '[{title = "EMPS"}]', "scores": '[{data = "EMPS", split = "all", dice = 1, step = 40, f75 = 0.0}]'},
    ],
)
def test_what_is_possible_is_read(tmp_path, entries):
    card = read(tmp_path, entries)
    assert card.name == "mine" and tasks.find(card.task).options.of(card)


@pytest.mark.parametrize(
    ("entries", "pattern"),  # …: words that may change
    [
        ({"name": None, "sha256": None}, "it lacks name, sha256."),
        ({"colour": '"red"'}, "… unknown … colour."),
        ({"name": '"particles"'}, "name is … mine, not particles."),
        ({"name": '"My Own"'}, "name is small letters…, not 'My Own'."),
        ({"title": '" "'}, "title is one line …, not ' '."),
        ({"summary": '"a\\u0000b"'}, r"summary is text, not 'a\x00b'."),
        ({"version": "1"}, "version is one line …, not 1."),
        ({"licence": "[]"}, "licence is text, not []."),
        ({"sha256": f'"{"z" * 64}"'}, "sha256 is 64 …, not 'zzz"),
        ({"weights": '"../secret"'}, "weights is … a file …, not '../secret'."),
        ({"threshold": '"x"'}, "threshold is … 0 and 1, not 'x'."),
        ({"threshold": "true"}, "threshold is … 0 and 1, not True."),
        ({"options": "{seed_threshold = nan}"}, "options: seed_threshold is … 0 and 1, not nan."),
        ({"options": '{diameter = "x"}'}, "options: diameter is … px from 1 to 10000, not 'x'."),
        ({"options": "{diameter = -5.0}"}, "options: diameter is … px from 1 to 10000, not -5.0."),
        ({"options": "{second_scale = 0.7}"}, "options: second_scale is … 1 to 4, not 0.7."),
        ({"smallest": '"a"'}, "smallest is … px from 1 to 10000, not 'a'."),
        ({"smallest": "500", "largest": "80"}, "smallest (500 px) is below largest (80 px)."),
        ({"limits": '"some text"'}, "limits is a list …, not 'some text'."),
        ({"architecture": '"unet"'}, "architecture is a table, not 'unet'."),
        ({"architecture": "{filters = 4}"}, "architecture: it lacks name."),
        ({"architecture": "{name = 4}"}, "architecture: name is one line …, not 4."),
        ({"options": "[]"}, "options is a table, not []."),
        ({"options": "{colour = 1}"}, "options: … unknown … colour."),
        ({"options": "{confidence = []}"}, "options: confidence is a table, not []."),
        ({"options": "{confidence = {peak = 1.0}}"}, "options: confidence: … intercept … foreground, peak"),
        ({"options": of(peak='"1"')}, "options: confidence: peak is a finite number, not '1'."),
        ({"options": of(intercept="-inf")}, "options: confidence: intercept is a finite number, not -inf."),
        ({"data": '{title = "EMPS"}'}, "data is a list of tables, not {'title': 'EMPS'}."),
        ({"data": '[{title = "EMPS"}, {licence = "MIT"}]'}, "data 2: it lacks title."),
        ({"data": '[{title = "EMPS", licence = 3}]'}, "data 1: licence is text, not 3."),
        ({"scores": "[1]"}, "scores is a list of tables, not [1]."),
        ({"scores": '[{data = "EMPS"}]'}, "scores 1: it lacks split."),
        ({"scores": '[{data = "d", split = "s", dice = 1.1}]'}, "scores 1: dice is … 0 to 1, not 1.1."),
        ({"scores": '[{data = "d", split = "s", other = nan}]'}, "scores 1: other is a finite …, not nan."),
        ({"training": '"long"'}, "training is a table, not 'long'."),
        ({"training": "{pretrained = 1}"}, "training: pretrained is text, not 1."),
        ({"training": "{wrong_under_limit = -1}"}, "training: wrong_under_limit is … 0 to 1, not -1."),
        ({"limits": "[" * 5000 + "]" * 5000}, "nested too deeply"),
        ({"title": '"'}, "mine.toml: "),
    ],
)
def test_what_is_not_is_refused_with_one_sentence(tmp_path, entries, pattern):
    with pytest.raises(ValueError) as error:
        read(tmp_path, entries)
    sentence = str(error.value)
    assert sentence.startswith("mine.toml: ")
    assert re.search(".*".join(map(re.escape, pattern.split("…"))), sentence)
    assert "\n" not in sentence and sentence.endswith(".")


def test_a_link_to_itself_among_the_cards_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    monkeypatch.setattr(cards, "_user_folders", [tmp_path])
    assert "loop" not in [card.name for card in cards.available()]


def test_the_released_model_names_its_pretrained_weights():
    (imagenet,) = [source for source in cards.find("particles").data if source["title"].startswith("ImageNet-1k")]
    assert imagenet["licence"].startswith("Apache-2.0")


def test_a_model_for_comparison_makes_no_choice_by_the_image(monkeypatch):
    two = {name: cards.find(name) for name in ("particles", "particles-multires")}
    monkeypatch.setattr(cards, "_cards_by_name", lambda folder: two)
    assert cards.tasks_of_several() == set() and cards.released("auto-particles") == [two["particles"]]
