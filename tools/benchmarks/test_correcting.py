"""Measures how long a person takes to correct true errors of the model, and how good the outlines are then. It prints
the times, and asserts only that corrections make outlines better.

The images are those of EMPS that the shipped model's recipe holds out (../shared/data/particles/emps-train). Browser,
server and worker are real. The person is simulated: the errors are known from the ground truth, the times of gestures
are those of correcting.py, and drawn lines have errors of a pixel or two on the screen.

Run: make benchmarks ARGS=tools/benchmarks/test_correcting.py (about 6 minutes)
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours

from segmentation.core.masks.truth import BadDataset
from segmentation.core.measure.objects.matching import Kind, count_pairs, error_kinds, overlap_of, pairs, without_specks
from segmentation.lab.training.data import held_out_pairs
from segmentation.lab.training.settings import read_recipe

from .correcting import DECIDE, PROBE, SCREEN, Box, Person, Point, Refused, analyse_image, load_now, quantiles

pytestmark = pytest.mark.benchmark
ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "segmentation" / "lab" / "recipes" / "particles.toml"
CORRECTIONS_WANTED = 50  # the test ends after the image with this correction
RIGHT = 0.5  # IoU
TREMOR = 1.0  # px of the screen, SD of a hand that draws
POINT_DISTANCE = 8.0  # px of the screen between the points of a drawn line
Labels = NDArray[np.int32]


@dataclass
class Correction:
    """A correction of one error. key: its kind and ids. human: seconds of the person's gestures. waited: seconds of
    waiting. right: whether the true particles of the error have right outlines now."""

    kind: str
    key: tuple[Any, ...]
    human: float = 0.0
    waited: float = 0.0
    gestures: int = 0
    right: bool = False


@dataclass
class Score:
    hits: int = 0
    found: int = 0
    true: int = 0

    def add(self, labels: Labels, truth: Labels) -> None:
        hits, spurious, missed = count_pairs(overlap_of(labels, truth).iou, RIGHT)
        self.hits, self.found, self.true = self.hits + hits, self.found + hits + spurious, self.true + hits + missed

    @property
    def f1(self) -> float:
        return 2 * self.hits / max(1, self.found + self.true)


# ---- what is wrong ------------------------------------------------------------------------------


@dataclass(frozen=True)
class OutlineError:
    """An error of the outlines: its kind, and the ids of the true and of the found objects that it concerns."""

    kind: str
    true: tuple[int, ...] = ()
    found: tuple[int, ...] = ()


def errors(labels: Labels, truth: Labels) -> list[OutlineError]:
    """The errors of the outlines at an IoU of 0.5, in the order in which a person corrects them."""
    overlap = overlap_of(labels, truth)
    kinds, iou, (true_ids, found_ids) = error_kinds(overlap), overlap.iou, (overlap.true_ids, overlap.found_ids)
    listed: list[OutlineError] = []
    for t in np.flatnonzero(kinds.of_true == Kind.MERGED):
        f = int(overlap.common[t].argmax())
        other = max((index for index in range(len(true_ids)) if index != t), key=lambda index: overlap.common[index, f])
        listed.append(OutlineError("two in one", (int(true_ids[t]), int(true_ids[other])), (int(found_ids[f]),)))
    mostly = overlap.common > 0.5 * overlap.found_area
    for t in range(len(true_ids)):
        pieces = np.flatnonzero(mostly[t])
        if len(pieces) > 1 and (kinds.of_found[pieces] == Kind.SPLIT).any():
            listed.append(OutlineError("in pieces", (int(true_ids[t]),), tuple(int(found_ids[f]) for f in pieces)))
    invented, missed = kinds.of_found == Kind.FALSE_POSITIVE, kinds.of_true == Kind.FALSE_NEGATIVE
    listed += [OutlineError("invented", (), (int(found_ids[f]),)) for f in np.flatnonzero(invented)]
    listed += [OutlineError("missed", (int(true_ids[t]),)) for t in np.flatnonzero(missed)]
    for t in np.flatnonzero((kinds.of_true == Kind.LOW_IOU) & (iou.max(1, initial=0) < RIGHT)):
        f = int(iou[t].argmax())
        listed.append(OutlineError("bad outline", (int(true_ids[t]),), (int(found_ids[f]),)))
    return listed


def outlined(labels: Labels, truth: Labels, ids: tuple[int, ...]) -> bool:
    """Whether each of these true particles has a right outline."""
    overlap = overlap_of(labels, truth)
    hit = overlap.true_ids[pairs(overlap.iou, RIGHT)[0]]
    return bool(np.isin(ids, hit).all())


# ---- where a person aims ------------------------------------------------------------------------


def inside(mask: NDArray[np.bool_]) -> Point:
    """The point of a mask that is farthest from its edge."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return float(x) + 0.5, float(y) + 0.5


