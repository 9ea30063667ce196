"""Point patterns whose pair correlation, distances and alignment are known."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.arrangement.agglomerates import agglomerates
from segmentation.core.measure.arrangement.neighbours import local_densities, with_neighbours
from segmentation.core.measure.arrangement.pattern import (
    Field,
    image_arrangement,
    mean_distance,
    pair_correlation,
    pooled_arrangement,
)
from segmentation.core.measure.arrangement.placement import _gaps, _PlacedRods, as_rods, place_rods
from segmentation.core.measure.quantities import BETWEEN, NUMBERS
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.measure.table import Table
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.entries import arrangement_entries

FRAME = 400, 300  # width and height
NM = 2.0


def discs(points: np.ndarray, radius: float) -> np.ndarray:
    """Labels of discs in FRAME; a pixel belongs to the first that has it."""
    labels = np.zeros(FRAME[::-1], np.int32)
    y, x = np.mgrid[: FRAME[1], : FRAME[0]] + 0.5
    for number, (across, down) in enumerate(points, 1):
        labels[(np.hypot(x - across, y - down) <= radius) & (labels == 0)] = number
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def table_of(labels: np.ndarray, nm: float | None = NM) -> Table:
    n = int(labels.max())
    table = measure(labels, labels.astype(np.uint8), np.ones(n, np.float32), nm, len(labels))
    return with_neighbours(table, labels, FRAME)


def arrangement(labels: np.ndarray, nm: float | None = NM):
    return image_arrangement(table_of(labels, nm), FRAME, Calibration.absent(), 1, "particles")


def poisson(rng: np.random.Generator, n: float, frame=FRAME) -> np.ndarray:
    return rng.uniform(0, 1, (rng.poisson(n), 2)) * frame


def thomas(rng: np.random.Generator, parents: float, children: float, sd: float, frame=FRAME) -> np.ndarray:
    wide = np.asarray(frame) + 8 * sd
    centres = rng.uniform(0, 1, (rng.poisson(parents * wide.prod() / np.prod(frame)), 2)) * wide - 4 * sd
    points = np.repeat(centres, rng.poisson(children, len(centres)), axis=0)
    points = points + rng.normal(0, sd, points.shape)
    return points[((points >= 0) & (points <= frame)).all(1)]


class TestPairCorrelation:
    r = np.arange(4.0, 60.0, 0.5)

    def mean_of(self, draw, times=60, band=4.0):
        rng = np.random.default_rng(3)
        return np.mean([pair_correlation(Field(draw(rng), FRAME), self.r, band) for _ in range(times)], axis=0)

    def test_of_a_poisson_process_is_one_at_every_distance(self):
        assert self.mean_of(lambda rng: poisson(rng, 150)) == pytest.approx(1.0, abs=0.09)

    def test_without_the_edge_correction_it_would_not_be(self):
        """A quarter of the pairs 60 px apart are lost at the edges of a frame of 400 x 300 px."""
        x, y = 60 * np.abs([np.cos(np.linspace(0, 7, 500)), np.sin(np.linspace(0, 7, 500))])
        assert np.mean((400 - x) * (300 - y)) / (400 * 300) < 0.8

    def test_of_thomas_clusters_is_the_published_one(self):
        """g(r) = 1 + exp(-r^2 / 4 sd^2) / (4 pi k sd^2) with k parents per area (Illian et al. 2008)."""
        sd, parents = 12.0, 30
        truth = 1 + np.exp(-(self.r**2) / (4 * sd**2)) / (4 * np.pi * parents / (400 * 300) * sd**2)
        correlation = self.mean_of(lambda rng: thomas(rng, parents, 6, sd), 120)
        assert correlation == pytest.approx(truth, rel=0.12)

    def test_of_a_hard_core_is_zero_within_it(self):
        rng = np.random.default_rng(0)
        placed = place_rods(np.full(100, 8.0), np.zeros(100), FRAME, 20, rng)
        correlation = np.mean([pair_correlation(Field(points, FRAME), self.r, 2.0) for points in placed], axis=0)
        assert correlation[self.r < 13.5].max() == 0
        assert correlation[self.r > 30] == pytest.approx(1.0, abs=0.15)

    def test_of_a_lattice_has_its_peaks(self):
        x, y = np.meshgrid(np.arange(10, 400, 20), np.arange(10, 300, 20))
        correlation = pair_correlation(Field(np.stack([x.ravel(), y.ravel()], 1) + 0.0, FRAME), self.r, 2.0)
        at = dict(zip(self.r.tolist(), correlation.tolist(), strict=True))
        assert at[20.0] > 3 and at[40.0] > 2 and at[10.0] == at[24.5] == at[34.0] == 0


class TestNearestNeighbours:
    def test_of_a_poisson_process_are_half_the_mean_distance_apart(self):
        """1 / (2 sqrt(density)), in spite of the frame."""
        rng = np.random.default_rng(5)
        distances = [mean_distance(Field(poisson(rng, 60), FRAME)) for _ in range(300)]
        assert np.mean(distances) == pytest.approx(0.5 * np.sqrt(400 * 300 / 60), rel=0.025)

    def test_uncorrected_they_would_be_too_far_apart(self):
        from scipy.spatial import cKDTree

        rng = np.random.default_rng(5)
        distances = [
            cKDTree(points).query(points, k=2)[0][:, 1].mean() for points in (poisson(rng, 60) for _ in range(300))
        ]
        assert np.mean(distances) > 1.04 * 0.5 * np.sqrt(400 * 300 / 60)

    def test_edges_are_a_diameter_nearer_than_centres(self):
        x, y = np.meshgrid(np.arange(30, 400, 40), np.arange(30, 300, 40))
        statistics = arrangement(discs(np.stack([x.ravel(), y.ravel()], 1), 10))
        assert statistics["centre"]["mean"] == pytest.approx(40 * NM, rel=0.01)
        assert statistics["edge"]["mean"] == pytest.approx(20 * NM, abs=NM)
        assert statistics["unit"] == "nm"

    def test_images_are_pooled_by_number_and_their_difference_is_the_interval(self):
        rng, absent = np.random.default_rng(2), Calibration.absent()
        fields = [discs(place_rods(np.full(n, 5.0), np.zeros(n), FRAME, 1, rng)[0], 5) for n in (20, 45, 90)]
        tables = [table_of(field) for field in fields]
        alone = [image_arrangement(table, FRAME, absent, 1, "particles")["centre"] for table in tables]
        statistics = pooled_arrangement(tables, [FRAME] * 3, absent)
        assert statistics["n"] == sum(int(table.whole.sum()) for table in tables)
        assert statistics["centre"]["n"] == sum(image["n"] for image in alone) and statistics["pairs"] is None
        by_number = np.average([image["mean"] for image in alone], weights=[20, 45, 90])
        assert statistics["centre"]["mean"] == pytest.approx(by_number, rel=0.05)
        assert statistics["centre"]["low"] < min(image["low"] for image in alone), (
            "the images differ more than their blocks"
        )
        assert pooled_arrangement(tables[:1], [FRAME], absent)["centre"] == pytest.approx(
            {name: alone[0][name] for name in statistics["centre"]}
        )

    def test_images_of_other_magnifications_are_pooled_in_nanometres(self):
        x, y = np.meshgrid(np.arange(30, 400, 40), np.arange(30, 300, 40))
        labels = discs(np.stack([x.ravel(), y.ravel()], 1), 10)
        statistics = pooled_arrangement(
            [table_of(labels, 2.0), table_of(labels, 4.0)], [FRAME] * 2, Calibration.absent()
        )
        assert statistics["centre"]["mean"] == pytest.approx(120, rel=0.01) and statistics["unit"] == "nm"

    def test_tables_of_earlier_versions_have_no_neighbours(self):
        labels = np.zeros(FRAME[::-1], np.int32)
        labels[50:60, 50:60] = 1
        bare = measure(labels, labels.astype(np.uint8), np.ones(1, np.float32), NM, len(labels))
        assert pooled_arrangement([bare, bare], [FRAME] * 2, Calibration.absent()) is None

    def test_objects_that_touch_have_no_gap(self):
        labels = np.zeros(FRAME[::-1], np.int32)
        for number in range(6):
            labels[50:60, 50 + 10 * number : 60 + 10 * number] = number + 1
        labels[200:210, 200:210] = 7
        table = table_of(labels, None)
        assert table["neighbour_gap_px"][:6].tolist() == [0] * 6
        assert table["neighbour_gap_px"][6] == pytest.approx(np.hypot(90, 140), abs=1)
        assert table["neighbour_distance_px"][:6].tolist() == [10] * 6

    def test_where_a_boundary_lies_between_its_width_is_no_distance(self):
        labels = discs(np.array([(x, y) for x in range(20, 400, 40) for y in range(20, 300, 40)]), 15)
        table = with_neighbours(table_of(labels), labels, FRAME, bounded=True)
        statistics = image_arrangement(table, FRAME, Calibration.absent(), 1, "grains")
        of_grains, of_particles = ([e.name for e in arrangement_entries(a)] for a in (statistics, arrangement(labels)))
        assert of_grains == ["neighbour_distance"] and of_particles == ["neighbour_distance", "neighbour_gap"]

    def test_what_is_left_out_is_nobodys_neighbour(self):
        labels = discs(np.array([(50, 50), (70, 50), (120, 50)]), 5)
        n = 3
        table = measure(labels, labels.astype(np.uint8), np.ones(n, np.float32), None, len(labels))
        neighbours = with_neighbours(table.judged(np.array(["", "low confidence", ""])), labels, FRAME)
        assert neighbours["neighbour_distance_px"][[0, 2]] == pytest.approx(70, abs=0.5)
        assert np.isnan(neighbours["neighbour_distance_px"][1])

    def test_the_local_density_is_right_at_the_frame_too(self):
        rng = np.random.default_rng(2)
        fields = [(points, local_densities(points, FRAME)) for points in (poisson(rng, 120) for _ in range(80))]
        points, density = (np.concatenate(part) for part in zip(*fields, strict=True))
        at_frame = np.minimum(points, np.asarray(FRAME) - points).min(1) < 15
        truth = 120 / (400 * 300)
        assert density[at_frame].mean() == pytest.approx(truth, rel=0.06)
        assert density[~at_frame].mean() == pytest.approx(truth, rel=0.06)


class TestAgainstChance:
    def test_clusters_are_clusters(self):
        statistics = arrangement(discs(thomas(np.random.default_rng(1), 15, 9, 14), 2))
        assert statistics["pairs"]["p"] <= 0.05 and statistics["pairs"]["ranges"][0]["side"] == "more"
        assert statistics["sentence"].startswith("More clustered than chance: more neighbours below ")
        assert statistics["centre"]["mean"] < statistics["centre"]["chance_low"]

    def test_a_lattice_is_even(self):
        x, y = np.meshgrid(np.arange(15, 400, 25), np.arange(15, 300, 25))
        rng = np.random.default_rng(1)
        points = np.stack([x.ravel(), y.ravel()], 1) + rng.normal(0, 1.5, (x.size, 2))
        statistics = arrangement(discs(points, 5))
        assert statistics["sentence"].startswith("More evenly spaced than chance: fewer neighbours below ")
        assert statistics["centre"]["mean"] > statistics["centre"]["chance_high"]

    @pytest.mark.parametrize("half", [0.0, 6.0])
    def test_discs_and_rods_without_overlap_are_as_by_chance(self, half):
        """At most 3 of 20 are judged otherwise: 5 % is meant."""
        rng, wrong = np.random.default_rng(4), 0
        for number in range(20):
            points = place_rods(np.full(60, 6.0), np.full(60, half), FRAME, 1, rng)[0]
            wrong += bool(_judged(points, 6.0, half, number)["ranges"])
        assert wrong <= 3

    def test_too_few_or_too_many_are_not_compared(self):
        few = arrangement(discs(np.random.default_rng(0).uniform(20, 280, (9, 2)), 4))
        assert few["pairs"] is None and few["sentence"].startswith("Not compared with chance")
        x, y = np.meshgrid(np.arange(10, 400, 20), np.arange(10, 300, 20))
        full = arrangement(discs(np.stack([x.ravel(), y.ravel()], 1), 9.9))
        assert full["pairs"] is None and full["centre"]["mean"] == pytest.approx(20 * NM, rel=0.02)
        assert arrangement(discs(np.array([(50, 50), (90, 90)]), 5)) is None

    def test_rods_never_overlap(self):
        rng = np.random.default_rng(0)
        radius, half = as_rods(np.full(40, 400.0), np.full(40, 10.0), np.full(40, 40.0))
        assert np.pi * radius**2 + 4 * radius * half == pytest.approx(400)
        points = place_rods(radius, half, FRAME, 3, rng)
        assert all(
            np.hypot(*(p[:, None] - p[None]).transpose(2, 0, 1))[np.triu_indices(40, 1)].min() >= 9 for p in points
        )

    def test_all_earlier_rods_that_a_place_touches_are_looked_at(self):
        rng, size = np.random.default_rng(3), np.array(FRAME)
        radius, half = rng.lognormal(1.2, 0.9, (2, 60))
        order = np.argsort(-(radius + half))
        radius, half = radius[order], half[order]
        placed = _PlacedRods(radius, half, FRAME, 2)
        placed.poses[:] = rng.random((3, 2, 60), np.float32) * np.array([*size, np.pi])[:, None, None]
        for k in range(60):
            time, new = np.arange(40) % 2, rng.random((3, 40)).astype(np.float32) * np.array([[*size, np.pi]]).T
            x, y, turn = (values[time, :k] for values in placed.poses)
            away = np.stack([(x - new[0][:, None]).ravel(), (y - new[1][:, None]).ravel()])
            direction, two = (np.stack([np.cos(way), np.sin(way)]) for way in (np.repeat(new[2], k), turn.ravel()))
            apart = _gaps(away, direction, half[k], two, np.tile(half[:k], 40)).reshape(40, k)
            assert np.array_equal(placed.hits(k, time, new), (apart < radius[:k] + radius[k]).any(1))
            placed.enter(k)

    def test_distance_of_straight_pieces(self):
        direction, away = np.array([(1.0,), (0.0,)]), np.array([(10.0,), (0.0,)])
        up, crossed = np.array([(0.0,), (1.0,)]), np.array([(2.0,), (0.0,)])
        assert _gaps(away, direction, 3.0, direction, np.array([2.0])) == pytest.approx([5])
        assert _gaps(away, direction, 3.0, up, np.array([2.0])) == pytest.approx([7])
        assert _gaps(crossed, direction, 3.0, up, np.array([2.0])) == pytest.approx([0])


def _judged(points: np.ndarray, radius: float, half: float, seed: int):
    """The comparison of rods at these places, which the table says without drawing them."""
    from segmentation.core.measure.arrangement.pattern import compare_with_chance

    n = len(points)
    cells = {
        "kept": np.ones(n, bool),
        "reason": np.full(n, "", "U40"),
        "centroid_x_px": points[:, 0] - 0.5,
        "centroid_y_px": points[:, 1] - 0.5,
        "area_px2": np.full(n, np.pi * radius**2 + 4 * radius * half),
        "min_feret_px": np.full(n, 2 * radius),
        "max_feret_px": np.full(n, 2 * (radius + half)),
    }
    return compare_with_chance(Table(cells), FRAME, np.random.default_rng(seed))[0]


def test_parallel_rods_are_aligned_and_crossed_ones_are_not():
    def rods_at(turn):
        labels = np.zeros(FRAME[::-1], np.int32)
        y, x = np.mgrid[: FRAME[1], : FRAME[0]]
        for number, (across, down) in enumerate((a, b) for a in range(40, 380, 60) for b in range(40, 280, 60)):
            angle = np.radians(turn(number))
            along = (x - across) * np.cos(angle) - (y - down) * np.sin(angle)
            beside = (x - across) * np.sin(angle) + (y - down) * np.cos(angle)
            labels[(np.abs(along) <= 18) & (np.abs(beside) <= 4)] = number + 1
        return arrangement(labels)["alignment"]

    aligned = rods_at(lambda number: 30 + 4 * (number % 3))
    assert aligned["order"] > 0.98 and aligned["direction"] == pytest.approx(34, abs=2) and aligned["p"] < 1e-6
    crossed = rods_at(lambda number: 90 * (number % 2))
    assert crossed["order"] < 0.1 and crossed["p"] > 0.5


class TestAgglomerates:
    def grown(self, rng, sizes, exponent):
        """Places and group (n, 3) of discs of radius 3 with n = (Rg / 3) ** exponent in each group."""
        rows = []
        for group, n in enumerate(sizes):
            points = rng.normal(size=(n, 2))
            points -= points.mean(0)
            wanted = np.sqrt(max((3 * n ** (1 / exponent)) ** 2 - 3**2 / 2, 0.01))
            points *= wanted / max(np.sqrt((points**2).sum(1).mean()), 1e-9)
            rows.append(np.c_[points, np.full(n, group)])
        return np.concatenate(rows)

    def table(self, rows, radius=3.0):
        n = len(rows)
        return Table(
            {
                "kept": np.ones(n, bool),
                "reason": np.full(n, "", "U40"),
                "group": rows[:, 2].astype(np.int64),
                "touches_frame": np.zeros(n, bool),
                "centroid_x_px": rows[:, 0],
                "centroid_y_px": rows[:, 1],
                "area_px2": np.full(n, np.pi * radius**2),
                "ecd_px": np.full(n, 2 * radius),
            }
        )

    @pytest.mark.parametrize("exponent", [1.4, 1.8])
    def test_the_fractal_dimension_is_that_of_the_groups(self, exponent):
        rng = np.random.default_rng(0)
        groups = agglomerates([self.table(self.grown(rng, rng.integers(3, 60, 50), exponent))], 1)
        assert groups["fractal_dimension"] == pytest.approx(exponent, abs=0.05)
        low, high = groups["fractal_interval"]
        assert low <= groups["fractal_dimension"] <= high and groups["fractal_groups"] == 50

    def test_images_that_differ_widen_its_interval(self):
        rng = np.random.default_rng(0)
        images = [self.table(self.grown(rng, rng.integers(3, 60, 20), exponent)) for exponent in (1.3, 1.5, 1.8)]
        assert agglomerates(images[:2], 1)["fractal_interval"] is not None
        low, high = agglomerates(images, 1)["fractal_interval"]
        assert low < 1.3 and high > 1.8

    def test_of_fewer_than_thirty_none_is_given(self):
        rng = np.random.default_rng(0)
        groups = agglomerates([self.table(self.grown(rng, rng.integers(3, 60, 29), 1.8))], 1)
        assert groups["fractal_dimension"] is None and groups["share"] == 1.0
        assert groups["share_interval"][0] == pytest.approx(0.88, abs=0.02)

    def test_the_share_in_groups_resamples_the_groups(self):
        rng = np.random.default_rng(0)
        rows = self.grown(rng, [*[10] * 5, *[1] * 50], 1.8)
        groups = agglomerates([self.table(rows)], 1)
        assert groups["share"] == 0.5 and groups["mean_primaries"] == 10 and groups["singles"] == 50
        low, high = groups["share_interval"]
        assert low < 0.35 and high > 0.6  # Wilson's of 100 particles would be 0.40 to 0.60

    def test_of_several_images_the_share_in_groups_shows_how_they_differ(self):
        rng = np.random.default_rng(0)
        few, many = ([*[10] * count, *[1] * (100 - 10 * count)] for count in (2, 9))
        table, *others = (self.table(self.grown(rng, sizes, 1.8)) for sizes in (few, many, few, many))
        share = agglomerates([table, *others], 1)["share"]
        low, high = agglomerates([table, *others], 1)["share_interval"]
        alike = agglomerates([table, table, table, table], 1)["share_interval"]
        assert share == 0.55 and (low, high) == pytest.approx((0, 1), abs=0.1), "0.55 plus or minus 3.18 times 0.2"
        assert alike[1] - alike[0] < 0.5
        assert NUMBERS["share_in_groups"].basis(by_image=True) == BETWEEN
