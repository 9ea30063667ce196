"""A run becomes a choice of the form, and stops being one."""

import re
import shutil
from unittest.mock import Mock

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from segmentation.core.network import cards
from segmentation.lab.training.publish import set_entries


@pytest.fixture
def run(trained, tmp_path):
    """A finished run that a test may spoil."""
    return shutil.copytree(trained.parent, tmp_path / "run")


@pytest.fixture
def shelf(settings, tmp_path, monkeypatch):
    """The folder of added models, known to the cards as the application makes it known."""
    settings.DEEPSEGM_MODELS = tmp_path / "models"
    monkeypatch.setattr(cards, "_user_folders", [])
    cards.add_folder(settings.DEEPSEGM_MODELS)
    return settings.DEEPSEGM_MODELS


def names():
    return [card.name for card in cards.available()]


def test_an_added_model_is_offered_at_once_and_a_removed_one_no_more(run, shelf, capsys):
    before = names()  # read before the folder exists, as by a long-running web process
    call_command("models", "add", run)
    assert names() == [*before, "base"] or set(names()) == {*before, "base"}
    assert cards.find("base").title == "Tiny"
    cards.check_weights(cards.find("base"))
    call_command("models", "list")
    assert re.search(r"^base +added", capsys.readouterr().out, re.M)
    for name in ("1.png", "2.webp", "max-pools.webp"):
        (shelf / f"base-{name}").write_bytes(b"a picture of models picture")
    call_command("models", "remove", "base")
    assert names() == before and not list(shelf.iterdir())
    with pytest.raises(cards.UnknownModel):
        cards.find("base")


def test_a_model_may_be_given_another_name(run, shelf):
    call_command("models", "add", run)
    call_command("models", "add", run, "--name", "mine", "--title", "My own")
    assert {"base", "mine"} <= set(names())
    card = cards.find("mine")
    assert card.title == "My own" and card.weights == shelf / "mine.safetensors"
    cards.check_weights(card)


@pytest.mark.slow
def test_a_package_is_taken_back(run, shelf, tmp_path, capsys):
    call_command("models", "add", run)
    call_command("models", "package", "base", tmp_path / "base.zip")
    call_command("models", "remove", "base")
    call_command("models", "add", tmp_path / "base.zip", "--name", "again")
    assert cards.find("again").sha256 in (tmp_path / "run" / "base.toml").read_text()
    (tmp_path / "bad.zip").write_bytes(b"nothing")
    with pytest.raises(CommandError, match="cannot be read as a ZIP file"):
        call_command("models", "add", tmp_path / "bad.zip")


def test_a_title_has_one_line(run, shelf):
    with pytest.raises(CommandError, match=r"title .*one line"):
        call_command("models", "add", run, "--name", "mine", "--title", "My\nown")
    assert not list(shelf.glob("mine*"))


def test_a_replaced_model_is_noticed(run, shelf):
    call_command("models", "add", run)
    file = shelf / "base.toml"
    assert cards.find("base").title == "Tiny"
    file.write_text(file.read_text().replace('"Tiny"', '"Another title"'))
    assert cards.find("base").title == "Another title"


def test_a_name_that_is_taken_is_refused(run, shelf):
    call_command("models", "add", run)
    with pytest.raises(CommandError, match="'base' already"):
        call_command("models", "add", run)


def test_a_released_name_is_taken_and_a_released_model_stays(run, shelf, tmp_path, monkeypatch):
    released = tmp_path / "released"
    shutil.copytree(run, released)
    (released / "recipe.toml").unlink()
    monkeypatch.setattr(cards, "CARDS", released)
    with pytest.raises(CommandError, match="already"):
        call_command("models", "add", run)
    with pytest.raises(CommandError, match="released model"):
        call_command("models", "remove", "base")


@pytest.mark.parametrize("name", ["Big", "../base", "a b", ""])
def test_impossible_names_are_refused(run, shelf, name):
    card = next(run.glob("base.toml"))
    card.write_text(card.read_text().replace('name = "base"', f'name = "{name}"'))
    with pytest.raises(CommandError, match="small letters"):
        call_command("models", "add", run)
    assert not shelf.exists()


