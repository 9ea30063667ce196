"""Comparisons against independent computations: scipy, the scores of the lab, published examples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from segmentation.core.compare.agreement import agree, group_objects, overlaps_of
from segmentation.core.compare.compare import compare
from segmentation.core.compare.distance import distance
from segmentation.core.compare.results import difference_interval, with_like_intervals
from segmentation.core.compare.sides import Side, Sizes
from segmentation.core.measure.objects.matching import Kind
from segmentation.core.measure.quantities import Value
from segmentation.core.measure.sizes.bins import FEWEST_BINS_COMPARED
from segmentation.core.measure.uncertainty.fractions import wilson
from segmentation.lab.training.instances.counts import count_image
from tests.core.builders import disc_labels

RNG = np.random.default_rng(5)


def sizes(values, image=None, label=None):
    values = np.asarray(values, float)
    image = np.zeros(len(values), np.int64) if image is None else np.asarray(image)
    label = np.arange(1, len(values) + 1) if label is None else np.asarray(label)
    return Sizes(values, np.ones(len(values)), image, label)


def spoiled(labels):
    """A second person's outlines: one object split, two merged, one missed, one invented."""
    other = np.roll(labels, 1, axis=1)
    rows, _ = np.nonzero(other == 1)
    top = np.zeros(len(labels), bool)
    top[: int(rows.mean())] = True
    other[(other == 1) & top[:, None]] = 90
    other[other == 3] = 2
    other[other == 4] = 0
    other[-6:, -6:] = 91
    return other


def places(labels, other):
    overlap = overlaps_of(labels, other)
    return agree(overlap, *group_objects(overlap))


def side(labels, sample, **more):
    values = {"median": Value(float(np.median(sample.size)), 1.0, 2.0), "n_kept": Value(len(sample.size))}
    return Side(("image",), "nm", "min_feret", values, sample, labels, **more)


class TestAgreement:
    def test_each_kind_of_difference_is_found(self):
        labels = disc_labels(40, (300, 400))
        differences = places(labels, spoiled(labels))["places"]
        assert differences["split"]["first"] == [1]
        assert differences["split"]["second"] and set(differences["split"]["second"]) <= {1, 90}
        assert differences["merged"]["second"] == [2]
        assert differences["merged"]["first"] and set(differences["merged"]["first"]) <= {2, 3}
        assert differences["missed"] == {"first": [4], "second": []}
        assert differences["invented"] == {"first": [], "second": [91]}

    @pytest.mark.parametrize("seed", range(6))
    def test_counts_are_those_of_the_scores_of_models(self, seed):
        labels = disc_labels(60, (300, 400), seed)
        other = np.where(disc_labels(60, (300, 400), seed + 10) > 0, disc_labels(60, (300, 400), seed + 10), 0)
        other[:, :200] = spoiled(labels)[:, :200]
        sums, agreement = count_image(other, labels), places(labels, other)
        hits, extra, missed = sums.sums.matched[0]
        score = agreement["scores"][0]
        assert (score["hits"], score["precision"], score["recall"]) == pytest.approx(
            (hits, hits / (hits + extra), hits / (hits + missed))
        )
        assert score["f1"] == pytest.approx(2 * hits / (2 * hits + extra + missed))
        names = {Kind.CORRECT: "matched", Kind.FALSE_NEGATIVE: "missed"}
        for kind, name in names.items():
            assert len(agreement["places"][name]["first"]) == sums.kinds[kind]
        assert len(agreement["places"]["invented"]["second"]) == sums.kinds[Kind.FALSE_POSITIVE]
        assert len(agreement["places"]["split"]["second"]) == sums.kinds[Kind.SPLIT]

    def test_the_same_outlines_agree_in_everything(self):
        labels = disc_labels(20, (200, 200))
        agreement = places(labels, labels * 3)
        assert [score["f1"] for score in agreement["scores"]] == [1, 1]
        assert (agreement["mean_iou"], agreement["pixels"]) == (1, 1)

    def test_nothing_outlined_is_no_error(self):
        empty, labels = np.zeros((50, 50), np.int32), disc_labels(4, (50, 50))
        assert places(empty, empty)["scores"][0]["f1"] is None
        assert places(empty, labels)["places"]["invented"]["second"] == [1, 2, 3, 4]
        assert places(labels, empty)["scores"][0] == {
            "iou": 0.5, "hits": 0, "precision": None, "recall": 0, "f1": 0
        }  # fmt: skip

    @pytest.mark.slow
    def test_thousands_of_objects_need_no_square_of_memory(self):
        import tracemalloc

        labels = np.arange(1, 4_901, dtype=np.int32).reshape(70, 70).repeat(6, 0).repeat(6, 1)
        tracemalloc.start()
        agreement = places(labels, np.roll(labels, 1, axis=1))
        assert tracemalloc.get_traced_memory()[1] < 80e6  # a table of 4,900 x 4,900 has 190 MB
        tracemalloc.stop()
        assert agreement["scores"][0]["hits"] > 4_400


