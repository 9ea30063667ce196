"""Widths as people type them."""

from __future__ import annotations

import pytest

from segmentation.core.micrograph.calibration.width import parse_width


@pytest.mark.parametrize(
    ("typed", "nm"),
    [
        ("7520 nm", 7520),
        ("  7520  NM ", 7520),
        ("7520.5", 7520.5),
        ("7.52 µm", 7520),  # micro sign
        ("7.52 μm", 7520),  # Greek mu
        ("7,52 µm", 7520),
        ("0,500 µm", 500),
        ("7.52 microns", 7520),
        ("1.5e3 nm", 1500),
        (".5 µm", 500),
        ("100 mm", 1e8),
        ("12,5\u00a0um", 12500),  # no-break space, as word processors write it
        ("\u00a07\u202f\u00a0µm\u00a0", 7000),  # narrow no-break space
        ("\ufeff7520\u200b nm\u200e", 7520),  # marks that nobody sees
    ],
)
def test_accepted(typed: str, nm: float) -> None:
    assert parse_width(typed) == pytest.approx(nm, rel=1e-12)


@pytest.mark.parametrize("typed", ["", " ", "\t\n"])
def test_emptied_means_no_width(typed: str) -> None:
    assert parse_width(typed) is None


@pytest.mark.parametrize(
    ("typed", "says"),
    [("0", "more than 0"), ("-7.5 um", "more than 0"), ("1e300", "between 1 nm and 100 mm"),
     ("101 mm", "between 1 nm and 100 mm"), ("nan", "not a width"), ("wide", "not a width"), ("7,5,2", "not a width"),
     ("nm", "not a width"), ("7520 px", "unit"), ("0x10", "unit"), ("7,520", "two widths"), ("1,024 nm", "two widths"),
     ("٧٥٢٠", "not a width"), ("9" * 500, "between 1 nm and 100 mm")],
)  # fmt: skip
def test_explained(typed: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_width(typed)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "µm" in sentence
    assert len(sentence) < 200