def spoil_weights(run):
    file = run / "base.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def change_architecture(run):
    file = run / "base.toml"
    file.write_text(file.read_text().replace("filters = 4", "filters = 5"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_weights, "were altered"),
        (change_architecture, "another architecture"),
        (lambda run: (run / "base.safetensors").unlink(), "cannot be read"),
        (lambda run: (run / "base.toml").unlink(), "not finished"),
        (lambda run: (run / "base.toml").write_text("]["), "cannot be added"),
        (lambda run: shutil.copy(run / "base.toml", run / "other.toml"), "2 ModelCards"),
        (shutil.rmtree, "There is no run"),
    ],
)
def test_what_is_no_whole_model_is_refused(run, shelf, spoil, reason):
    spoil(run)
    with pytest.raises(CommandError, match=reason):
        call_command("models", "add", run)
    assert not shelf.exists()


def test_a_full_disk_adds_nothing(run, shelf, monkeypatch):
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError(28, "No space left on device")))
    before = names()
    with pytest.raises(CommandError, match="No space left"):
        call_command("models", "add", run)
    assert names() == before and not list(shelf.iterdir())


def test_a_broken_card_hides_itself_and_nothing_else(run, shelf, capsys):
    call_command("models", "add", run)
    (shelf / "broken.toml").write_text('name = "broken"')
    text = (shelf / "base.toml").read_text()
    (shelf / "alone.toml").write_text(text.replace('name = "base"', 'name = "alone"'))
    (shelf / "zz-copy.toml").write_text(text)
    assert "base" in names() and not {"broken", "alone", "zz-copy"} & set(names())
    call_command("models", "list")
    output = capsys.readouterr().out
    assert "broken.toml" in output and re.search(r"alone\.toml .*weights", output)
    assert re.search(r"zz-copy\.toml .*name .*not base", output)
    assert names().count("base") == 1


def test_nothing_of_this_name_cannot_be_removed(shelf):
    for name in ("nosuch", "../run/base"):
        with pytest.raises(CommandError, match="cannot be removed"):
            call_command("models", "remove", name)


@pytest.mark.parametrize("texture", ["particles", "particles=", "particles=nowhere"])
def test_textures_ask_for_folders(texture):
    with pytest.raises(CommandError, match="NAME=FOLDER"):
        call_command("models", "textures", texture)


def test_textures_ask_for_three_images(tmp_path):
    with pytest.raises(CommandError, match=r"0 images.* three"):
        call_command("models", "textures", f"particles={tmp_path}")


@pytest.mark.slow
def test_pictures_of_an_image_and_of_its_layers_lie_beside_the_card(run, shelf, tmp_path, capsys):
    call_command("models", "add", run)
    image = tmp_path / "drawn.png"
    rows, columns = np.indices((96, 128)) % 32 - 16
    Image.fromarray(np.where(np.hypot(rows, columns) < 10, 200, 60).astype(np.uint8)).save(image)
    call_command("models", "picture", "base", str(image), "--number", "2", "--caption", "Drawn discs, 5 µm")
    call_command("models", "picture", "base", str(image), "--layers", "--caption", "Of drawn discs.")
    assert "base-convolutions.webp: " in capsys.readouterr().out
    pictures = {path.stem.removeprefix("base-"): path for path in shelf.glob("*.webp")}
    assert set(pictures) == {"2", *cards.LAYERS}
    with Image.open(pictures["2"]) as picture:
        assert picture.getexif()[0x010E].encode("latin-1").decode() == "Drawn discs, 5 µm" and picture.width > 128
    for path in pictures.values():
        with Image.open(path) as picture:
            assert np.asarray(picture.convert("L")).std() > 1


def test_a_card_learns_what_it_was_trained_on(run, shelf, capsys):
    call_command("models", "add", run)
    card = shelf / "base.toml"
    noted = set(cards.read_card(card).training.get("images", ()))
    set_entries(card, {"training": {"images": ["0123456789ab"]}})
    call_command("models", "images", "base", str(run / "recipe.toml"))
    assert "base was trained" in capsys.readouterr().out
    images = set(cards.read_card(card).training["images"])
    assert "0123456789ab" in images and len(images) > 1 and noted <= images
