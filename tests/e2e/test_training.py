"""A training from the form to its outcome in a browser; its row is moved on as a worker would move it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from segmentation.models import Training
from tests.web.trained import COMPOSED, CURVE, PLAN, add_pictures, install, make_dataset, outcome, with_own_models

from .test_journey import fits_both
from .test_looks import SMALL_TARGETS, picture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="session", autouse=True)
def beside_the_browser():
    """The browser's loop runs in the thread that asks the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def site(live_server, settings, tmp_path, monkeypatch, own_storage, model, queue):
    """The site without a worker, in this process."""
    settings.DEEPSEGM_TRAINING = "accounts"
    settings.DEEPSEGM_MODELS = tmp_path / "models"
    with_own_models(monkeypatch, model)
    return live_server.url


def seen(page, name: str) -> None:
    picture(page, f"training-{name}")
    page.wait_for_load_state()  # the page of a training that ends is loaded anew
    assert fits_both(page), name
    assert not page.evaluate(SMALL_TARGETS), name


def test_from_the_form_to_a_version(visit, client, alice):
    page = visit()
    client.force_login(alice)
    page.context.add_cookies([{"name": "sessionid", "value": client.session.session_key, "url": page.url}])
    dataset = make_dataset(alice, 3, summary={"composed": COMPOSED})
    page.goto(f"/datasets/{dataset.pk}/train/")
    page.get_by_label("Learn from composed agglomerates").check()
    expect(page.get_by_role("img", name="Agglomerates composed of your particles")).to_have_count(3)
    page.get_by_text("More settings").click()
    page.fill("[name=title]", "Powder of June")
    seen(page, "form")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/trainings/*/")
    page.get_by_text("Waiting for its turn").wait_for()
    seen(page, "queued")
    row = Training.objects.get()

    ends = timezone.now() + timedelta(minutes=12)
    summary = {"plan": PLAN, "curve": CURVE[:7], "pictures": outcome()["pictures"]}
    row.summary = outcome()
    add_pictures(row)  # first, because the page asks for what it is told of
    move(row, state="running", attempt=1, stage="training 2 of 4", progress=0.4, ends=ends, summary=summary)
    page.get_by_text("12 minutes left").wait_for()
    page.get_by_role("heading", name="Score on held-out images").wait_for()
    expect(page.locator(".lines path").nth(2)).to_be_attached()
    seen(page, "running")

    install("tio2-1")
    done = {"state": "done", "progress": 1.0, "model_name": "tio2-1", "version": 1, "offered": True}
    move(row, **done, summary=outcome())
    page.get_by_role("heading", name="Better than the base model").wait_for()
    expect(page.locator("[hx-get]")).to_have_count(0)  # nothing is asked any more
    seen(page, "improved")
    page.get_by_role("button", name="Make it my default").click()
    page.get_by_text("now the default").wait_for()
    page.goto("/")
    expect(page.locator("#id_model")).to_have_value("tio2-1")
    page.goto("/models/")
    seen(page, "models")
    page.get_by_role("link", name="TiO2 powder, tio2-1").first.click()
    seen(page, "model")

    move(row, offered=False, summary=outcome(improved=False))
    page.goto(f"/trainings/{row.pk}/")
    page.get_by_role("heading", name="No better than the base model").wait_for()
    seen(page, "no-better")
    page.get_by_label("I have looked at the images below").check()
    page.get_by_role("button", name="Offer it all the same").click()
    page.get_by_text("Offered by alice although").first.wait_for()

    move(row, state="failed", error="The disk was full: free some room, then try again.", model_name="", offered=False)
    page.goto(f"/trainings/{row.pk}/")
    page.get_by_text("The disk was full").wait_for()
    seen(page, "failed")
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("Waiting for its turn").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("The training was stopped").wait_for()


def move(row: Training, **fields: object) -> None:
    Training.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
