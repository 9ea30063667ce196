"""`Person`, who uses the editor of outlines in a real browser, for test_correcting.py and test_editor_speed.py: makes
gestures, and measures their times."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import picture

PROBE = Path(__file__).with_name("probe.js")
SCREEN = {"width": 1280, "height": 800}
NOTCH_PX = 100  # of one step of the wheel; with `TURN` of viewport.js it magnifies by 1.28
TURN = 400
EDGE_PX = 2  # px of the screen: a press on the very edge of the canvas may land beside it
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

# Seconds of a person for pressing a key, aiming, one step of the wheel, and deciding: the keystroke-level model (Card,
# Moran and Newell 1980).
KEY, AIM, WHEEL, DECIDE = 0.25, 1.1, 0.1, 1.35
PEN_PX_PER_SECOND = 300.0  # speed of drawing, on the screen


def analyse_image(page: Any, name: str, content: bytes, **fields: str) -> str:
    """Analyse an image as the visitor of a page; returns the address of the finished result."""
    _get_cookie(page)
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    file = {"name": name, "mimeType": "image/png", "buffer": content}
    headers = {"X-CSRFToken": token, "X-Requested-With": "DeepSegm"}
    answer = page.request.post("/api/v1/jobs", multipart={"file": file, **fields}, headers=headers, timeout=120_000)
    assert answer.status == 202, answer.text()
    job = answer.json()
    while job["state"] not in ("done", "failed"):
        page.wait_for_timeout(1000)
        job = page.request.get(job["url"]).json()
    assert job["state"] == "done", job["error"]
    return str(job["page"])


def _get_cookie(page: Any) -> None:
    """Send a first upload, so that the browser gets the cookie that makes it the owner of its results."""
    page.goto("/")
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    file = {"name": "first.png", "mimeType": "image/png", "buffer": picture()}
    answer = page.request.post("/", multipart={"file": file}, headers={"X-CSRFToken": token})
    assert answer.ok, answer.text()


def quantiles(values: Sequence[float], *shares: float) -> list[float]:
    return [float(value) for value in np.percentile(values, [100 * share for share in shares])] if values else []


def load_now() -> str:
    return f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


class Refused(Exception):
    """The editor said that a correction is impossible, and why."""


class Person:
    """A simulated person at the editor. Points are in pixels of the image.

    human: seconds that a person would need for the gestures so far. waited: seconds of waiting for new numbers.
    gestures: number of keys, clicks, lines and turns of the wheel.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.human = self.waited = 0.0
        self.gestures = 0

    def open(self) -> float:
        """Press Correct; returns the seconds until the editor can be used."""
        began = self.now()
        self.page.locator("[data-correct]").click()
        self.page.locator("[data-tools].ready:not([hidden])").wait_for()
        seconds = (self.now() - began) / 1000
        self.page.evaluate("probe.watch(document)")
        self.until("drawn")
        self.box = self.page.locator("#viewer canvas").bounding_box()
        return float(seconds)

    def until(self, state: str) -> None:
        try:
            self.page.evaluate(f"probe.until('{state}')")
        except Exception as error:
            raise AssertionError(f"{error}; the editor says: {self.message}") from error

    def now(self) -> float:
        return float(self.page.evaluate("performance.now()"))

    @property
    def view(self) -> dict[str, float]:
        view: dict[str, float] = self.page.evaluate("probe.view")
        return view

    def at(self, point: Point) -> Point:
        """The position of a point of the image on the screen."""
        view = self.view
        x, y = ((point[i] - view["xy"[i]]) * view["scale"] for i in (0, 1))
        return self.box["x"] + x, self.box["y"] + y

    # ---- gestures -------------------------------------------------------------------------------

    def _count_gesture(self, seconds: float) -> None:
        self.human += seconds
        self.gestures += 1

    def key(self, name: str) -> None:
        self._count_gesture(KEY)
        self.page.keyboard.press(name)

    def click(self, point: Point, *, add: bool = False) -> None:
        self._count_gesture(AIM + (KEY if add else 0.0))
        if add:
            self.page.keyboard.down("Shift")
        self.page.mouse.click(*self.at(point))
        if add:
            self.page.keyboard.up("Shift")

    def line(self, points: Sequence[Point], apart: float = 4.0) -> None:
        """Draw from point to point, within the canvas; the mouse is seen at most every `apart` pixels of the screen."""
        first, size = (np.array([self.box[name] for name in names]) for names in ("xy", ("width", "height")))
        places = [tuple(np.clip(self.at(point), first + EDGE_PX, first + size - EDGE_PX)) for point in points]
        mouse, length = self.page.mouse, 0.0
        mouse.move(*places[0])
        mouse.down()
        for before, end in pairwise(places):
            step = math.dist(before, end)
            length += step
            mouse.move(*end, steps=max(1, round(step / apart)))
        mouse.up()
        self._count_gesture(AIM + length / PEN_PX_PER_SECOND)

    def look_at(self, box: Box, least: float = 40.0, wanted: float = 90.0) -> None:
        """Zoom with the wheel and drag with Space until a box of the image is visible and at least `least` px
        large on the screen; `wanted`: its size after zooming."""
        middle, size = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), max(box[2] - box[0], box[3] - box[1])
        if self._hidden(box) != (0, 0):
            self.key("0")
        extent = size * self.view["scale"]
        if extent < least:
            notches = math.ceil(TURN * math.log(wanted / extent) / NOTCH_PX)
            self.page.mouse.move(*self.at(middle))
            for _ in range(notches):
                self.page.mouse.wheel(0, -NOTCH_PX)
            self._count_gesture(AIM + WHEEL * notches)
            self.rest()
        dx, dy = self._hidden(box)
        if (dx, dy) != (0, 0):
            x, y = self.box["x"] + self.box["width"] / 2, self.box["y"] + self.box["height"] / 2
            self.page.keyboard.down(" ")
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            self.page.mouse.move(x + dx, y + dy, steps=5)
            self.page.mouse.up()
            self.page.keyboard.up(" ")
            self._count_gesture(KEY + AIM + math.hypot(dx, dy) / PEN_PX_PER_SECOND)
            self.rest()

    def _hidden(self, box: Box) -> Point:
        """How far a box would have to move on the screen to be seen whole."""
        left, top = self.at((box[0], box[1]))
        right, bottom = self.at((box[2], box[3]))
        stage = self.box
        moves = [
            max(0.0, stage[start] - least) - max(0.0, most - stage[start] - stage[length])
            for least, most, start, length in ((left, right, "x", "width"), (top, bottom, "y", "height"))
        ]
        return moves[0], moves[1]

    def rest(self) -> None:
        """Wait until the picture does not move any more."""
        self.page.wait_for_timeout(60)
        self.until("drawn")

    @contextmanager
    def corrects(self) -> Iterator[dict[str, float]]:
        """A block whose last gesture corrects: waits at its end until the correction is visible and saved. Gives a
        dictionary with the times in ms from the end of that gesture. Raises Refused.
        """
        took: dict[str, float] = {}
        yield took
        self.until("answered")
        if not self.page.evaluate("probe.is.settled()"):
            raise Refused(self.message)
        took |= self.page.evaluate("""() => {
            const after = (name) => probe[name] - probe.gesture;
            return {shown: after("shown"), outlines: after("drawn"), saved: after("saved")};
        }""")
        self.waited += took["shown"] / 1000

    def chooses(self) -> None:
        """Wait until the clicked object is chosen."""
        self.until("chosen")

    @property
    def message(self) -> str:
        return str(self.page.locator("[data-readout]").inner_text())
