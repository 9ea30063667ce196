"""Cores in shells: which of two edges outlines follow, and all of them along one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.labels.particles.concentric import concentric_edges, cores_in_shells, redrawn_along_edge
from tests.core.builders import core_shells, discs_at

OUTER, RATIO = 26.0, 0.5


def widths(labels: np.ndarray) -> np.ndarray:
    return np.sqrt(4 * np.bincount(labels.ravel())[1:] / np.pi)


def mixed(places: np.ndarray, every: int) -> np.ndarray:
    """Outlines of which each `every`-th follows the core, and the others the shell."""
    is_core = np.arange(len(places)) % every == 0
    return discs_at(places, np.where(is_core, RATIO * OUTER, OUTER))


@pytest.mark.parametrize(("every", "cores"), [(1, 1.0), (2, 0.5), (5, 0.2), (1000, 0.03)])
def test_how_many_outlines_follow_the_core_is_known(every, cores):
    grey, places = core_shells(OUTER, RATIO)
    shown = concentric_edges(grey, mixed(places, every))
    assert shown["cores"] == pytest.approx(cores, abs=0.05) and shown["ratio"] == pytest.approx(1 / RATIO, rel=0.15)
    assert (shown["shift"] > 0.4) is (every in (1, 2, 5))


@pytest.mark.parametrize("change", ["", "turned", "double", "noise", "touching"])
@pytest.mark.parametrize("every", [1, 2, 4])
def test_all_outlines_follow_the_chosen_edge(change, every):
    noise, touching = (12.0 if change == "noise" else 5.0), change == "touching"
    grey, places = core_shells(OUTER, RATIO, noise=noise, touching=touching)
    labels, times = mixed(places, every), 1
    if change == "turned":
        grey, labels = np.rot90(grey).copy(), np.rot90(labels).copy()
    if change == "double":
        times = 2
        grey, labels = ndimage.zoom(grey, times, order=1), ndimage.zoom(labels, times, order=0)
    outer, inner = (widths(redrawn_along_edge(grey, labels, edge)) / OUTER / times for edge in ("outer", "inner"))
    assert np.median(outer) == pytest.approx(1, abs=0.08) and (abs(outer - 1) < 0.15).mean() > 0.9
    assert np.median(inner) == pytest.approx(RATIO, abs=0.06) and (abs(inner / RATIO - 1) < 0.25).mean() > 0.9


@pytest.mark.parametrize("sizes", [(26.0, 26.0), (26.0, 13.0), (40.0, 16.0)])
def test_particles_of_one_edge_say_nothing_though_they_have_two_sizes(sizes):
    grey, places = core_shells(OUTER, RATIO, core=0.0)
    labels = discs_at(places, np.where(np.arange(len(places)) % 2, *sizes))
    inside = ndimage.distance_transform_edt(labels > 0)
    grey = 40 + 150 * np.minimum(inside / 8, 1) + np.random.default_rng(1).normal(0, 5, labels.shape)
    grey = ndimage.gaussian_filter(grey, 1.0).clip(0, 255).astype(np.uint8)
    assert concentric_edges(grey, labels) == {} and redrawn_along_edge(grey, labels, "outer") is labels


def test_nothing_is_said_of_no_outlines():
    assert concentric_edges(np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.int32)) == {}


@pytest.mark.parametrize("every", [1, 3])
def test_a_core_and_its_shell_that_were_outlined_apart_are_one_particle(every):
    grey, places = core_shells(OUTER, RATIO)
    labels = discs_at(places, np.full(len(places), OUTER))
    apart = np.arange(0, len(places), every)
    cores = discs_at(places[apart], np.full(len(apart), RATIO * OUTER))
    labels[cores > 0] = cores[cores > 0] + len(places)
    assert cores_in_shells(labels) == {
        len(places) + 1 + place: number + 1 for place, number in enumerate(apart.tolist())
    }
    shown = concentric_edges(grey, labels)
    assert shown["cores"] == pytest.approx(len(apart) / (len(apart) + len(places)), abs=0.05) and shown["shift"] > 0.4
    for edge, size in (("outer", OUTER), ("inner", RATIO * OUTER)):
        areas = np.bincount(redrawn_along_edge(grey, labels, edge).ravel())[1:]
        assert (areas > 0).sum() == len(places)
        assert np.sqrt(4 * areas[areas > 0] / np.pi) == pytest.approx(size, rel=0.25)
