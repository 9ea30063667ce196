"""`manage.py evaluate`: a model, a folder, a report."""

import json
import re
from html.parser import HTMLParser
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
from django.core.management import CommandError, call_command
from PIL import Image
from scipy import ndimage

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.particles.options import INTERCEPT, OUTLINE_FEATURES, ParticleOptions
from segmentation.core.labels.particles.outline import outline
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import read_card
from segmentation.core.network.runtime import Runtime
from segmentation.core.network.scale_search import View
from segmentation.core.pipeline import Clock, segment
from segmentation.lab.training.check import check_folder
from segmentation.lab.training.data import load_folder
from segmentation.lab.training.evaluation.predictions import Prediction, Predictor
from segmentation.lab.training.instances.targets import inner_distance
from segmentation.lab.training.settings import FolderEntry
from tests.core.builders import disc_labels, grey_of
from tests.core.network.test_inference import tiny_card

pytestmark = pytest.mark.slow  # a command of the shell alone


@pytest.fixture
def card(tmp_path):
    """The path of a card with tiny random weights."""
    folder = tmp_path / "card"
    folder.mkdir()
    tiny_card(folder)
    return folder / "tiny.toml"


@pytest.fixture
def folder(tmp_path):
    """Six images, two a group, with binary masks; particles 10 to 30 px."""
    folder = tmp_path / "set"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    lines = ["image,source"]
    for number in range(6):
        truth = disc_labels(12, (160, 200), number)
        tifffile.imwrite(folder / "images" / f"{number}.tif", grey_of(truth, number))
        Image.fromarray(((truth > 0) * 255).astype(np.uint8)).save(folder / "masks" / f"{number}_m.png")
        lines.append(f"{number}.tif,source {number // 2}")
    (folder / "groups.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def able(monkeypatch):
    """A model that sees what is bright, and its inner distance, instead of one with random weights."""

    def predict(self, micrograph, rows):
        bright = ndimage.gaussian_filter(micrograph.pixels[:rows].astype(float), 1)
        foreground = np.clip((bright - 60) * 2.5, 0, 255).astype(np.uint8)
        labels = ndimage.label(bright > 115)[0].astype(np.int32)
        maps = np.stack([foreground, (255 * inner_distance(labels)).astype(np.uint8)])
        return Prediction(maps, micrograph.pixels[:rows], View(), 0.1)

    monkeypatch.setattr(Predictor, "predict", predict)


def evaluated(card, folder, out, *options):
    """The report of an evaluation."""
    call_command("evaluate", str(card), str(folder), "--out", str(out), *options)
    return json.loads((out / "report.json").read_text())


class Addresses(HTMLParser):
    """Everything that a page would fetch."""

    def __init__(self, page):
        super().__init__()
        self.found, self.tags = [], set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.found += [value for name, value in attributes if name in ("src", "href", "data", "srcset")]


@pytest.mark.drawn
def test_a_folder_becomes_a_page_and_a_json(card, folder, tmp_path, able, capsys):
    out = tmp_path / "report"
    options = ["--groups", str(folder / "groups.csv"), "--nm", "4", "--rows", "150"]
    report = evaluated(card, folder, out, "--postprocess", "published", *options)
    figures = report["pooled"]["figures"]
    assert figures["f50"]["value"] > 0.95
    assert figures["f50"]["low"] is None  # two groups are too few for an interval
    assert figures["nano_error"]["value"] is not None and report["data"]["unit"] == "nm"
    assert "TP" in report["definitions"]["ap50"] and "FN" in report["definitions"]["ap50"]
    assert [group["name"] for group in report["groups"]] == ["source 0", "source 1", "source 2"]
    assert [image["name"] for image in report["images"]] == [f"{n}_m" for n in range(6)]
    assert set(report["postprocess"]) == {"own", "published"}
    page = (out / "report.html").read_text()
    addresses = Addresses(page)
    assert len(addresses.found) >= 4 * 5 and all(a.startswith("data:image/") for a in addresses.found)
    assert "script" not in addresses.tags and not re.search(r"url\(|@import", page)
    assert "source 1" in page and "merged" in page
    assert "report.html" in capsys.readouterr().out


def test_what_was_found_lies_beside_the_report_under_the_names_of_the_truth(card, folder, tmp_path, able):
    report = evaluated(card, folder, tmp_path / "report")
    files = sorted((tmp_path / "report" / "labels").iterdir())
    assert [file.name for file in files] == [f"{n}_m.tif" for n in range(6)]
    assert tifffile.imread(files[0]).shape == (160, 200)
    assert tifffile.imread(files[0]).max() >= report["images"][0]["found"] > 5
    assert report["data"]["unit"] == "px" and report["pooled"]["figures"]["nano_error"]["value"] is None
    assert report["postprocess"] == {}


def test_the_threshold_is_chosen_and_written_into_the_card(card, folder, tmp_path, able, capsys):
    call_command("fit", str(card), str(folder), "threshold")
    output = capsys.readouterr().out
    chosen = evaluated(card, folder, tmp_path / "report")["thresholds"]["best"]
    written = read_card(card)
    assert written.threshold == chosen and "F1 at IoU 0.5" in written.training["threshold_rule"]
    assert written.training["threshold_data"] == "set"
    assert f"-> {chosen:g}" in output and "fitted on, 0_m" in output and "all 6 fitted on" in output
    page = (tmp_path / "report" / "report.html").read_text()
    assert re.search(rf"best here .*\b{chosen:g}\b", page) and "As a table" in page and "chosen:" not in page


def test_a_score_is_written_into_the_card_once(card, folder, tmp_path, able):
    for _ in range(2):
        pooled = evaluated(card, folder, tmp_path / "report", "--write-score")["pooled"]
    (score,) = [entry for entry in read_card(card).scores if entry["data"] == "set, 6 images"]
    assert score["median_error"] == pytest.approx(pooled["figures"]["median_error"]["value"], abs=1e-3)
    assert score["merges"] == pytest.approx(100 * pooled["errors"]["merged"] / pooled["particles"], abs=1e-3)
    assert score["splits"] == pytest.approx(100 * pooled["errors"]["split"] / pooled["found"], abs=1e-3)


@pytest.mark.parametrize("link", ["", "images", "masks/3_m.png"])
def test_nothing_is_chosen_by_what_is_for_evaluation_only(card, folder, tmp_path, able, link):
    hidden = tmp_path / "evaluation-only" / "set"
    hidden.parent.mkdir()
    (folder / link).rename(hidden)
    (folder / link).symlink_to(hidden)
    before = card.read_text()
    reason = r"lies in evaluation-only: .* nor is anything calibrated or chosen by it"
    for part in ("threshold", "confidence", "separation"):
        with pytest.raises(CommandError, match=reason):
            call_command("fit", str(card), str(folder), part)
    assert card.read_text() == before
    if not link:
        call_command("evaluate", str(card), str(folder), "--out", str(tmp_path / "report"))


def test_a_full_disk_is_said_of_the_report(card, folder, tmp_path, able, monkeypatch):
    monkeypatch.setattr(
        "segmentation.lab.research.report.tifffile.imwrite", Mock(side_effect=OSError(28, "No space left on device"))
    )
    with pytest.raises(CommandError, match=r"report cannot be .*No space left"):
        call_command("evaluate", str(card), str(folder), "--out", str(tmp_path / "report"))


def test_held_out_images_are_scored_as_their_files_have_them(tmp_path):
    """Dark particles stay dark: which they are is the model's to find, not the truth's to say."""
    truth = disc_labels(6, (120, 160))
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for name, grey in (("dark", 255 - grey_of(truth)), ("bright", grey_of(truth))):
        Image.fromarray(grey).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(truth.astype(np.uint16)).save(tmp_path / "labels" / f"{name}.png")
    pairs = load_folder(tmp_path, FolderEntry(path=""))
    assert np.array_equal(pairs[0].grey, pairs[1].grey)
    bright, dark = (entry.pair.load()[0].pixels for entry in pairs)
    assert np.array_equal(bright, grey_of(truth)) and np.array_equal(dark, 255 - bright)


@pytest.mark.drawn
def test_images_without_particles_need_no_labels(card, folder, tmp_path, able):
    pooled = evaluated(card, folder, tmp_path / "report", "--labels", "none")["pooled"]
    assert pooled["particles"] == 0
    assert pooled["errors"]["false positive"] == pooled["found"] > 0


def test_a_recipes_held_out_groups_are_scored(card, folder, tmp_path, able):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "r"\ntitle = "R"\nvalidation = 0.5\n[architecture]\nname = "multires-unet"\n'
        f'[[sources]]\nkind = "rendered"\n[[sources]]\nkind = "folder"\npath = "{folder}"\nlabels = "truth"\n'
        'groups = "groups.csv"\n'
    )
    (folder / "truth").mkdir()
    for file in (folder / "masks").iterdir():
        labels = ndimage.label(np.asarray(Image.open(file)))[0]
        tifffile.imwrite(folder / "truth" / f"{file.stem[0]}.tif", labels.astype(np.uint16))
    report = evaluated(card, recipe, tmp_path / "report")
    assert 2 <= report["data"]["images"] <= 4 and report["data"]["images"] == 2 * len(report["groups"])


