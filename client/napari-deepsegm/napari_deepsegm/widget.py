"""The dock widget of napari: analyse an image layer, open a result of a site, send corrected
outlines."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import napari
import pint
from deepsegm_client import Client, DeepSegmError
from napari.layers import Image, Labels, Layer
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from . import analysis
from .analysis import Progress, TypedScale
from .layers import Outcome, Unusable, labels_layers

SITE, LIBRARY = "a site", "this computer"  # choices of where to analyse
FROM_FILE = "as the file or its bar says"
PROBLEMS = (DeepSegmError, Unusable, OSError, MemoryError)  # errors that are shown as one sentence
T = TypeVar("T")
PLACEMENT_OPTIONS = (
    "scale",
    "units",
    "translate",
    "rotate",
    "shear",
)  # options for the place of a layer


class Analyse(QWidget):  # type: ignore[misc]
    """The dock widget. Work runs in a thread, so that the window stays usable."""

    progressed = Signal(str, float)

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.image, self.where, self.kind, self.unit = (QComboBox() for _ in range(4))
        url = os.environ.get("DEEPSEGM_URL", "http://127.0.0.1:8000")
        self.address, self.token = QLineEdit(url), QLineEdit(os.environ.get("DEEPSEGM_TOKEN", ""))
        self.size, self.result = QLineEdit(), QLineEdit()
        self.analyse, self.open = QPushButton("Analyse"), QPushButton("Open")
        self.send = QPushButton("Send corrected outlines")
        self.message = QLabel()
        self._clients: dict[tuple[str, str], Client] = {}
        self._fill()
        self._arrange()
        self._connect()
        self.reset_choices()

    def _fill(self) -> None:
        """Set choices, placeholders and other properties of the fields."""
        self.where.addItems([SITE, LIBRARY] if analysis.has_library() else [SITE])
        self.kind.addItems(analysis.KINDS)
        self.unit.addItems(list(analysis.UNITS))
        self.size.setPlaceholderText(FROM_FILE)
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.token.setPlaceholderText("of your account page, or none")
        self.result.setPlaceholderText("id of a result of the site")
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.setTextFormat(Qt.TextFormat.PlainText)

    def _arrange(self) -> None:
        """Lay out the fields and buttons."""
        form, size_row, result_row = QFormLayout(), QHBoxLayout(), QHBoxLayout()
        size_row.addWidget(self.size)
        size_row.addWidget(self.unit)
        result_row.addWidget(self.result)
        result_row.addWidget(self.open)
        form.addRow("Image", self.image)
        form.addRow("Kind", self.kind)
        form.addRow("Scale", size_row)
        form.addRow("Where", self.where)
        form.addRow("Address", self.address)
        form.addRow("Token", self.token)
        form.addRow(self.analyse)
        form.addRow("Result", result_row)
        form.addRow(self.send)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.message)
        layout.addStretch()

    def _connect(self) -> None:
        """Connect signals with the methods that handle them."""
        self.image.currentIndexChanged.connect(self._show_scale)
        self.where.currentTextChanged.connect(self._show_site)
        self.analyse.clicked.connect(lambda: self._attempt(self._analyse))
        self.open.clicked.connect(lambda: self._attempt(self._open))
        self.send.clicked.connect(lambda: self._attempt(self._send))
        self.progressed.connect(self._show_progress)
        self.viewer.layers.selection.events.active.connect(self._show_active)

    def reset_choices(self, event: Any = None) -> None:
        """List the image layers again; napari calls this when layers are added, removed or
        moved."""
        chosen, layers = self.image.currentData(), self.viewer.layers
        images = [layer for layer in reversed(layers) if isinstance(layer, Image)]
        self.image.blockSignals(True)
        self.image.clear()
        for layer in images:
            self.image.addItem(layer.name, layer)
        if chosen in images:
            self.image.setCurrentIndex(images.index(chosen))
        self.image.blockSignals(False)
        if self.image.currentData() is not chosen:
            self._show_scale()

    def _show_scale(self) -> None:
        """Show the scale of the chosen layer, or an empty field if it has none."""
        nm = nm_per_pixel(self.image.currentData())
        self.size.setText("" if nm is None else f"{nm:.10g}")
        self.unit.setCurrentText(analysis.PIXEL)

    def _show_site(self) -> None:
        """Enable address and token only if a site analyses."""
        for field in (self.address, self.token):
            field.setEnabled(self.where.currentText() == SITE)

    def _show_active(self) -> None:
        """Show the sentence and the warnings of the selected layer."""
        layer = self.viewer.layers.selection.active
        if layer is not None and "sentence" in layer.metadata:
            sentences = (layer.metadata["sentence"], *layer.metadata.get("warnings", ()))
            self.message.setText("\n\n".join(map(str, sentences)))

    def _show_progress(self, stage: str, fraction: float) -> None:
        """Show the stage of the work, and its progress from 0 to 1."""
        self.message.setText(f"{stage} ({fraction:.0%})" if fraction else stage)

    def client(self) -> Client:
        """The client for the typed address and token; raises Unusable.

        It is kept: without a token its secret is needed to correct results later."""
        key = self.address.text(), self.token.text()
        if key not in self._clients:
            self._clients[key] = analysis.open_site(*key)
        return self._clients[key]

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do the action of a button, or show in one sentence why it is not possible."""
        try:
            action()
        except PROBLEMS as problem:
            self._fail(problem)

    def _analyse(self) -> None:
        """Analyse the chosen image layer, and show the result."""
        layer = self.image.currentData()
        if layer is None:
            raise Unusable("Open an image first.")
        data, path = finest_pixels(layer), layer.source.path
        picture = analysis.picture_of(data, layer.name, rgb=layer.rgb, path=path)
        size = TypedScale(self.size.text().strip(), self.unit.currentText())
        kind = self.kind.currentText()
        client = self.client() if self.where.currentText() == SITE else None

        def work(progress: Progress) -> Outcome:
            if client is None:
                return analysis.analyse_by_library(picture, kind, size, progress)
            return analysis.analyse_by_site(client, picture, kind, size, progress)

        self._run_in_thread(work, lambda outcome: self._add(outcome, layer))

    def _open(self) -> None:
        """Show the result of the site whose id was typed."""
        address, layer, client = self.result.text(), self.image.currentData(), self.client()
        self._run_in_thread(
            lambda progress: analysis.open_result(client, address, progress),
            lambda outcome: self._add(outcome, layer),
        )

    def _send(self) -> None:
        """Send the outlines of the selected layer to its site, and show the new version."""
        layer, client = self.viewer.layers.selection.active, self.client()
        if not isinstance(layer, Labels) or "job" not in layer.metadata:
            raise Unusable("Select a layer of outlines that came from a site.")
        if client.url != layer.metadata["site"]:
            raise Unusable(f"These outlines are of {layer.metadata['site']}: type its address.")
        job, labels = layer.metadata["job"], layer.data.copy()
        self._run_in_thread(
            lambda progress: analysis.send_outlines(client, job, labels, progress),
            lambda sent: self._add_version(sent, layer),
        )

    def _run_in_thread(self, work: Callable[[Progress], T], then: Callable[[T], None]) -> None:
        """Call `work` in a thread, then `then` with its result in the window's thread.

        Only one work runs at a time. Faults of the program are left to napari, which shows where
        they happened."""

        def guarded() -> Callable[[], None]:
            """Do the work; gives a function to call in the window's thread."""
            try:
                result = work(self.progressed.emit)
            except PROBLEMS as problem:
                return partial(self._fail, problem)
            return partial(then, result)

        self._set_busy(True)
        self.message.setText("Working ...")
        worker = create_worker(guarded, _start_thread=False)
        worker.returned.connect(lambda finish: finish())
        worker.errored.connect(lambda fault: self.message.setText(repr(fault)))
        worker.finished.connect(lambda: self._set_busy(False))
        worker.start()

    def _set_busy(self, is_busy: bool) -> None:
        """Disable the buttons while work runs."""
        for button in (self.analyse, self.open, self.send):
            button.setEnabled(not is_busy)

    def _fail(self, problem: Exception) -> None:
        """Show in one sentence why something is not possible."""
        self.message.setText(str(problem) or type(problem).__name__)
        show_error(self.message.text())

    def _add(self, outcome: Outcome, image: Image | None) -> None:
        """Add the layers of a result over its image, which gets the scale of the result.

        image: the chosen layer; one of another shape is not the image of the result."""
        over = image
        if image is None or finest_pixels(image).shape[:2] != outcome.labels.shape:
            over = None
        has_scale = nm_per_pixel(over) == outcome.nm_per_pixel
        if over is not None and outcome.nm_per_pixel is not None and not has_scale:
            over.scale, over.units = (outcome.nm_per_pixel,) * 2, ("nm", "nm")
        self._add_layers(outcome, over)
        if not has_scale:
            self.viewer.reset_view()

    def _add_version(self, sent: tuple[Outcome, str], corrected: Labels) -> None:
        """Add the layers of a new version over the corrected layer, and show the address of its
        page."""
        outcome, page = sent
        self._add_layers(outcome, corrected)
        self.message.setText(f"{self.message.text()}\n\nThe new version: {page}")

    def _add_layers(self, outcome: Outcome, over: Layer | None) -> None:
        """Add the layers of a result at the place of the layer `over`, select the outlines that
        count, and show their sentence."""
        placement = (
            {} if over is None else {name: getattr(over, name) for name in PLACEMENT_OPTIONS}
        )
        for data, options, _ in labels_layers(outcome, **placement):
            self.viewer.layers.selection.active = self.viewer.add_labels(data, **options)
        self._show_active()


def finest_pixels(image: Image) -> Any:
    """The pixels of an image layer; if it has several resolutions, the finest one."""
    return image.data[0] if image.multiscale else image.data


def nm_per_pixel(layer: Layer | None) -> float | None:
    """The size of a pixel of a layer in nm; None if its scale is no length, or differs between rows
    and columns."""
    if layer is None or layer.ndim != 2:
        return None
    try:
        sides = [
            float(pint.application_registry.Quantity(scale, unit).to("nm").magnitude)
            for scale, unit in zip(layer.scale, layer.units, strict=True)
        ]
    except pint.DimensionalityError:
        return None
    return sides[0] if abs(sides[0] - sides[1]) < 1e-9 * sides[0] else None
