"""The layers that the plug-in of napari makes of results, and what it sends: without napari."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
from deepsegm_client import Refused, Unreachable
from napari_deepsegm import analysis
from napari_deepsegm.analysis import PIXEL, WIDTH_UM, TypedScale, analyse_by_site, open_site, picture_of
from napari_deepsegm.files import has_result, layers_of
from napari_deepsegm.layers import Unusable, outcome_of_files

import deepsegm
from segmentation.core import tasks
from segmentation.core.network.cards import available
from tests.core.builders import disc_labels, grey_of

from .fake import Site, json_answer

LABELS = disc_labels(12, (200, 260))
LABELS[:9, :9] = 99  # touches the frame, so that it is left out
FILES = ["result.json", "particles.csv", "labels.tif", "labels-all.tif", "caption-and-method.txt"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, deepsegm.Result]:
    """The folder of a result as `deepsegm analyse` writes it, below that of its image."""
    place = tmp_path_factory.mktemp("images")
    tifffile.imwrite(place / "discs.tif", grey_of(LABELS).astype(np.uint8))
    result = deepsegm.measure(LABELS, nm_per_pixel=2.0, image=place / "discs.tif")
    folder = place / "results" / "discs"
    result.save(folder, FILES)
    sha256 = hashlib.sha256((place / "discs.tif").read_bytes()).hexdigest()
    change(folder, image={"name": "discs.tif", "sha256": sha256})
    return folder, result


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy of it, with its image two folders above."""
    shutil.copytree(made[0], tmp_path / "results" / "discs")
    shutil.copy(made[0].parents[1] / "discs.tif", tmp_path)
    return tmp_path / "results" / "discs"


def read(folder: Path):
    return outcome_of_files(lambda name: (folder / name).read_bytes() if (folder / name).is_file() else None)


def change(folder: Path, **entries) -> None:
    details = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(details | entries))


def test_a_result_is_an_image_labels_and_a_table_in_nm(folder, made):
    result = made[1]
    (image, of_image, kind), (aside, of_aside, _), (labels, options, _) = layers_of(folder)[0]
    assert kind == "image" and of_image["name"] == "discs.tif" and not of_image["rgb"]
    assert (image == grey_of(LABELS).astype(np.uint8)).all()
    assert of_image["scale"] == options["scale"] == (2, 2) and options["units"] == ("nm", "nm")
    kept = result.table["kept"]
    assert sorted(np.unique(labels)) == [0, *sorted(result.table["label"][kept])]
    assert (labels + aside == result.labels).all() and not of_aside["visible"]
    table = options["features"]
    assert table["index"].tolist() == table["label"].tolist() == result.table["label"][kept].tolist()
    assert table["min_feret_nm"].to_numpy() == pytest.approx(result.table["min_feret_nm"][kept], rel=1e-5)
    assert not of_aside["features"]["kept"].any() and of_aside["features"]["reason"].all()
    assert options["metadata"] == {
        "sentence": result.sentence,
        "warnings": list(result.warnings),
    }


def test_without_caption_the_lines_before_the_table_are_the_sentence(folder):
    (folder / "caption-and-method.txt").unlink()
    (folder / "labels-all.tif").unlink()
    layers, sentences = layers_of(folder)
    assert sentences[0].startswith("discs.tif: mean (nm) ") and "; particles 12 counted" in sentences[0]
    assert [name for _, options, _ in layers if "left out" in (name := options["name"])] == []


def test_without_a_scale_layers_have_none_and_without_a_table_no_features(folder):
    change(folder, calibration={"nm_per_pixel": None})
    (folder / "particles.csv").unlink()
    (_, of_image, _), (_, options, _) = layers_of(folder)[0]
    assert not {"scale", "units", "features"} & (of_image.keys() | options.keys())