def test_one_pass_gives_what_the_pipeline_gives(card):
    truth = disc_labels(8, (120, 160))
    micrograph = Micrograph(grey_of(truth), "a.png", "", Calibration.absent())
    model, runtime = read_card(card), Runtime("cpu", "float32")
    product = segment(micrograph, AnalysisSettings.of(model="tiny"), card=model, runtime=runtime, clock=Clock())
    prediction = Predictor(model, runtime).predict(micrograph, 120)
    outlines = outline(
        prediction.maps, prediction.grey, prediction.view.scale, model.threshold, ParticleOptions.of(model)
    )
    assert (prediction.view.polarity, prediction.view.scale) == (product.used["polarity"], product.used["scale"])
    assert np.array_equal(outlines.labels, product.labels) and outlines.confidence == pytest.approx(product.confidence)


@pytest.mark.drawn
def test_the_real_path_works_with_random_weights(card, folder, tmp_path):
    assert evaluated(card, folder, tmp_path / "report", "--device", "cpu")["data"]["images"] == 6


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--threshold", "1"], "between 0 and 1"), (["--nm", "0"], "above 0"), (["--nm", "nan"], "above 0"),
     (["--scale", "5"], "scale is at most 2"), (["--scale", "0"], "scale is at least 0.02"),
     (["--rows", "0"], "at least 1"), (["--labels", "nosuch"], "no folder"),
     (["--groups", "nosuch.csv"], "groups"), (["--device", "abacus"], "abacus"),
     (["--write-score", "--threshold", "0.9"], "--write-score or --threshold"),
     (["--write-score", "--flips"], "--write-score or --flips"),
     (["--write-score", "--rows", "9"], "--write-score or --rows")],
)  # fmt: skip
def test_bad_options_are_one_sentence(card, folder, tmp_path, options, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("evaluate", str(card), str(folder), "--out", str(tmp_path / "report"), *options)


def test_bad_models_and_data_are_one_sentence(card, folder, tmp_path):
    def refused(model, dataset, out="report"):
        with pytest.raises(CommandError) as error:
            call_command("evaluate", str(model), str(dataset), "--out", str(tmp_path / out))
        return str(error.value)

    assert "'nosuch'" in refused("nosuch", folder)
    assert "no card" in refused(tmp_path / "nosuch.toml", folder)
    assert "nosuch" in refused(card, tmp_path / "nosuch")
    assert "nosuch.toml" in refused(card, tmp_path / "nosuch.toml")
    assert "is a file" in refused(card, folder, out="set/groups.csv")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "masks" / "3_m.png")
    assert re.search("3_m .*9 x 9", refused(card, folder))
    with pytest.raises(CommandError, match="own folders"):
        call_command("evaluate", str(card), "r.toml", "--labels", "masks", "--out", str(tmp_path / "report"))
    card.with_suffix(".safetensors").write_bytes(b"altered")
    (folder / "masks" / "3_m.png").unlink()
    assert "altered" in refused(card, folder)
    card.write_text("threshold = []")
    assert "tiny.toml" in refused(card, folder)