def around(mask: NDArray[np.bool_]) -> Box:
    rows, columns = ndimage.find_objects(mask.astype(np.int8))[0]
    return float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)


def outline(mask: NDArray[np.bool_], scale: float, random: np.random.Generator) -> list[Point]:
    """Points around the largest piece of a mask, as a hand draws them. scale: px of the screen for a px of the
    image."""
    line = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len)[:, ::-1] - 0.5
    passed = np.concatenate([[0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    places = np.arange(0, passed[-1], min(POINT_DISTANCE / scale, passed[-1] / 8))
    points = np.stack([np.interp(places, passed, line[:, axis]) for axis in (0, 1)], 1)
    points += random.normal(0, TREMOR / scale, points.shape)
    return [(float(x), float(y)) for x, y in [*points, points[0]]]


def cut(piece: NDArray[np.bool_], two: NDArray[np.bool_], both: NDArray[np.bool_]) -> list[Point]:
    """A line between two parts of an object, from background to background."""
    a, b = (np.array(ndimage.center_of_mass(mask)) for mask in (piece, two))
    near = [ndimage.distance_transform_edt(~mask) for mask in (piece, two)]
    along = [a + (b - a) * share for share in np.linspace(0, 1, 60)]
    middle = min(along, key=lambda at: abs(near[0][tuple(at.astype(int))] - near[1][tuple(at.astype(int))]))
    across = np.array([b[1] - a[1], a[0] - b[0]]) / max(1.0, np.hypot(*(b - a)))
    ends = []
    for way in (across, -across):
        at = middle
        while all(0 <= at[i] < both.shape[i] for i in (0, 1)) and both[tuple(at.astype(int))]:
            at = at + way
        ends.append((at + 2 * way)[::-1] + 0.5)
    return [(float(x), float(y)) for x, y in ends]


# ---- the person ---------------------------------------------------------------------------------


@dataclass
class Corrector:
    """Corrects the outlines of one image. job: address of the job in the API. truth: (H, W)."""

    person: Person
    job: str
    truth: Labels
    tool: str = "v"
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4))

    def labels(self) -> Labels:
        answer = self.person.page.request.get(f"{self.job}/labels")
        assert answer.ok, answer.text()
        labels: Labels = tifffile.imread(io.BytesIO(answer.body())).astype(np.int32)
        return labels

    def use(self, tool: str) -> None:
        if tool != self.tool:
            self.person.key(tool)
        self.tool = tool

    def try_gesture(self, gesture: Callable[[], None]) -> bool:
        """Make the last gesture of a correction; returns whether the editor accepted it."""
        with suppress(Refused), self.person.corrects():
            gesture()
            return True
        return False

    def undo(self) -> None:
        self.try_gesture(lambda: self.person.key("Control+z"))

    def correct(self, wrong: OutlineError) -> Correction:
        person, done = self.person, Correction(wrong.kind, (wrong.kind, wrong.true or wrong.found))
        before = person.human, person.waited, person.gestures
        METHOD_BY_KIND[wrong.kind](self, wrong, self.labels())
        after = person.human, person.waited, person.gestures
        done.human, done.waited, done.gestures = (b - a for a, b in zip(before, after, strict=True))
        labels = self.labels()
        gone = not np.isin(wrong.found, labels).any()
        done.right = outlined(labels, self.truth, wrong.true) if wrong.true else gone
        return done

    def choose(self, ids: tuple[int, ...], labels: Labels) -> None:
        self.use("v")
        for number, label in enumerate(ids):
            self.person.click(inside(labels == label), add=number > 0)
            self.person.chooses()

    def delete(self, wrong: OutlineError, labels: Labels) -> None:
        self.look(labels == wrong.found[0], least=16)
        self.choose(wrong.found, labels)
        self.try_gesture(lambda: self.person.key("Delete"))

    def merge(self, wrong: OutlineError, labels: Labels) -> None:
        self.look(np.isin(labels, wrong.found), least=30)
        self.choose(wrong.found, labels)
        self.try_gesture(lambda: self.person.key("m"))

    def split(self, wrong: OutlineError, labels: Labels) -> None:
        whole = labels == wrong.found[0]
        piece, two = (whole & (self.truth == label) for label in wrong.true)
        self.look(whole, least=40)
        self.use("s")
        self.person.click(inside(piece))
        self.person.page.locator("[data-readout].told").wait_for()
        if self.try_gesture(lambda: self.person.click(inside(two))):
            if outlined(self.labels(), self.truth, wrong.true):
                return
            self.undo()
        self.person.key("Escape")
        if self.try_gesture(lambda: self.person.line(cut(piece, two, whole))) and not self.better(labels):
            self.undo()

    def add(self, wrong: OutlineError, labels: Labels) -> None:
        missed = self.truth == wrong.true[0]
        ground = missed & (labels == 0)
        self.look(missed, least=24)
        self.use("a")
        if ground.any() and self.try_gesture(lambda: self.person.click(inside(ground))):
            if outlined(self.labels(), self.truth, wrong.true):
                return
            self.undo()
        self.look(missed, least=60)
        self.person.key("Escape")
        self.use("d")
        self.try_gesture(lambda: self.person.line(outline(missed, self.person.view["scale"], self.random)))

    def redraw(self, wrong: OutlineError, labels: Labels) -> None:
        true = self.truth == wrong.true[0]
        self.look(true | (labels == wrong.found[0]), least=60)
        self.choose(wrong.found, labels)
        self.person.key("r")
        self.tool = "d"
        self.try_gesture(lambda: self.person.line(outline(true, self.person.view["scale"], self.random)))

    def look(self, mask: NDArray[np.bool_], least: float) -> None:
        self.person.look_at(around(mask), least=least, wanted=1.6 * least)

    def better(self, before: Labels) -> bool:
        was, score = Score(), Score()
        was.add(before, self.truth)
        score.add(self.labels(), self.truth)
        return score.f1 > was.f1


METHOD_BY_KIND: dict[str, Callable[[Corrector, OutlineError, Labels], None]] = {
    "invented": Corrector.delete,
    "in pieces": Corrector.merge,
    "two in one": Corrector.split,
    "missed": Corrector.add,
    "bad outline": Corrector.redraw,
}


# ---- the benchmark ------------------------------------------------------------------------------


def test_true_errors_are_corrected_by_hand(chromium: Any, site: str) -> None:
    before, after, made, images = Score(), Score(), list[Correction](), 0
    for image, truth in held_out():
        if len(made) >= CORRECTIONS_WANTED:
            break
        context = chromium.new_context(viewport=SCREEN, base_url=site)
        context.add_init_script(path=PROBE)
        page = context.new_page()
        page.goto(analyse_image(page, "image.png", image))
        job = page.url.replace("/jobs/", "/api/v1/jobs/").split("#")[0].rstrip("/")
        corrector = Corrector(Person(page), job, truth)
        first = corrector.labels()
        if errors(first, truth):
            images += 1
            before.add(first, truth)
            made += corrected(corrector)
            after.add(corrector.labels(), truth)
            table(made, images, before, after)
        context.close()
    assert after.f1 > before.f1


def held_out() -> Iterator[tuple[bytes, Labels]]:
    """PNG and truth of each held-out image, in the order of their names."""
    recipe = read_recipe(RECIPE)
    recipe = recipe.model_copy(update={"sources": [source for source in recipe.sources if source.kind == "folder"]})
    try:
        images = held_out_pairs(recipe, ROOT)
    except (BadDataset, FileNotFoundError) as error:
        pytest.skip(f"the images of EMPS are not there: {error}")
    for pair in sorted(images, key=lambda image: image.name):
        _, truth = pair.load()
        file = io.BytesIO()
        Image.open(pair.image).save(file, "PNG")
        yield file.getvalue(), without_specks(truth)


def corrected(corrector: Corrector) -> list[Correction]:
    """Correct all errors of an image, each once; returns the corrections."""
    corrector.person.open()
    made: list[Correction] = []
    tried = Counter[Any]()
    while todo := [
        error
        for error in errors(corrector.labels(), corrector.truth)
        if tried[error.kind, error.true or error.found] < 1
    ]:
        made.append(corrector.correct(todo[0]))
        tried[made[-1].key] += 1
    return made


def table(made: list[Correction], images: int, before: Score, after: Score) -> None:
    print(f"\n{len(made)} corrections on {images} held-out images of EMPS; {load_now()}")
    print(f"F1 at 0.5: {before.f1:.3f} before, {after.f1:.3f} after; {before.true} true particles (aim > 0.95)")
    print("median / p90: s of the hand's gestures and of waiting; the same with 1.35 s to decide; gestures")
    for kind in [*METHOD_BY_KIND, "all"]:
        corrections = [correction for correction in made if kind in (correction.kind, "all")]
        if not corrections:
            continue
        seconds = quantiles([correction.human + correction.waited for correction in corrections], 0.5, 0.9)
        waited = quantiles([correction.waited for correction in corrections], 0.5, 0.9)
        gestures = quantiles([correction.gestures for correction in corrections], 0.5, 0.9)
        right = sum(correction.right for correction in corrections)
        print(
            f"  {kind:12s} {len(corrections):3d}, {right:3d} right   {seconds[0]:5.2f} / {seconds[1]:5.2f} s"
            f"   {DECIDE + seconds[0]:5.2f} / {DECIDE + seconds[1]:5.2f} s"
            f"   of them waiting {waited[0]:.2f} / {waited[1]:.2f} s   {gestures[0]:.0f} / {gestures[1]:.0f} gestures"
        )