class TestDistance:
    def test_it_is_that_of_scipy(self):
        sample, other = RNG.lognormal(4, 0.4, 220), RNG.lognormal(4.2, 0.4, 170)
        comparison = distance(sizes(sample), sizes(other), "independent", "nm", RNG)
        reference = stats.ks_2samp(sample, other)
        assert comparison["distance"] == pytest.approx(reference.statistic)
        assert comparison["at"] == pytest.approx(reference.statistic_location)
        assert comparison["p"] == pytest.approx(reference.pvalue, rel=0.1)
        assert comparison["test"] == "objects"

    def test_two_outlinings_of_one_image_have_no_p(self):
        comparison = distance(sizes([1, 2, 3]), sizes([1, 2, 4]), "paired", "nm", RNG)
        assert (comparison["p"], comparison["test"]) == (None, "")

    def test_of_samples_whole_images_are_exchanged(self):
        image = np.repeat(np.arange(4), 30)
        sample = RNG.lognormal(4, 0.3, 120) * np.repeat([1, 1.1, 0.9, 1.05], 30)
        other = RNG.lognormal(4.3, 0.3, 120) * np.repeat([1, 1.2, 0.9, 1.1], 30)
        comparison = distance(sizes(sample, image), sizes(other, image), "independent", "nm", RNG)
        parts = [*sample.reshape(4, 30), *other.reshape(4, 30)]
        distances = []
        for chosen in combinations(range(8), 4):
            rest = [i for i in range(8) if i not in chosen]
            two = [np.concatenate([parts[i] for i in group]) for group in (chosen, rest)]
            distances.append(stats.ks_2samp(*two).statistic)
        assert comparison["p"] == pytest.approx(np.mean(np.array(distances) >= comparison["distance"] - 1e-9))
        assert comparison["least_p"] == pytest.approx(2 / 70)

    def test_a_sample_with_objects_in_one_image_alone_proves_nothing(self):
        comparison = distance(sizes([1, 2, 3]), sizes([7, 8, 9]), "independent", "nm", RNG, any_sample=True)
        assert (comparison["test"], comparison["p"], comparison["least_p"]) == ("images", 1, 1)
        assert "too few images to tell" in comparison["reading"] and "clearly" not in comparison["reading"]

    def test_what_chance_explains_is_not_called_clear(self):
        few = distance(sizes([1, 2, 3]), sizes([2, 3, 4]), "independent", "nm", RNG)
        assert few["distance"] > 0.3 and "differ no more than by chance" in few["reading"]
        many = distance(sizes(range(1, 101)), sizes(range(60, 160)), "independent", "nm", RNG)
        assert "differ clearly" in many["reading"]

    def test_samples_of_one_material_seldom_have_a_small_p(self):
        """By objects alone, images that differ at random would be called different far too often."""
        small = 0
        for _ in range(200):
            fields = np.exp(RNG.normal(0, 0.3, 10))
            values = RNG.lognormal(4, 0.3, (10, 40)) * fields[:, None]
            image = np.repeat(np.arange(5), 40)
            comparison = distance(
                sizes(values[:5].ravel(), image), sizes(values[5:].ravel(), image), "independent", "nm", RNG
            )
            small += comparison["p"] <= 0.05
        assert small <= 20  # 5 % of 200 are 10, their standard deviation is 3


class TestIntervals:
    def test_of_two_fractions_it_is_that_of_newcombe(self):
        """Newcombe 1998, table II, method 10: 56 of 70 and 48 of 80."""
        fraction, other = (Value(x / n, *wilson(x, n, 1.959964)) for x, n in ((48, 80), (56, 70)))
        assert difference_interval(fraction, other) == pytest.approx((0.0524, 0.3339), abs=5e-5)

    def test_a_number_without_an_interval_gives_none(self):
        assert difference_interval(Value(1.0), Value(2.0, 1.0, 3.0)) is None

    def test_both_numbers_have_the_interval_that_both_have(self):
        whole, counted_only, bare = Value(5.0, 4.0, 6.0, total=(2.0, 9.0)), Value(7.0, 6.0, 8.0), Value(7.0)
        assert with_like_intervals(whole, counted_only) == (Value(5.0, 4.0, 6.0), counted_only)
        assert with_like_intervals(whole, whole) == (Value(5.0, 2.0, 9.0),) * 2
        assert with_like_intervals(whole, bare) == (Value(5.0, 2.0, 9.0), bare), "beside none stands its own"


