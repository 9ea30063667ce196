"""Run by test_napari.py where napari and the plug-in are installed: its reader in a viewer, its
widget on the library and on a running site."""

from __future__ import annotations

import os
import time
from pathlib import Path

import npe2
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from napari_deepsegm.widget import LIBRARY, SITE, Analyse, nm_per_pixel
from qtpy.QtWidgets import QApplication

import deepsegm

SITE_URL, SAMPLE = os.environ["TESTED_SITE"], Path(os.environ["TESTED_SAMPLE"])
PLUGIN = "napari-deepsegm"


@pytest.fixture(scope="session", autouse=True)
def application():
    npe2.PluginManager.instance().discover()
    return QApplication.instance() or QApplication([])


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def widget(viewer):
    made = Analyse(viewer)
    for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
        event.connect(made.reset_choices)  # as napari does for a docked widget
    made.address.setText(SITE_URL)
    yield made
    wait(made)
    made.close()


def wait(widget: Analyse) -> str:
    """What the widget says when its work has ended."""
    deadline = time.monotonic() + 300
    while not widget.analyse.isEnabled() and time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.01)
    QApplication.processEvents()
    return widget.message.text()


def press(button, widget: Analyse) -> str:
    button.click()
    return wait(widget)


@pytest.fixture(scope="session")
def analysed(tmp_path_factory):
    """The folder of a real result of the library, and the result."""
    place = tmp_path_factory.mktemp("result")
    (place / SAMPLE.name).write_bytes(SAMPLE.read_bytes())
    result = deepsegm.analyse(place / SAMPLE.name)
    result.save(place / "out")
    return place / "out", result


def test_the_manifest_is_valid():
    manifest = npe2.PluginManifest.from_distribution(PLUGIN)
    manifest.validate_imports()
    assert manifest.contributions.readers and manifest.contributions.widgets


@pytest.mark.parametrize("opened", ["", "result.json"])
def test_a_result_is_opened(viewer, analysed, opened):
    folder, result = analysed
    viewer.open(folder / opened, plugin=PLUGIN)
    image, outlines = viewer.layers
    assert image.data.shape == outlines.data.shape == result.labels.shape
    assert image.scale.tolist() == [5, 5] and str(outlines.units[0]) == "nanometer"
    assert nm_per_pixel(image) == 5
    row = outlines.features.iloc[3]
    centre = 5 * row["centroid_y_px"], 5 * row["centroid_x_px"]
    shown = outlines.get_status(centre, world=True)["value"]
    assert f"label: {row['label']}" in shown and "min_feret_nm: " in shown
    assert len(outlines.features) == result.table["kept"].sum() > 100
    assert outlines.metadata["sentence"] == notification_manager.records[-1].message
    assert f"particles {result.table['kept'].sum()} counted" in outlines.metadata["sentence"]


def test_what_is_no_result_is_refused(viewer, tmp_path):
    with pytest.raises(Exception, match=r"(?i)no (compatible )?reader|not find|does not|unable|read"):
        viewer.open(tmp_path, plugin=PLUGIN)
    assert not viewer.layers


@pytest.mark.parametrize("where", [LIBRARY, SITE])
def test_an_open_image_is_analysed(viewer, widget, analysed, where):
    result = analysed[1]
    viewer.open(SAMPLE, plugin="napari")
    assert widget.size.text() == ""  # napari's own reader takes no scale from the file
    widget.where.setCurrentText(where)
    assert press(widget.analyse, widget).startswith(result.sentence.split(",")[0])
    image, aside, outlines = viewer.layers
    assert viewer.layers.selection.active is outlines and not aside.visible
    assert (aside.data + outlines.data == result.labels).all()
    assert outlines.features["label"].tolist() == result.table["label"][result.table["kept"]].tolist()
    assert image.scale.tolist() == outlines.scale.tolist() == [5, 5]
    assert outlines.metadata["sentence"] == widget.message.text().split("\n\n")[0]
    widget.reset_choices()
    viewer.layers.selection.active = image
    viewer.layers.selection.active = outlines
    assert outlines.metadata["sentence"] in widget.message.text()


