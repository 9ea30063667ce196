"""The histogram's numbers in the browser beside Python's: chart-bins.js and segmentation/core/measure/bins.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from segmentation.core.measure import bins
from segmentation.core.measure.fitting import log_normal

from .conftest import REPOSITORY

SCRIPTS = REPOSITORY / "static"
SHORT = {"rel": 1e-12, "abs": 1e-15}
CALL = """async ([name, values, weights, number]) => {
    const bins = await import("/js/chart-bins.js");
    const edges = bins[name](values, number);
    if (edges === null) return null;
    return { edges, ...bins.histogram(values, weights, edges), fit: bins.logNormal(values, weights) };
}"""


@pytest.fixture(scope="module")
def module(chromium: Any) -> Any:
    """Calls a function of chart-bins.js in a page that has nothing else."""
    page = chromium.new_page()
    page.route("http://scripts.test/**", serve_script)
    page.goto("http://scripts.test/")
    yield lambda *arguments: page.evaluate(CALL, list(arguments))
    page.close()


def serve_script(route: Any) -> None:
    path = SCRIPTS / route.request.url.removeprefix("http://scripts.test/")
    if path.is_file():
        route.fulfill(body=path.read_text(), content_type="text/javascript")
    else:
        route.fulfill(body="<title>empty</title>", content_type="text/html")


def table(n: int, grain: float, seed: int) -> np.ndarray:
    """Sizes as outlines give them: near whole pixels, some of them on the edges of bins."""
    random = np.random.default_rng(seed)
    sizes = random.lognormal(3, 0.5, n)
    sizes[::3] = np.maximum(sizes[::3].round(), 1)
    return sizes * grain


GRAINS = (7.34375, 1.0)
TABLES = {
    **{f"{n} at {grain} nm/px": (table(n, grain, n), grain) for n in (1, 2, 7, 60, 261, 4000) for grain in GRAINS},
    "all equal": (np.full(40, 12.5), 2.5),
    "two sizes": (np.array([10.0, 20.0] * 30), 1.0),
    "one giant": (np.append(table(200, 1.0, 3), 1e4), 1.0),
    "without grain": (table(300, 0.37, 9), 0.0),
}


@pytest.mark.parametrize("name", TABLES)
def test_automatic_bins_agree_with_python(module, name):
    sizes, grain = TABLES[name]
    weights = sizes**3
    found = module("autoEdges", sizes.tolist(), weights.tolist(), grain)
    expected = bins.histogram(sizes, weights, bins.auto_edges(sizes, grain))
    assert found["edges"] == expected.edges.tolist()
    assert found["counts"] == expected.counts.tolist()
    assert found["shares"] == pytest.approx(expected.shares.tolist(), **SHORT)
    assert found["cumulative"] == pytest.approx(expected.cumulative.tolist(), **SHORT)


@pytest.mark.parametrize(("mine", "theirs"), [("typedEdges", bins.typed_edges), ("ratioEdges", bins.ratio_edges)])
@pytest.mark.parametrize("number", [0.5, 3.0, 10.0, 25.0, 0.02, 0.0, -2.0])
@pytest.mark.parametrize("name", ["261 at 7.34375 nm/px", "1 at 1.0 nm/px", "two sizes"])
def test_chosen_bins_agree_with_python(module, mine, theirs, number, name):
    sizes, _ = TABLES[name]
    weights = sizes**2
    found, edges = module(mine, sizes.tolist(), weights.tolist(), number), theirs(sizes, number)
    if edges is None:
        assert found is None
        return
    expected = bins.histogram(sizes, weights, edges)
    assert found["edges"] == pytest.approx(edges.tolist(), **SHORT)
    assert found["counts"] == expected.counts.tolist()
    assert sum(found["counts"]) == len(sizes)
    assert found["shares"] == pytest.approx(expected.shares.tolist(), **SHORT)


@pytest.mark.parametrize("name", TABLES)
def test_bins_of_the_log_axis_lose_no_particle(module, name):
    sizes, _ = TABLES[name]
    found = module("logEdges", sizes.tolist(), np.ones(len(sizes)).tolist(), 0)
    assert sum(found["counts"]) == len(sizes)
    assert found["cumulative"][-1] == pytest.approx(1)
    assert found["edges"] == pytest.approx((10 ** bins.auto_edges(np.log10(sizes), 0)).tolist(), rel=1e-9)


@pytest.mark.parametrize("name", ["60 at 1.0 nm/px", "4000 at 7.34375 nm/px"])
def test_the_log_normal_agrees_with_python(module, name):
    sizes = np.sort(TABLES[name][0])
    weights = sizes**2
    found = module("autoEdges", sizes.tolist(), weights.tolist(), 0)["fit"]
    expected = log_normal(sizes, weights)
    assert expected is not None
    assert (found["median"], found["gsd"]) == pytest.approx((expected["median"], expected["gsd"]), rel=1e-9)
