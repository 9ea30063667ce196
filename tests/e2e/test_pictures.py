"""The pictures of docs/use, made of the real site by
DEEPSEGM_PICTURES=docs/screenshots .venv/bin/python -m pytest -m e2e tests/e2e/test_pictures.py"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import tifffile
from PIL import Image

from tests.examples.sample import NM_PER_PIXEL, draw_sample

from .conftest import open_tab
from .test_datasets import sign_in, teacher
from .test_journey import choose, result

__all__ = ["teacher"]  # a fixture
FOLDER = os.environ.get("DEEPSEGM_PICTURES")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DEEPSEGM_PICTURES names no folder")
SCREEN = {"width": 1280, "height": 800}
LONGEST = 900_000  # ms
WIDTH = 1000  # px of a picture
IN_PICTURE = """async reason => {
    const all = await (await fetch(document.getElementById("viewer").dataset.outlines)).json();
    const particle = all.particles.find(particle => particle.reason === reason && particle.outline[1] > 120);
    const [xs, ys] = [0, 1].map(first => particle.outline.filter((_, i) => i % 2 === first));
    const middle = values => (Math.min(...values) + Math.max(...values)) / 2;
    const box = document.querySelector("#viewer canvas").getBoundingClientRect();
    const scale = Math.min(box.width / all.width, box.height / all.height);
    return [box.left + (box.width - scale * all.width) / 2 + scale * middle(xs),
            box.top + (box.height - scale * all.height) / 2 + scale * middle(ys)];
}"""


@pytest.fixture(scope="module")
def powder(tmp_path_factory):
    """Ten rendered pictures of one specimen, each with its scale."""
    folder = tmp_path_factory.mktemp("powder")
    paths = [folder / f"powder_{number:02}.tif" for number in range(1, 11)]
    resolution = (1 / NM_PER_PIXEL, 1 / NM_PER_PIXEL)
    for number, path in enumerate(paths, start=20):
        tifffile.imwrite(path, draw_sample(number), imagej=True, resolution=resolution, metadata={"unit": "nm"})
    return paths


@pytest.fixture
def page(visit):
    opened = visit()
    opened.set_viewport_size(SCREEN)
    opened.set_default_timeout(LONGEST)
    return opened


def keep(name: str, content: bytes) -> None:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    picture.save(Path(FOLDER, f"{name}.webp"), quality=76, method=6)


def seen(page) -> None:
    page.locator(".particles tbody tr[data-id]").first.wait_for(state="attached")
    page.wait_for_timeout(2000)  # the tiles of the picture


def written(page, name: str) -> bytes:
    """A file of the sample that the page shows, which may have to be written first."""
    address = page.url.replace("/samples/", "/api/v1/samples/")
    for _ in range(10):
        answer = page.request.get(f"{address}files/{name}?wait=20", timeout=LONGEST)
        if answer.status == 200:
            return answer.body()
    raise AssertionError(f"{name} is not written")


def test_the_example(page):
    page.get_by_role("button", name="See this result").first.click()
    result(page)
    seen(page)
    keep("example", page.screenshot())


def test_first_ten_images(page, powder):
    choose(page, powder[0])
    page.locator(".growing").first.wait_for()
    page.wait_for_timeout(1000)
    keep("ten-drop", page.screenshot())
    result(page)
    seen(page)
    keep("ten-result", page.screenshot())
    page.mouse.move(*page.evaluate(IN_PICTURE, "touches the frame"))
    page.wait_for_timeout(500)
    keep("ten-left-out", page.locator("#viewer").screenshot())
    page.locator("[data-doubt-go]").click()
    page.wait_for_timeout(500)
    keep("ten-cuts", page.locator("#viewer").screenshot())
    page.locator("[data-correct]").click()
    page.locator("[data-tools].ready").wait_for()
    page.keyboard.press("u")
    page.wait_for_timeout(2000)
    keep("ten-correct", page.screenshot())

    page.goto("/")
    page.set_input_files("#files", [str(path) for path in powder])
    page.locator(".places canvas").nth(len(powder) - 1).wait_for()
    keep("ten-sample", page.screenshot())
    page.wait_for_url("**/samples/*/")
    page.locator("#pooled").wait_for()
    page.reload()
    page.wait_for_timeout(3000)
    keep("ten-pooled", page.screenshot())
    keep("ten-figure", written(page, "figure.png"))


def test_a_model_of_your_own(page, teacher, powder):
    sign_in(page)
    for number, path in enumerate(powder[:3], start=1):
        page.goto("/")
        choose(page, path)
        result(page)
        seen(page)
        open_tab(page, "Details")
        form = page.locator("#training-data")
        for fold in form.locator("summary").all():
            fold.click()
        if number == 1:
            form.locator("#teach_dataset").select_option("new")
            form.locator("#teach_name").fill("Powder")
        form.locator("#teach_group").fill(f"batch {number}")
        form.locator("[name=reviewed]").check()
        if number == 1:
            keep("own-teach", form.screenshot())
        form.get_by_role("button", name="Use as training data").click()
        page.wait_for_url("**/datasets/**")
        page.locator("#status").wait_for(state="detached")
    keep("own-dataset", page.screenshot())
    page.get_by_role("link", name="Train a model on this dataset").click()
    page.get_by_text("More settings").click()
    page.fill("#title", "Powder")
    keep("own-train", page.locator(".training").screenshot())