@pytest.mark.slow
def test_confidence_is_calibrated_and_written(tmp_path, folder, card, able, capsys, monkeypatch):
    for name, value in {"FEWEST": 2, "EMPTY": 2, "COMPOSED": 2, "PARTS": 3}.items():
        monkeypatch.setattr(f"segmentation.lab.training.instances.confidence.{name}", value)
    for name in ("0", "2", "4"):  # half the truth is gone: what is found there is wrong
        truth = np.asarray(Image.open(folder / "masks" / f"{name}_m.png")).copy()
        truth[:, :100] = 0
        Image.fromarray(truth).save(folder / "masks" / f"{name}_m.png")
    groups = ["--groups", str(folder / "groups.csv")]
    before = evaluated(card, folder, tmp_path / "before", *groups)
    call_command("fit", str(card), str(folder), "confidence", *groups)
    written = read_card(card)
    assert set(written.options["confidence"]) == {*OUTLINE_FEATURES, INTERCEPT}
    assert "wrong_under_limit" in capsys.readouterr().out and 0 <= written.training["confidence_error"] <= 1
    after = evaluated(card, folder, tmp_path / "after", *groups)
    assert before["pooled"]["found"] >= after["pooled"]["found"]


def test_too_few_particles_to_calibrate_on(tmp_path, folder, card, able, monkeypatch):
    for name, value in {"FEWEST": 1000, "EMPTY": 2, "COMPOSED": 1}.items():
        monkeypatch.setattr(f"segmentation.lab.training.instances.confidence.{name}", value)
    with pytest.raises(CommandError, match=r"calibrated|judged"):
        call_command("fit", str(card), str(folder), "confidence")