class TestCompare:
    def test_paired_intervals_are_those_of_a_paired_bootstrap(self):
        labels = disc_labels(60, (400, 500))
        sample = RNG.lognormal(4.5, 0.4, 60)
        other = sample * np.exp(RNG.normal(0.05, 0.1, 60))
        comparison = compare(side(labels, sizes(sample)), side(labels, sizes(other)))
        median = next(row for row in comparison["differences"] if row["name"] == "median")

        def off(a, b, axis=-1):
            return np.median(b, axis=axis) - np.median(a, axis=axis)

        bootstrap = stats.bootstrap(
            (sample, other), off, paired=True, vectorized=True, method="percentile", rng=np.random.default_rng(1)
        )
        width = median["high"] - median["low"]
        assert comparison["how"] == "paired"
        assert median["difference"] == pytest.approx(off(sample, other))
        assert (median["low"], median["high"]) == pytest.approx(tuple(bootstrap.confidence_interval), abs=0.15 * width)
        independent = stats.bootstrap((sample, other), off, method="percentile", rng=np.random.default_rng(1))
        assert width < 0.8 * np.ptp(tuple(independent.confidence_interval))  # what pairing is for

    def test_every_number_of_the_sizes_has_a_paired_interval(self):
        labels, sample = disc_labels(60, (400, 500)), RNG.lognormal(4.5, 0.4, 60)
        other = sample * 1.1
        estimators = {
            "mean": np.mean,
            "sd": lambda values: np.std(values, ddof=1),
            "d90": lambda values: np.quantile(values, 0.9),
        }
        both = [
            Side(
                ("image",),
                "nm",
                "min_feret",
                {name: Value(of(values)) for name, of in estimators.items()},
                sizes(values),
                labels,
            )
            for values in (sample, other)
        ]
        for row in compare(*both)["differences"]:
            drawn = [estimators[row["name"]](RNG.choice(sample, 60)) * 0.1 for _ in range(2000)]
            low, high = np.percentile(drawn, [2.5, 97.5])
            assert row["difference"] == pytest.approx(estimators[row["name"]](sample) * 0.1)
            assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.15 * (high - low))

    def test_the_count_of_the_same_outlines_is_surely_the_same(self):
        labels = disc_labels(30, (300, 300))
        both = side(labels, sizes(RNG.lognormal(4, 0.4, 30)))
        count = next(row for row in compare(both, both)["differences"] if row["name"] == "n_kept")
        assert (count["difference"], count["low"], count["high"]) == (0, 0, 0)

    def test_different_images_are_independent(self):
        sample, other = sizes(RNG.lognormal(4, 0.4, 50)), sizes(RNG.lognormal(4, 0.4, 70))
        first = Side(("a",), "nm", "min_feret", {"median": Value(50.0, 45.0, 56.0), "n_kept": Value(50)}, sample)
        second = Side(("b",), "nm", "min_feret", {"median": Value(60.0, 54.0, 66.0), "n_kept": Value(70)}, other)
        comparison = compare(first, second)
        count, median = comparison["differences"]
        assert (comparison["how"], comparison["agreement"]) == ("independent", None)
        assert (median["low"], median["high"]) == pytest.approx((10 - np.hypot(6, 6), 10 + np.hypot(6, 5)))
        assert (count["difference"], count["low"]) == (20, None)

    def test_samples_that_share_an_image_have_neither_interval_nor_p(self):
        sides = [
            Side(images, "nm", "min_feret", {"median": Value(5.0, 4.0, 6.0)}, sizes([1, 2, 3, 4], [0, 0, 1, 1]))
            for images in (("a", "b"), ("b", "c"))
        ]
        compared = compare(*sides)
        assert compared["how"] == "shared"
        assert (compared["differences"][0]["low"], compared["distance"]["p"]) == (None, None)

    def test_pixels_of_classes_are_compared_as_they_are(self):
        classes = np.zeros((10, 10), np.int32)
        other = classes.copy()
        other[:2] = 1
        classes[-1] = other[-1] = -1  # not analysed
        first, second = (Side(("a",), "nm", "", {}, None, None, image) for image in (classes, other))
        comparison = compare(first, second)
        assert comparison["agreement"]["pixels"] == pytest.approx(7 / 9)
        assert (comparison["distance"], comparison["curves"], comparison["agreement"]["scores"]) == (None, None, [])

    def test_bins_hold_every_size_of_both(self):
        sample, other = sizes(RNG.lognormal(4, 0.4, 50)), sizes(RNG.lognormal(5, 0.4, 70))
        first, second = Side(("a",), "nm", "min_feret", {}, sample), Side(("b",), "nm", "min_feret", {}, other)
        curves = compare(first, second)["curves"]
        assert (sum(curves["first"]), sum(curves["second"])) == pytest.approx((1, 1))
        assert len(curves["first"]) == len(curves["second"]) >= FEWEST_BINS_COMPARED
