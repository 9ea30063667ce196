"""Values from image files that a database would refuse."""

from pathlib import Path

import numpy as np
import pytest

from segmentation.plain import storable
from worker.reading import decoding
from worker.reading.decoding import Unreadable


@pytest.mark.parametrize(
    ("given", "stored"),
    [(float("nan"), None), (float("-inf"), None), (np.float32(0.5), 0.5), (np.float64("nan"), None), (np.int64(7), 7),
     (True, True), (None, None), ("a\x00b\ud800c", "abc"),
     (("a", [1, {"b\x00": float("inf")}]), ["a", [1, {"b": None}]]), ({1: 2}, {"1": 2})],
)  # fmt: skip
def test_plain(given, stored):
    assert storable(given) == stored


def test_what_a_file_says_is_made_fit_to_store(monkeypatch):
    answer = (
        b'{"ok": true, "width": 1, "height": 1, "sha256": "a", "kind": "' + b"k" * 300 + b'", "calibration": '
        b'{"nm_per_pixel": null, "source": "none"}, "metadata": {"gain": NaN, "user": "x\\u0000y"}, "notes": [], '
        b'"data_bar": null}'
    )
    monkeypatch.setattr(decoding, "_run", lambda *given: answer)
    facts = decoding._read_facts(Path("a"), "a", [], [], lambda: None)
    assert facts.metadata == {"gain": None, "user": "xy"}
    assert len(facts.kind) == 100


def test_a_refusal_is_passed_on(monkeypatch):
    monkeypatch.setattr(decoding, "_run", lambda *given: b'{"ok": false, "error": "The file is empty."}')
    with pytest.raises(Unreadable, match=r"^The file is empty\.$"):
        decoding._read_facts(Path("a"), "a", [], [], lambda: None)
