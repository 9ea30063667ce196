"""Agglomerates composed of particles that are cut out of labelled pictures."""

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.masks.truth import BadDataset
from segmentation.lab.training.data import make_sources
from segmentation.lab.training.settings import BadRecipe, ComposedEntry, checked_as
from segmentation.lab.training.synthesis.composites import FEWEST_PX, compose
from segmentation.lab.training.synthesis.cutouts import cut_out
from tests.lab.folders import make_folder, tiny


def picture(diameter=40, grey=180):
    """A bright disc with a darker middle, far from the frame, and its label."""
    rows, columns = np.mgrid[:160, :160] - 79.5
    away = np.hypot(rows, columns)
    labels = (away < diameter / 2).astype(np.int32)
    return np.where(labels, grey - 40 * (away < diameter / 4), 60).astype(np.uint8), labels


def test_a_free_particle_is_cut_out_with_its_shading():
    stock = cut_out([(*picture(), "a")])
    (particle,) = stock.particles
    assert particle.group == "a" and particle.diameter == pytest.approx(40, abs=0.5)
    assert particle.mask.sum() == (picture()[1] > 0).sum()
    assert particle.tone[~particle.mask].max() == pytest.approx(0) and np.median(
        particle.tone[particle.mask]
    ) == pytest.approx(1)


@pytest.mark.parametrize("fault", ["touches", "is cut", "is faint", "is at the frame", "is slender"])
def test_what_is_not_whole_and_free_is_not_cut_out(fault):
    grey, labels = picture()
    if fault == "touches":
        labels[:, 95:], grey[:, 95:] = np.where(labels[:, 95:], labels[:, 95:], 2), 180
    elif fault == "is cut":
        labels[:70], grey[:70] = 0, 60
    elif fault == "is faint":
        grey[labels > 0] = 70
    elif fault == "is at the frame":
        grey, labels = grey[62:], labels[62:]
    else:
        labels[:72], labels[88:] = 0, 0
    assert not cut_out([(grey, labels, "a")]).particles


@pytest.mark.slow
def test_labels_of_a_composite_are_what_is_visible():
    stock = cut_out([(*picture(diameter), str(diameter)) for diameter in (30, 44)])
    for seed in range(4):
        grey, labels = compose((192, 256), np.random.default_rng(seed), stock, (14, 24))
        assert grey.shape == labels.shape == (192, 256) and grey.dtype == np.uint8 and labels.dtype == np.int32
        numbers = np.unique(labels)[1:]
        assert np.array_equal(numbers, np.arange(1, len(numbers) + 1)) and len(numbers) > 10
        assert all(ndimage.label(labels == number)[1] == 1 for number in numbers)
        assert np.bincount(labels.ravel()).min() >= FEWEST_PX
        assert np.median(grey[labels > 0]) > np.median(grey[labels == 0]) + 40
        again = compose((192, 256), np.random.default_rng(seed), stock, (14, 24))
        assert np.array_equal(grey, again[0]) and np.array_equal(labels, again[1])


def test_composites_are_held_out_by_group(tmp_path):
    folder = make_folder(tmp_path, 6)
    source = {"kind": "composed", "path": str(folder), "pictures": 3, "diameters": [12.0, 16.0]}
    sources = make_sources(tiny(tmp_path, sources=[source], validation=0.4), tmp_path)
    (training,), (validation,) = sources.training, sources.validation
    groups = [
        {one.group for one in source.draw_picture.keywords["stock"].particles} for source in (training, validation)
    ]
    assert groups[0] and groups[1] and not groups[0] & groups[1]


def test_a_folder_without_whole_particles_is_refused(tmp_path):
    folder = make_folder(tmp_path, 2, radius=5)
    with pytest.raises(BadDataset, match="no whole particle"):
        make_sources(tiny(tmp_path, sources=[{"kind": "composed", "path": str(folder)}], validation=0.0), tmp_path)


def test_diameters_that_cannot_be_composed_are_refused():
    with pytest.raises(BadRecipe, match="8 or more"):
        checked_as(ComposedEntry, {"path": "a", "diameters": [4, 20]}, "sources 1")