@pytest.mark.parametrize("name", ["bundle.zip", "notebook.eln"])
def test_archives_and_folders_of_several_results(folder, tmp_path, name):
    inside = "" if name == "bundle.zip" else "notebook/result/"
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{inside}{file.name}")
        if inside:
            archive.write(tmp_path / "discs.tif", f"{inside}micrograph.tif")
    if inside:
        (tmp_path / "discs.tif").unlink()
    layers, _ = layers_of(tmp_path / name)
    assert has_result(tmp_path / name) and [kind for *_, kind in layers] == ["image", "labels", "labels"]
    shutil.copytree(folder, folder.parent / "more")
    assert len(layers_of(folder.parent)[0]) == (4 if inside else 6)


def test_the_result_of_a_sample_opens_its_images(folder):
    (folder.parent / "result.json").write_text('{"format": "deepsegm-sample/1"}')
    assert len(layers_of(folder.parent)[0]) == 3
    with pytest.raises(Unusable, match="result of a sample"):
        layers_of(folder.parent / "result.json")


def test_classes_are_numbered_as_their_table():
    values = np.array([[0, 1], [255, 1]], np.uint8)
    details = {"format": "deepsegm-result/1", "image": {"name": "a.tif"}, "warnings": []}
    details["calibration"] = {"nm_per_pixel": 10.0}
    file = Path("labels.tif")
    content = {"result.json": json.dumps(details).encode(), file.name: tiff(values)}
    content["classes.csv"] = b"\xef\xbb\xbf# phases: 2\nlabel,kept,name\n1,TRUE,matrix\n2,TRUE,gamma\n"
    outcome = outcome_of_files(content.get)
    assert outcome.labels.tolist() == [[1, 2], [0, 2]] and outcome.sentence == "a.tif: phases 2."


def tiff(values: np.ndarray) -> bytes:
    from io import BytesIO

    file = BytesIO()
    tifffile.imwrite(file, values)
    return file.getvalue()


def test_what_is_no_result_is_left_to_other_readers(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    names = ("", "other.json", "broken.zip", "missing.zip", "missing")
    assert [name for name in names if has_result(tmp_path / name)] == []
    with pytest.raises(Unusable, match=r"holds no result\.json"):
        layers_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("result.json", b"{", "damaged"),
        ("result.json", b"[]", "another program"),
        ("result.json", b'{"format": "deepsegm-result/1"}', "lacks"),
        ("labels-all.tif", b"II*", "labels.tif is damaged"),
        ("labels-all.tif", tiff(np.zeros((4, 5, 6), np.uint16)), "dimensions"),
        ("particles.csv", b"a,b\n1,2\n", "table .* damaged"),
    ],
)
def test_damaged_results_are_one_sentence(folder, name, content, sentence):
    (folder / name).write_bytes(content)
    with pytest.raises(Unusable, match=sentence):
        layers_of(folder)


def test_a_result_without_label_images_says_what_is_missing(folder):
    for file in folder.glob("labels*.tif"):
        file.unlink()
    with pytest.raises(Unusable, match=r"no labels\.tif"):
        layers_of(folder)


def test_another_image_of_the_same_name_is_not_shown(folder):
    image = folder.parents[1] / "discs.tif"
    tifffile.imwrite(image, np.zeros(LABELS.shape, np.uint8))
    layers, sentences = layers_of(folder)
    assert [kind for *_, kind in layers] == ["labels", "labels"] and "another one" in sentences[-1]
    image.unlink()
    assert "put discs.tif beside the result" in layers_of(folder)[1][-1]


def test_a_name_leads_to_no_file_elsewhere(folder, tmp_path):
    (tmp_path / "secret.tif").write_bytes(b"secret")
    change(folder, image={"name": "../../secret/..", "sha256": ""})
    assert [kind for *_, kind in layers_of(folder)[0]] == ["labels", "labels"]


def test_pictures_of_layers():
    grey, colours = np.zeros((4, 5)), np.zeros((4, 5, 4), np.uint8)
    assert picture_of(grey, "a").columns == 5
    assert picture_of(colours, "a", rgb=True).pixels.shape == (4, 5, 3)
    for stack in (np.zeros((3, 4, 5)), np.zeros((2, 4, 5, 3))):
        with pytest.raises(Unusable, match="“a” has 3 dimensions"):
            picture_of(stack, "a", rgb=stack.ndim == 4)
    with pytest.raises(Unusable, match="empty"):
        picture_of(np.zeros((0, 5)), "a")


