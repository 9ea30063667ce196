"""Pictures without particles: drawn for training, and cut from labelled micrographs."""

from types import SimpleNamespace

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from segmentation.lab.training.data import DrawnSource, rendering_function
from segmentation.lab.training.settings import BadRecipe, RenderedEntry, checked_as
from segmentation.lab.training.synthesis import foreign
from segmentation.lab.training.synthesis.foreign import draw_empty


def test_empty_pictures_repeat_and_differ():
    first, repeat, other = (draw_empty((64, 80), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (64, 80) and first.dtype == np.uint8
    assert np.array_equal(first, repeat) and not np.array_equal(first, other)


@pytest.mark.parametrize("draw", foreign._KINDS)
def test_text_and_plots_are_thin_lines_on_plain_paper_in_either_polarity(draw, monkeypatch):
    monkeypatch.setattr(foreign, "_KINDS", (draw,))
    monkeypatch.setattr(foreign, "FOREIGN_SHARE", 1)
    polarities = set()
    for seed in range(8):
        grey = draw_empty((160, 200), np.random.default_rng(seed))
        polarities.add(bool(np.median(grey) > 127))
        dark = grey if np.median(grey) > 127 else 255 - grey
        assert np.median(dark) > 200 and 0.002 < (dark < 160).mean() < 0.6
    assert polarities == {True, False}


def test_substrates_come_at_any_magnification(monkeypatch):
    shapes = []

    def rendered(shape, rng, fixed):
        shapes.append(shape)
        return SimpleNamespace(grey=rng.integers(0, 255, shape).astype(np.uint8))

    monkeypatch.setattr(foreign, "random_rendering", rendered)
    monkeypatch.setattr(foreign, "FOREIGN_SHARE", 0)
    for seed in range(12):
        assert draw_empty((32, 48), np.random.default_rng(seed)).shape == (32, 48)
    assert min(shapes)[0] < 45 and max(shapes)[0] > 90 and max(shapes)[0] <= 32 * foreign.MOST_REDUCED


def test_the_stock_holds_its_share_of_empty_pictures():
    source = DrawnSource(6, 64, 3, rendering_function(RenderedEntry()), blank=1.0)
    assert not any(labels.any() for _, labels in source.stock)


def test_what_a_source_fixes_is_rendered():
    entry = RenderedEntry(settings={"family": "sphere", "spread": 0.0, "mixing": 0}, diameters=[20, 20])
    source = DrawnSource(4, 160, 3, rendering_function(entry))
    diameters = [np.sqrt(4 * np.bincount(labels.ravel())[1:] / np.pi) for _, labels in source.stock]
    assert max(sizes.max() for sizes in diameters) == pytest.approx(20, abs=2)


def test_a_rendered_source_is_checked():
    def source(entries):
        return checked_as(RenderedEntry, entries, "sources 1")

    assert source({"settings": {"cover": 0.5}}).settings == {"cover": 0.5}
    with pytest.raises(BadRecipe, match="no setting 'colour'"):
        source({"settings": {"colour": 1}})
    with pytest.raises(BadRecipe, match="cover cannot be 9"):
        source({"settings": {"cover": 9}})
    with pytest.raises(BadRecipe, match=r"diameters .*smallest.*largest"):
        source({"diameters": [40, 10]})


def test_tiles_need_a_folder_to_write_to(tmp_path):
    with pytest.raises(CommandError, match="--out"):
        call_command("dataset", "tiles", str(tmp_path))