@pytest.mark.parametrize("where", [LIBRARY, SITE])
def test_a_typed_scale_and_colours_and_none(viewer, widget, where):
    pixels = tifffile.imread(SAMPLE)[:300, :400]
    viewer.add_image(np.dstack([pixels] * 4), rgb=True, name="colours")
    widget.where.setCurrentText(where)
    assert "px." in press(widget.analyse, widget)
    assert [layer.scale.tolist() for layer in viewer.layers] == [[1, 1]] * len(viewer.layers)
    widget.size.setText("7.5")
    assert "nm" in press(widget.analyse, widget)
    assert viewer.layers[0].scale.tolist() == viewer.layers[-1].scale.tolist() == [7.5, 7.5]


def test_corrected_outlines_go_back_and_results_are_opened_by_their_id(viewer, widget):
    viewer.open(SAMPLE, plugin="napari")
    press(widget.analyse, widget)
    outlines = viewer.layers.selection.active
    gone = outlines.features["label"].iloc[0]
    outlines.data = np.where(outlines.data == gone, 0, outlines.data)
    shown = press(widget.send, widget)
    version = viewer.layers.selection.active
    assert f"The new version: {SITE_URL}/jobs/{version.metadata['job']}/" in shown
    assert (version.data == outlines.data).all() and len(version.features) == len(outlines.features) - 1
    viewer.layers.clear()
    widget.result.setText(f"{SITE_URL}/jobs/{version.metadata['job']}/")
    press(widget.open, widget)
    assert (viewer.layers[-1].data == version.data).all()


def test_a_layer_without_a_job_and_a_wrong_shape_are_not_sent(viewer, widget):
    assert "Select a layer of outlines" in press(widget.send, widget)
    viewer.open(SAMPLE, plugin="napari")
    press(widget.analyse, widget)
    viewer.layers.selection.active.data = np.zeros((3, 3), np.int32)
    assert "3" in press(widget.send, widget) and "The new version" not in widget.message.text()
    widget.address.setText("http://127.0.0.1:9")
    assert f"These outlines are of {SITE_URL}" in press(widget.send, widget)


def test_what_cannot_be_done_is_one_sentence(viewer, widget):
    def sentence_after(button=widget.analyse) -> str:
        sentence = press(button, widget)
        assert notification_manager.records[-1].message == sentence and "\n" not in sentence
        return sentence

    assert sentence_after() == "Open an image first."
    viewer.add_image(np.zeros((3, 40, 50)), name="stack")
    assert "“stack” has 3 dimensions" in sentence_after()
    viewer.layers.clear()
    viewer.open(SAMPLE, plugin="napari")
    widget.size.setText("wide")
    assert "“wide” is no length" in sentence_after()
    widget.size.setText("")
    widget.token.setText("deepsegm_wrong")
    assert "token" in sentence_after()
    widget.token.setText("")
    widget.address.setText("localhost")
    assert "begins with http" in sentence_after()
    widget.address.setText("http://127.0.0.1:9")
    assert "cannot be reached" in sentence_after()
    widget.address.setText(SITE_URL)
    widget.result.setText("00000000-0000-0000-0000-000000000000")
    assert sentence_after(widget.open)
    assert len(viewer.layers) == 1 and widget.analyse.isEnabled()


def test_the_scale_of_a_layer_is_offered_and_never_that_of_another(viewer, widget):
    viewer.add_image(np.zeros((40, 50)), name="µm", scale=(0.002, 0.002), units=("um", "um"))
    assert widget.size.text() == "2"
    viewer.add_image(np.zeros((40, 50)), name="none")
    widget.image.setCurrentText("none")
    assert widget.size.text() == ""
    viewer.add_image(np.zeros((40, 50)), name="oblong", scale=(2, 3), units=("nm", "nm"))
    widget.image.setCurrentText("oblong")
    assert widget.size.text() == ""
