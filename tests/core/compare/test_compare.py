"""Comparisons against independent computations: scipy, the scores of the lab, published examples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from segmentation.core.compare.agreement import agree, groups, shared
from segmentation.core.compare.compare import compare
from segmentation.core.compare.distance import distance
from segmentation.core.compare.results import counted, of_difference
from segmentation.core.compare.sides import Side, Sizes
from segmentation.core.measure.fractions import wilson
from segmentation.core.measure.matching import Kind
from segmentation.core.measure.quantities import Value
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


def places(one, other):
    found = shared(one, other)
    return agree(found, *groups(found))


def side(labels, found, **more):
    values = {"median": Value(float(np.median(found.size)), 1.0, 2.0), "n_kept": Value(len(found.size))}
    return Side(("image",), "nm", "min_feret", values, found, labels, **more)


class TestAgreement:
    def test_each_kind_of_difference_is_found(self):
        labels = disc_labels(40, (300, 400))
        found = places(labels, spoiled(labels))["places"]
        assert found["split"]["first"] == [1]
        assert found["split"]["second"] and set(found["split"]["second"]) <= {1, 90}
        assert found["merged"]["second"] == [2]
        assert found["merged"]["first"] and set(found["merged"]["first"]) <= {2, 3}
        assert found["missed"] == {"first": [4], "second": []}
        assert found["invented"] == {"first": [], "second": [91]}

    @pytest.mark.parametrize("seed", range(6))
    def test_counts_are_those_of_the_scores_of_models(self, seed):
        one = disc_labels(60, (300, 400), seed)
        other = np.where(disc_labels(60, (300, 400), seed + 10) > 0, disc_labels(60, (300, 400), seed + 10), 0)
        other[:, :200] = spoiled(one)[:, :200]
        sums, found = count_image(other, one), places(one, other)
        hits, extra, missed = sums.sums.matched[0]
        score = found["scores"][0]
        assert (score["hits"], score["precision"], score["recall"]) == pytest.approx(
            (hits, hits / (hits + extra), hits / (hits + missed))
        )
        assert score["f1"] == pytest.approx(2 * hits / (2 * hits + extra + missed))
        names = {Kind.CORRECT: "matched", Kind.FALSE_NEGATIVE: "missed"}
        for kind, name in names.items():
            assert len(found["places"][name]["first"]) == sums.kinds[kind]
        assert len(found["places"]["invented"]["second"]) == sums.kinds[Kind.FALSE_POSITIVE]
        assert len(found["places"]["split"]["second"]) == sums.kinds[Kind.SPLIT]

    def test_the_same_outlines_agree_in_everything(self):
        labels = disc_labels(20, (200, 200))
        found = places(labels, labels * 3)
        assert [each["f1"] for each in found["scores"]] == [1, 1]
        assert (found["mean_iou"], found["pixels"]) == (1, 1)

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
        found = places(labels, np.roll(labels, 1, axis=1))
        assert tracemalloc.get_traced_memory()[1] < 80e6  # a table of 4,900 x 4,900 has 190 MB
        tracemalloc.stop()
        assert found["scores"][0]["hits"] > 4_400


class TestDistance:
    def test_it_is_that_of_scipy(self):
        one, other = RNG.lognormal(4, 0.4, 220), RNG.lognormal(4.2, 0.4, 170)
        found = distance(sizes(one), sizes(other), "independent", "nm", RNG)
        known = stats.ks_2samp(one, other)
        assert found["distance"] == pytest.approx(known.statistic)
        assert found["at"] == pytest.approx(known.statistic_location)
        assert found["p"] == pytest.approx(known.pvalue, rel=0.1)
        assert found["test"] == "objects"

    def test_two_outlinings_of_one_image_have_no_p(self):
        found = distance(sizes([1, 2, 3]), sizes([1, 2, 4]), "paired", "nm", RNG)
        assert (found["p"], found["test"]) == (None, "")

    def test_of_samples_whole_images_are_exchanged(self):
        image = np.repeat(np.arange(4), 30)
        one = RNG.lognormal(4, 0.3, 120) * np.repeat([1, 1.1, 0.9, 1.05], 30)
        other = RNG.lognormal(4.3, 0.3, 120) * np.repeat([1, 1.2, 0.9, 1.1], 30)
        found = distance(sizes(one, image), sizes(other, image), "independent", "nm", RNG)
        parts = [*one.reshape(4, 30), *other.reshape(4, 30)]
        every = []
        for chosen in combinations(range(8), 4):
            rest = [i for i in range(8) if i not in chosen]
            two = [np.concatenate([parts[i] for i in group]) for group in (chosen, rest)]
            every.append(stats.ks_2samp(*two).statistic)
        assert found["p"] == pytest.approx(np.mean(np.array(every) >= found["distance"] - 1e-9))
        assert found["least_p"] == pytest.approx(2 / 70)

    def test_a_sample_with_objects_in_one_image_alone_proves_nothing(self):
        found = distance(sizes([1, 2, 3]), sizes([7, 8, 9]), "independent", "nm", RNG, sampled=True)
        assert (found["test"], found["p"], found["least_p"]) == ("images", 1, 1)
        assert "too few images to tell" in found["reading"] and "clearly" not in found["reading"]

    def test_what_chance_explains_is_not_called_clear(self):
        few = distance(sizes([1, 2, 3]), sizes([2, 3, 4]), "independent", "nm", RNG)
        assert few["distance"] > 0.3 and "differ no more than chance explains" in few["reading"]
        many = distance(sizes(range(1, 101)), sizes(range(60, 160)), "independent", "nm", RNG)
        assert "differ clearly" in many["reading"]

    def test_samples_of_one_material_seldom_have_a_small_p(self):
        """By objects alone, images that differ at random would be called different far too often."""
        small = 0
        for _ in range(200):
            fields = np.exp(RNG.normal(0, 0.3, 10))
            values = RNG.lognormal(4, 0.3, (10, 40)) * fields[:, None]
            image = np.repeat(np.arange(5), 40)
            found = distance(
                sizes(values[:5].ravel(), image), sizes(values[5:].ravel(), image), "independent", "nm", RNG
            )
            small += found["p"] <= 0.05
        assert small <= 20  # 5 % of 200 are 10, their standard deviation is 3


class TestIntervals:
    def test_of_two_fractions_it_is_that_of_newcombe(self):
        """Newcombe 1998, table II, method 10: 56 of 70 and 48 of 80."""
        one, other = (Value(x / n, *wilson(x, n, 1.959964)) for x, n in ((48, 80), (56, 70)))
        assert of_difference(one, other) == pytest.approx((0.0524, 0.3339), abs=5e-5)

    def test_a_number_without_an_interval_gives_none(self):
        assert of_difference(Value(1.0), Value(2.0, 1.0, 3.0)) is None

    @pytest.mark.parametrize("n", [0, 3, 40, 1000])
    def test_of_a_count_it_is_nearly_the_exact_one(self, n):
        low = stats.chi2.ppf(0.025, 2 * n) / 2 if n else 0.0
        found = counted(n)
        assert (found.low, found.high) == pytest.approx((low, stats.chi2.ppf(0.975, 2 * n + 2) / 2), rel=0.03)


class TestCompare:
    def test_paired_intervals_are_those_of_a_paired_bootstrap(self):
        labels = disc_labels(60, (400, 500))
        one = RNG.lognormal(4.5, 0.4, 60)
        other = one * np.exp(RNG.normal(0.05, 0.1, 60))
        found = compare(side(labels, sizes(one)), side(labels, sizes(other)))
        median = next(each for each in found["differences"] if each["name"] == "median")

        def off(a, b, axis=-1):
            return np.median(b, axis=axis) - np.median(a, axis=axis)

        known = stats.bootstrap(
            (one, other), off, paired=True, vectorized=True, method="percentile", rng=np.random.default_rng(1)
        )
        width = median["high"] - median["low"]
        assert found["how"] == "paired"
        assert median["difference"] == pytest.approx(off(one, other))
        assert (median["low"], median["high"]) == pytest.approx(tuple(known.confidence_interval), abs=0.15 * width)
        independent = stats.bootstrap((one, other), off, method="percentile", rng=np.random.default_rng(1))
        assert width < 0.8 * np.ptp(tuple(independent.confidence_interval))  # what pairing is for

    def test_every_number_of_the_sizes_has_a_paired_interval(self):
        labels, one = disc_labels(60, (400, 500)), RNG.lognormal(4.5, 0.4, 60)
        other = one * 1.1
        known = {"mean": np.mean, "sd": lambda each: np.std(each, ddof=1), "d90": lambda each: np.quantile(each, 0.9)}
        both = [
            Side(
                ("image",),
                "nm",
                "min_feret",
                {name: Value(of(each)) for name, of in known.items()},
                sizes(each),
                labels,
            )
            for each in (one, other)
        ]
        for each in compare(*both)["differences"]:
            drawn = [known[each["name"]](RNG.choice(one, 60)) * 0.1 for _ in range(2000)]
            low, high = np.percentile(drawn, [2.5, 97.5])
            assert each["difference"] == pytest.approx(known[each["name"]](one) * 0.1)
            assert (each["low"], each["high"]) == pytest.approx((low, high), abs=0.15 * (high - low))

    def test_the_count_of_the_same_outlines_is_surely_the_same(self):
        labels = disc_labels(30, (300, 300))
        both = side(labels, sizes(RNG.lognormal(4, 0.4, 30)))
        count = next(each for each in compare(both, both)["differences"] if each["name"] == "n_kept")
        assert (count["difference"], count["low"], count["high"]) == (0, 0, 0)

    def test_different_images_are_independent(self):
        one, other = sizes(RNG.lognormal(4, 0.4, 50)), sizes(RNG.lognormal(4, 0.4, 70))
        first = Side(("a",), "nm", "min_feret", {"median": Value(50.0, 45.0, 56.0), "n_kept": Value(50)}, one)
        second = Side(("b",), "nm", "min_feret", {"median": Value(60.0, 54.0, 66.0), "n_kept": Value(70)}, other)
        found = compare(first, second)
        count, median = found["differences"]
        assert (found["how"], found["agreement"]) == ("independent", None)
        assert (median["low"], median["high"]) == pytest.approx((10 - np.hypot(6, 6), 10 + np.hypot(6, 5)))
        assert count["low"] < 20 < count["high"]

    def test_samples_that_share_an_image_have_neither_interval_nor_p(self):
        found = [
            Side(images, "nm", "min_feret", {"median": Value(5.0, 4.0, 6.0)}, sizes([1, 2, 3, 4], [0, 0, 1, 1]))
            for images in (("a", "b"), ("b", "c"))
        ]
        compared = compare(*found)
        assert compared["how"] == "shared"
        assert (compared["differences"][0]["low"], compared["distance"]["p"]) == (None, None)

    def test_pixels_of_classes_are_compared_as_they_are(self):
        one = np.zeros((10, 10), np.int32)
        other = one.copy()
        other[:2] = 1
        one[-1] = other[-1] = -1  # not analysed
        first, second = (Side(("a",), "nm", "", {}, None, None, each) for each in (one, other))
        found = compare(first, second)
        assert found["agreement"]["pixels"] == pytest.approx(7 / 9)
        assert (found["distance"], found["curves"], found["agreement"]["scores"]) == (None, None, [])

    def test_bins_hold_every_size_of_both(self):
        one, other = sizes(RNG.lognormal(4, 0.4, 50)), sizes(RNG.lognormal(5, 0.4, 70))
        first, second = Side(("a",), "nm", "min_feret", {}, one), Side(("b",), "nm", "min_feret", {}, other)
        curves = compare(first, second)["curves"]
        assert (sum(curves["first"]), sum(curves["second"])) == pytest.approx((1, 1))