def test_the_file_is_sent_where_the_layer_is_what_it_holds(tmp_path):
    file, pixels = tmp_path / "a.tif", np.arange(20, dtype=np.uint8).reshape(4, 5)
    tifffile.imwrite(file, pixels)
    assert picture_of(pixels, "a", path=str(file)).file == file
    assert picture_of(pixels + 1, "a", path=str(file)).file is None
    assert picture_of(pixels, "a", path=str(tmp_path / "gone.tif")).file is None


def test_scales_that_were_typed():
    assert TypedScale().width(100) is None and TypedScale().calibration(100) is None
    assert TypedScale("7,34").width(1000) == "7340 nm" and TypedScale("7.520", WIDTH_UM).width(10) == "7.520 µm"
    pixel, width = TypedScale("7.50").calibration(100), TypedScale("7.52", WIDTH_UM).calibration(1000)
    assert pixel.nm_per_pixel == 7.5 and width.nm_per_pixel == pytest.approx(7.52)
    assert pixel.relative_uncertainty < TypedScale("7.5").calibration(100).relative_uncertainty
    for text in ("wide", "0", "-3", "nan", "inf", "7 nm"):
        with pytest.raises(Unusable, match=f"“{text}” is no length"):
            TypedScale(text, PIXEL)


def test_the_kinds_are_those_that_have_models():
    with_models = {card.task for card in available()}
    assert set(analysis.KINDS) == {task.name for task in tasks.every()} & with_models


class TestSite:
    picture = picture_of(np.zeros((4, 5)), "a")

    def analyse(self, client, size=TypedScale()):  # noqa: B008
        return analyse_by_site(client, self.picture, "grains", size, lambda stage, done: None)

    def test_a_layer_is_sent_and_its_result_comes_back(self, folder):
        site, names = Site(), [file.name for file in folder.iterdir()]
        row = {"id": "7", "state": "done", "files": dict.fromkeys(names, ""), "progress": 1.0}
        site.answers["POST /jobs"] = [json_answer(202, row)]
        for name in names:
            content = (folder / name).read_bytes()
            site.answers[f"GET /jobs/7/files/{name}"] = [httpx.Response(200, content=content)] * 2
        outcome = self.analyse(site.client(), TypedScale("2"))
        sent = site.bodies[0]
        assert b'name="width"\r\n\r\n10 nm' in sent and b'name="task"\r\n\r\ngrains' in sent
        assert b'filename="a.tif"' in sent
        assert (outcome.site, outcome.job) == ("http://site.example", "7")
        assert (outcome.labels == read(folder).labels).all()

    def test_a_wrong_token_and_a_wrong_address_are_one_sentence(self):
        site = Site()
        site.answers["POST /jobs"] = [json_answer(401, {"error": "This token is not known."})]
        with pytest.raises(Refused, match="token is not known"):
            self.analyse(site.client())
        site.answers["POST /jobs"] = [httpx.ConnectError("refused")]
        with pytest.raises(Unreachable, match="cannot be reached"):
            self.analyse(site.client(retries=0))
        with pytest.raises(Unusable, match="begins with http"):
            open_site("localhost:8000", "")
        with pytest.raises(Unusable, match="id of a result"):
            analysis.open_result(site.client(), " ", lambda stage, done: None)


@pytest.mark.parametrize(("side", "kind", "sentence"), [(8, "particles", "too small"), (40, "zebras", "zebras")])
def test_the_library_refuses_in_one_sentence(side, kind, sentence):
    picture = picture_of(np.zeros((side, side)), "a")
    with pytest.raises(Unusable, match=sentence):
        analysis.analyse_by_library(picture, kind, TypedScale(), lambda stage, done: None)
