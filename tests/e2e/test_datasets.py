"""A result becomes training data in a browser: form, page of the dataset, export, removal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from .conftest import REPOSITORY, open_tab
from .test_journey import downloaded, fits_both, result
from .test_looks import picture

NAME, PASSWORD = "teacher", "one of the staff 7"


@pytest.fixture(scope="module")
def teacher(site, data_folder):
    """An account of the staff on the running site."""
    return make_staff(data_folder, NAME)


def make_staff(data_folder, name):
    """A superuser with PASSWORD; returns the name."""
    env = {**os.environ, "DEEPSEGM_DATA": str(data_folder), "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    made = ["createsuperuser", "--noinput", "--username", name, "--email", f"{name}@example.org"]
    subprocess.run([sys.executable, "manage.py", *made], cwd=REPOSITORY, env=env, check=True, capture_output=True)
    return name


def sign_in(page, name=NAME):
    page.goto("/accounts/login/")
    page.fill("[name=login]", name)
    page.fill("[name=password]", PASSWORD)
    page.locator("main button").click()
    page.wait_for_url("**/")


def test_a_result_is_taught_and_taken_back(visit, open_copy, teacher):
    page = visit()
    sign_in(page)
    open_copy(page=page, owner=teacher)
    job = result(page)
    open_tab(page, "Details")
    form = page.locator("#training-data")
    for fold in form.locator("summary").all():
        fold.click()
    form.locator("#teach_dataset").select_option("new")
    form.locator("#teach_name").fill("Discs")
    page.wait_for_load_state("networkidle")  # pictures above may still move the form
    form.get_by_label("a rectangle of it").check()
    box = form.locator(".marked").bounding_box()
    form.locator(".marked").scroll_into_view_if_needed()
    box = form.locator(".marked").bounding_box()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    page.mouse.up()
    assert abs(int(form.locator("[name=right]").input_value()) - 320) <= 4
    assert fits_both(page)
    form.locator("[name=reviewed]").check()
    form.get_by_role("button", name="Use as training data").click()
    page.wait_for_url("**/datasets/**")
    page.locator("#status").wait_for(state="detached")
    page.locator(".shots img").wait_for()
    expect(page.get_by_text("not yet fit to train on")).to_have_count(1)
    assert fits_both(page)
    picture(page, "dataset")

    _, content = downloaded(page, "Export, ZIP")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = [member for member in archive.namelist() if member.startswith("labels/")]
        labels = np.asarray(Image.open(io.BytesIO(archive.read(name))))
        assert archive.read("regions.csv").count(b"\n") == 2
    assert labels.shape == (480, 640) and labels[:250, :300].any() and not labels[:, 330:].any()

    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Delete").click()
    page.locator("#status").wait_for(state="detached")
    expect(page.get_by_text("No image yet")).to_have_count(1)
    page.goto(job)
    expect(page.locator("#training-data")).to_have_count(1)
