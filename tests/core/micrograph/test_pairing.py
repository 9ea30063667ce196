"""Side files find their images by name, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.core.micrograph.pairing import is_side_file, pair


@pytest.mark.parametrize(
    ("image", "side"),
    [("a.tif", "a.txt"), ("A.TIF", "a.Txt"), ("a.tif", "a.tif.txt"), ("a.tif", "a.hdr"), ("a.tif", "a.tif.hdr"),
     ("a.tif", "a-tif.hdr"), ("a.tif", "a_tif.hdr"), ("a.png", "a-png.hdr"), ("a.b.tif", "a.b.txt"),
     ("s_1.ser", "s.emi"), ("s_12.ser", "S.EMI"), ("s.ser", "s.emi"), ("lot/a.tif", "lot/a.txt"),
     ("lot\\a.tif", "lot/a.txt"), ("Probe µ 7.tif", "probe µ 7.txt"), ("noext", "noext.txt"), ("a.jpg", "a.txt")],
)  # fmt: skip
def test_pairs(image: str, side: str) -> None:
    for names in ([image, side], [side, image]):
        assert pair(names) == {image: [side]}


@pytest.mark.parametrize(
    ("image", "side"),
    [("a.tif", "b.txt"), ("one/a.tif", "two/a.txt"), ("a.tif", "a-png.hdr"), ("a_1.tif", "a.txt"),
     ("s_x.ser", "s.emi")],
)  # fmt: skip
def test_strangers(image: str, side: str) -> None:
    assert pair([image, side]) == {image: [], side: []}


def test_one_side_file_for_several_images_and_several_for_one() -> None:
    assert pair(["s_1.ser", "s_2.ser", "s.emi", "a.tif", "a.jpg", "a.txt", "a-tif.hdr", "readme.txt"]) == {
        "s_1.ser": ["s.emi"],
        "s_2.ser": ["s.emi"],
        "a.tif": ["a-tif.hdr", "a.txt"],
        "a.jpg": ["a.txt"],
        "readme.txt": [],
    }


def test_names_that_differ_only_in_case_are_both_kept() -> None:
    assert pair(["a.tif", "a.txt", "A.TXT"]) == {"a.tif": ["a.txt", "A.TXT"]}
    assert pair(["a.tif", "a.tif"]) == {"a.tif": []}
    assert pair([]) == {}


def test_an_image_takes_three_at_most_and_the_most_telling_names_come_first() -> None:
    sides = ["a.txt", "A.txt", "a.TXT", "A.TXT", "a.tif.txt"]
    assert pair(["a.tif", "a.jpg", *sides]) == {
        "a.tif": ["a.tif.txt", "a.txt", "A.txt"],
        "a.jpg": ["a.txt", "A.txt", "a.TXT"],
        "A.TXT": [],
    }


@given(st.lists(st.text(alphabet="aA./\\_-1tifxhdrsemµ\n", max_size=12)))
def test_nothing_is_lost(names: list[str]) -> None:
    paired = pair(names)
    beside = {side for sides in paired.values() for side in sides}
    assert {name for name in names if not is_side_file(name)} <= set(paired)
    assert beside | set(paired) == set(names) and not beside & set(paired)
