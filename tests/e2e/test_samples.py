"""A ZIP becomes a sample: dropped, watched, pooled, an image excluded."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from segmentation.presenters.sample import EXCLUDED

from . import specimen
from .conftest import open_tab
from .test_journey import fits_both, start
from .test_looks import picture

DROP = """(box, [name, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(bytes)], name));
    box.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes, one of them twice, and what operating systems and people add."""
    folder = tmp_path_factory.mktemp("batch")
    with zipfile.ZipFile(folder / "Powder 7.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for seed in (1, 2, 3):
            Image.fromarray(specimen.scene(seed)).save(folder / f"{seed}.png")
            archive.write(folder / f"{seed}.png", f"powder/{seed}.png")
        archive.write(folder / "1.png", "powder/copy of 1.png")
        archive.writestr("__MACOSX/powder/._1.png", b"junk")
        archive.writestr("powder/notes.pdf", b"%PDF-1.4")
    return folder / "Powder 7.zip"


def test_a_zip_is_one_sample(visit, batch):
    page = visit()
    page.locator(".dropzone").evaluate(DROP, [batch.name, list(batch.read_bytes())])
    page.locator("[data-upload]").nth(3).wait_for()
    page.locator(".primary[data-go]:enabled").wait_for()
    assert page.input_value("#sample_name") == "Powder 7"
    assert page.is_checked("#one_sample")
    assert "powder/notes.pdf" in page.locator("#cards").inner_text()
    page.fill("[name=rule_pixel]", str(specimen.NM_PER_PIXEL))
    assert page.is_checked("[name=rule][value=pixel]")
    assert fits_both(page)
    picture(page, "sample-chosen")
    start(page)

    page.wait_for_url("**/samples/*/")
    assert fits_both(page)
    picture(page, "sample-waiting")
    page.locator("#pooled").wait_for()
    assert "Powder 7" in page.locator("h1").inner_text()
    assert "of 3 images" in page.locator("#pooled").inner_text()
    everything = int(page.locator("#pooled .headline b").inner_text())
    assert page.locator(".images svg.bars path").count() == 3
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "2.png"
    open_tab(page, "Details")
    page.get_by_text("on the uploaded files").click()
    remarks = page.locator("#left").inner_text()
    assert "same file as" in remarks and "__MACOSX" in remarks and "PDF" in remarks
    assert fits_both(page)
    picture(page, "sample")

    page.get_by_role("button", name="Exclude 2.png").click()
    page.get_by_text("particles of 2 images").wait_for()
    assert 0 < int(page.locator("#pooled .headline b").inner_text()) < everything
    assert EXCLUDED in page.locator(".images .out").inner_text()
    page.get_by_role("button", name="Include 2.png").click()
    page.get_by_text("particles of 3 images").wait_for()
    assert int(page.locator("#pooled .headline b").inner_text()) == everything
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Report, PDF").first.click()
    assert waiting.value.suggested_filename == "Powder 7_report.pdf"
    assert Path(waiting.value.path()).read_bytes().startswith(b"%PDF")
