"""The form asks what to measure."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import SIZES


def kind(page, name):
    return page.locator(f"[name=kind][value={name}]")


def test_the_kind_chooses_models_and_settings(visit):
    for size in SIZES:
        page = visit(size)
        expect(kind(page, "particles")).to_be_checked()
        expect(page.locator("#id_model")).to_have_value("auto-particles")
        page.locator(".kinds label", has=kind(page, "bubbles")).click()
        expect(page.locator("#id_model")).to_have_value("bubbles")
        expect(page.locator("#id_model optgroup[data-task=particles]").filter(visible=True)).to_have_count(0)
        expect(page.get_by_text("Leave out doubtful objects")).to_be_hidden()
        page.get_by_text("Options", exact=True).click()
        expect(page.get_by_label("Foil thickness").filter(visible=True)).to_have_count(1)
        page.locator(".kinds label", has=kind(page, "particles")).click()
        expect(page.locator("#id_model")).to_have_value("auto-particles")
        expect(page.get_by_text("Leave out doubtful objects")).to_be_visible()
        assert all(page.locator(".kinds img").evaluate_all("all => all.map(each => each.naturalWidth > 0)"))


def test_a_kind_is_chosen_by_the_keyboard_and_agrees_with_its_model_after_back(visit):
    page = visit()
    kind(page, "particles").focus()
    page.keyboard.press("ArrowRight")
    model = page.input_value("#id_model")
    assert model != "auto-particles" and page.locator("[name=kind]:checked").count() == 1
    page.get_by_role("link", name="Models", exact=True).click()
    page.wait_for_url("**/models/")
    page.go_back()
    model = page.input_value("#id_model")
    chosen = page.locator("[name=kind]:checked").get_attribute("value")
    group = page.locator(f"#id_model option[value={model}]").evaluate("option => option.parentElement.dataset.task")
    assert chosen == group