@pytest.mark.slow
def test_region_merging_is_fitted_written_and_used(tmp_path, folder, card, able, capsys, monkeypatch):
    from segmentation.lab.training.instances import confidence, separation

    monkeypatch.setattr(confidence, "COMPOSED", 3)
    monkeypatch.setattr(separation, "FEWEST", 1)
    before = card.read_text()
    call_command("fit", str(card), str(folder), "separation")
    weights = read_card(card).options["region_merging"]
    assert weights["limit"] in separation.LIMITS and weights["saddle"] < 0
    assert read_card(card).training["region_merging_rule"] == separation.RULE
    output = capsys.readouterr().out
    assert f"into {card}" in output and "all 6 fitted on" in output
    assert "are few to" in output
    assert card.with_name(f"{card.name}.before").read_text() == before and card.read_text() != before


def test_too_few_touching_particles_to_fit_cuts_on(tmp_path, folder, card, able, monkeypatch):
    from segmentation.lab.training.instances import confidence, separation

    monkeypatch.setattr(confidence, "COMPOSED", 1)
    monkeypatch.setattr(separation, "FEWEST", 10_000)
    before = card.read_text()
    with pytest.raises(CommandError, match=r"10000 .*between .* 10000 within"):
        call_command("fit", str(card), str(folder), "separation")
    assert card.read_text() == before


def test_a_score_on_images_that_were_trained_on_is_warned_of(tmp_path, folder, card, able, capsys):
    from segmentation.lab.training.publish import note_images
    from tests.lab.folders import tiny

    images = sorted((folder / "images").iterdir())
    note_images(card, tiny(folder), images[:2])
    report = evaluated(card, folder, tmp_path / "report")
    assert re.search(r"Warning: tiny .*\b2 of", capsys.readouterr().out)
    assert report["data"]["trained_on"] == [f"{image.stem}_m" for image in images[:2]]
    assert re.search(r"trained on 2\b", (tmp_path / "report" / "report.html").read_text())


@pytest.mark.parametrize("side", ["inside", "elsewhere"])
def test_tables_of_groups_are_found_in_the_folder_and_elsewhere_by_both_commands(tmp_path, folder, card, able, side):
    named = "groups.csv"
    if side == "elsewhere":
        named = str((folder / "groups.csv").rename(tmp_path / "table.csv"))
    groups = {image["group"] for image in evaluated(card, folder, tmp_path / "report", "--groups", named)["images"]}
    checked = check_folder(folder, groups=named)
    assert {pair.group for pair in checked.pairs} == groups and len(groups) < len(checked.pairs)
