"""Whole pictures: labels and depth are exact, every option works, the same seed gives the same picture."""

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from segmentation.lab.training.synthesis import scene as scene_module
from segmentation.lab.training.synthesis.bodies import FAMILIES
from segmentation.lab.training.synthesis.draw import CONDITIONS, DIAMETERS, distributions, draw_settings
from segmentation.lab.training.synthesis.exposure import with_drift
from segmentation.lab.training.synthesis.render import random_rendering, render, rendering_of, shade_transmission
from segmentation.lab.training.synthesis.scene import Scene, build_scene, split_pieces, visible_labels
from segmentation.lab.training.synthesis.settings import (
    BadSetting,
    MatSettings,
    SupportSettings,
    checked_value,
    every_setting,
    limits,
    parse_fixed,
)
from segmentation.lab.training.synthesis.settings import options as choices_of
from segmentation.lab.training.synthesis.substrate import PATTERNS
from segmentation.lab.training.synthesis.support import amorphous, lattice, support_mass, without_invisible

# test_synthesis draws one whole picture in every run of the tests.
pytestmark = pytest.mark.slow
CLEAN = {"annotation": "none", "drift": 0}
KINDS, SUPPORTS, TEXTURES = (choices_of(every_setting()[name]) for name in ("kind", "support", "texture"))


def rendered(seed=0, shape=(120, 140), **fixed):
    return random_rendering(shape, np.random.default_rng(seed), fixed)


def options():
    """Every value of every setting that is a choice."""
    return [(name, value) for name, setting in every_setting().items() for value in choices_of(setting)]


def ends():
    """Both ends of the range of every setting that is a number; the diameter has its own test."""
    numbers = {name: s for name, s in every_setting().items() if not choices_of(s) and name != "diameter"}
    return [(name, end) for name, setting in numbers.items() for end in limits(setting)]


@pytest.mark.parametrize("family", ["rounded", "sphere", "rod"])
@pytest.mark.parametrize("stacking", [0, 1])
def test_the_visible_body_is_the_highest(monkeypatch, family, stacking):
    """Against an independent painter: all bodies at their places, the highest wins."""
    put, paint = [], scene_module._paint

    def record(body, spot, canvas):
        put.append((body, spot))
        paint(body, spot, canvas)

    monkeypatch.setattr(scene_module, "_paint", record)
    fixed = {"family": family, "stacking": stacking, "overlap": 0.8, "diameter": 18, "cover": 2, "kind": "sem"}
    fixed["layout"] = "random"
    scene = build_scene((100, 130), draw_settings(np.random.default_rng(1), fixed).scene, np.random.default_rng(2))
    height, owner, mass = np.zeros((100, 130), np.float32), np.zeros((100, 130), np.int32), np.zeros((100, 130))
    for number, (body, spot) in enumerate(put, start=1):
        for row in range(spot.outer[0].start, spot.outer[0].stop):
            for column in range(spot.outer[1].start, spot.outer[1].stop):
                at = row - spot.outer[0].start + spot.inner[0].start, column - spot.outer[1].start + spot.inner[1].start
                if np.isfinite(body.top[at]):
                    mass[row, column] += body.mass[at]
                    if body.top[at] + np.float32(spot.lift) > height[row, column]:
                        height[row, column] = body.top[at] + np.float32(spot.lift)
                        owner[row, column] = number
    assert len(put) > 5
    assert np.array_equal(scene.owner, owner) and np.array_equal(scene.height, height)
    assert np.allclose(scene.thickness, mass, atol=1e-2)


@pytest.mark.parametrize("seed", range(6))
def test_depth_and_labels_agree(seed):
    done = rendered(seed, (150, 150), kind="sem", diameter=20, cover=1.2, **CLEAN)
    assert done.depth.dtype == np.float32 and done.labels.dtype == np.int32 and done.grey.dtype == np.uint8
    assert (done.depth[done.labels > 0] > 0).all()
    slivers = (done.labels == 0) & (done.depth > 0)
    assert slivers.mean() < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_every_label_is_one_piece_and_no_sliver(seed):
    done = rendered(seed, (150, 150), kind="sem", diameter=25, cover=1.5, overlap=1, stacking=1)
    assert np.array_equal(np.unique(done.labels[done.labels > 0]), np.arange(1, done.labels.max() + 1))
    for number in range(1, done.labels.max() + 1):
        piece = done.labels == number
        assert piece.sum() >= 6 and ndimage.label(piece)[1] == 1


@pytest.mark.parametrize(("name", "value"), options(), ids=str)
def test_every_option_renders(name, value):
    kind = {"kind": "supported"} if name == "support" else {}
    done = rendered(3, **{"diameter": 30, name: value}, **kind)
    assert done.settings.flat()[name] == value
    assert done.grey.shape == (120, 140) and done.grey.std() > 0
    assert (done.labels.max() > 0) == (done.settings.scene.kind != "blank")


@pytest.mark.parametrize(("name", "value"), ends(), ids=str)
def test_the_ends_of_every_range_render(name, value):
    kind = {"suppor": {"kind": "supported"}, "lattic": {"kind": "hrtem"}, "amorph": {"kind": "hrtem"}}
    done = rendered(5, (64, 72), **{"diameter": 20, name: value}, **kind.get(name[:6], {}))
    assert done.grey.shape == (64, 72) and np.isfinite(done.depth).all()
    assert done.settings.flat()[name] == value


@pytest.mark.parametrize("kind", ["sem", "transmission"])
@pytest.mark.parametrize("diameter", [5, 400])
def test_particles_from_5_to_400_px(kind, diameter):
    done = rendered(
        1, (512, 512), kind=kind, diameter=diameter, spread=0.05, family="sphere", cover=0.3, law="log-normal", **CLEAN
    )
    areas = np.bincount(done.labels.ravel())[1:]
    whole = np.pi / 4 * diameter**2
    assert len(areas) >= 1 and areas.max() == pytest.approx(whole, rel=0.6)
    assert areas.max() > 0.4 * whole


def test_tiny_pictures_and_particles_larger_than_the_frame():
    assert rendered(0, (32, 40), kind="sem", diameter=300).labels.max() >= 1
    assert rendered(0, (40, 32), diameter=3).grey.shape == (40, 32)


def test_the_same_seed_gives_the_same_picture():
    scene, other = (rendered(11, diameter=20) for _ in range(2))
    assert np.array_equal(scene.grey, other.grey) and np.array_equal(scene.labels, other.labels)
    assert np.array_equal(scene.depth, other.depth) and scene.settings == other.settings
    assert not np.array_equal(scene.grey, rendered(12, diameter=20).grey)
    repeat = rendering_of((120, 140), scene.settings, np.random.default_rng(1))
    assert np.array_equal(repeat.grey, rendering_of((120, 140), scene.settings, np.random.default_rng(1)).grey)


def test_textured_large_particles_have_one_label():
    for relief in ("grain", "bumps", "pits", "stripes", "debris"):
        fixed = {"family": "sphere", "diameter": 90, "overlap": 0, "mixing": 0, "relief": relief, "relief_height": 0.05}
        done = rendered(
            4, (128, 128), kind="sem", cover=0.01, law="log-normal", spread=0, layout="random", **fixed, **CLEAN
        )
        assert done.labels.max() == 1


def test_without_overlap_every_outline_is_whole():
    fixed = {"family": "sphere", "overlap": 0, "diameter": 20, "cover": 0.6, "layout": "random", "mixing": 0}
    labels = rendered(6, (200, 200), law="log-normal", spread=0.05, **fixed, **CLEAN).labels
    free = np.setdiff1d(labels, np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    areas = np.bincount(labels.ravel())[free]
    assert len(free) > 10 and areas.min() > 0.6 * np.pi / 4 * 20**2


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_pattern_of_the_substrate_is_seen_but_never_labelled(texture):
    fixed = {"kind": "sem", "cover": 0.3, "texture_contrast": 0.4, **CLEAN}
    plain, patterned = rendered(3, texture="none", **fixed), rendered(3, texture=texture, **fixed)
    assert np.array_equal(plain.labels, patterned.labels) and plain.labels.any()
    assert np.array_equal(plain.grey, patterned.grey) == (texture == "none")


def test_contours_are_thin_rims_some_of_them_closed():
    closed = 0
    for seed in range(6):
        rims = PATTERNS["contours"]((200, 240), 24, np.random.default_rng(seed)) > 1
        assert 0 < rims.mean() < 0.4 and ndimage.distance_transform_edt(rims).max() < 5
        gaps, count = ndimage.label(~rims)
        outer = np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))
        closed += (np.bincount(gaps.ravel(), minlength=count + 1)[1:] > 20).sum() - (outer > 0).sum()
    assert closed > 6


def test_polarity_and_kind_are_what_was_asked_for():
    for kind, (polarity, brighter) in product(("sem", "transmission"), (("bright", True), ("dark", False))):
        fixed = {"kind": kind, "polarity": polarity, "contrast": 0.6, "texture": "none", "holes": 0, "patches": 0}
        right = []
        for seed in range(3):
            done = rendered(seed, family="rounded", diameter=22, cover=0.3, overlap=0.1, **fixed, **CLEAN)
            inside = done.labels > 0
            right.append((done.grey[inside].mean() > done.grey[~inside].mean()) == brighter)
        assert np.mean(right) > 0.8, (kind, polarity)


def test_render_turns_particles_bright():
    rng = np.random.default_rng(5)
    brighter = []
    for _ in range(20):
        grey, labels = render((128, 128), rng, fixed={"diameter": 24})
        if (labels > 0).any() and (labels == 0).any():
            brighter.append(grey[labels > 0].mean() > grey[labels == 0].mean())
    assert np.mean(brighter) > 0.85


def test_blank_pictures_have_no_label_and_vary():
    rng = np.random.default_rng(2)
    pictures = [random_rendering((96, 96), rng, {"kind": "blank"}) for _ in range(12)]
    assert not any(p.labels.any() or p.depth.any() for p in pictures)
    assert all(p.grey.std() > 0 for p in pictures)


def test_annotations_are_never_labelled():
    boxes = 0
    for seed in range(3):
        fixed = {"kind": "sem", "diameter": 30, "cover": 1.5, "layout": "random", "drift": 0}
        plain, annotated = (rendered(seed, (160, 160), **fixed, annotation=what) for what in ("none", "scale-bar"))
        hidden = (plain.labels > 0) & (annotated.labels == 0)
        assert not annotated.depth[hidden].any() and (annotated.grey != plain.grey).any()
        boxes += hidden.any()
    assert boxes


def test_drift_moves_picture_and_truth_together():
    field = np.tile(np.arange(60, dtype=np.float32), (80, 1))
    moved, also = with_drift([field, field.astype(np.int32)], 3.0, np.random.default_rng(1))
    assert np.array_equal(moved, also) and not np.array_equal(moved, field)


def test_every_visible_piece_is_one_label_and_slivers_go_to_their_host():
    owner = np.zeros((30, 30), np.int32)
    owner[2:12, 2:28] = 1
    owner[2:12, 14:17] = 2  # cuts particle 1 in two
    owner[20, 20] = 3  # a sliver of its own
    owner[5, 27] = 4  # a sliver at the edge of particle 1
    labels = visible_labels(owner, smallest=12)
    assert labels.max() == 3 and labels[20, 20] == 0
    assert labels[5, 5] != labels[5, 25] == labels[5, 27] > 0
    of_each = visible_labels(owner, np.array([0, 12, 31, 12, 12]))
    assert of_each.max() == 2 and (of_each[2:12, 14:17] > 0).all(), "under 31 px, particle 2 is a sliver"


def test_a_thin_crescent_between_two_particles_is_no_particle():
    owner = np.zeros((40, 40), np.int32)
    owner[5:35, 5:20], owner[5:35, 20:22], owner[5:35, 22:36] = 1, 2, 3
    labels = visible_labels(owner)
    assert labels.max() == 2 and (labels[5:35, 5:36] > 0).all()


def test_split_pieces_counts_pieces_of_equal_label():
    labels = np.array([[1, 0, 1], [2, 2, 0]], np.int32)
    assert split_pieces(labels).tolist() == [[1, 0, 2], [3, 3, 0]]


def test_settings_stay_in_their_ranges():
    for seed in range(150):
        settings = draw_settings(np.random.default_rng(seed))
        for name, value in settings.flat().items():
            assert checked_value(name, value) == value
        assert DIAMETERS[0] <= settings.scene.diameter <= DIAMETERS[1]


def test_every_family_is_drawn():
    assert all(set(row["pick"]) == set(FAMILIES) for row in distributions()["every"]["family"])


def test_the_distributions_are_of_settings_and_known_conditions():
    usual = set(every_setting()) - set(SupportSettings.model_fields) - set(MatSettings.model_fields)
    for kind, table in distributions().items():
        assert set(table) == usual if kind == "every" else set(table) < set(every_setting())
        rows = [row for value in table.values() for row in (value if isinstance(value, list) else [value])]
        assert {row["when"] for row in rows if isinstance(row, dict) and "when" in row} <= set(CONDITIONS)


def test_a_seed_gives_the_settings_that_it_always_gave():
    """A change of it changes the pictures of each recipe that renders: its card names the commit of the code."""
    drawn = [draw_settings(np.random.default_rng(seed), {"kind": kind}) for seed, kind in enumerate(KINDS)]
    assert [settings.scene.diameter for settings in drawn] == pytest.approx(
        [8.397107016096, 8.984455652741, 10.47367511367, 44.07405400206, 15.30632503782, 102.497614358], rel=1e-12
    )
    assert [settings.exposure.gain for settings in drawn] == pytest.approx(
        [117.5994871233, 198.110592873, 116.0641964883, 215.9641581339, 200.191742555, 152.1365518742], rel=1e-10
    )


def test_fixing_one_setting_leaves_the_others():
    free = draw_settings(np.random.default_rng(3)).flat()
    fixed = draw_settings(np.random.default_rng(3), {"jpeg": 60, "clusters": 4.0}).flat()
    assert {k for k in free if free[k] != fixed[k]} <= {"jpeg", "clusters"}
    assert fixed["jpeg"] == 60


@pytest.mark.parametrize(
    ("entry", "says"),
    [("cover", "not NAME=VALUE"), ("sparkle=1", "no setting 'sparkle'"), ("cover=9", "0.001 to 6"),
     ("cover=nan", "0.001 to 6"), ("jpeg=80.5", "5 to 100"), ("layout=heap", "random, clustered, packed")],
)  # fmt: skip
def test_impossible_settings_are_named(entry, says):
    with pytest.raises(BadSetting, match=says):
        parse_fixed([entry])


def test_possible_settings_are_read():
    assert parse_fixed(["cover = 0.5", "jpeg=80", "layout=packed"]) == {"cover": 0.5, "jpeg": 80, "layout": "packed"}


@pytest.mark.parametrize("kind", ["supported", "hrtem"])
def test_kinds_of_their_own_draw_their_own_settings_and_can_be_fixed(kind):
    done = [rendered(seed, (96, 96), kind=kind, support_size=4.0, diameter=12) for seed in range(6)]
    assert all(picture.settings.scene.kind == kind and picture.settings.support.support_size == 4 for picture in done)
    assert len({picture.settings.exposure.defocus for picture in done}) == 6, "what is not fixed is drawn"
    assert any(picture.labels.any() for picture in done)
    others = rendered(3, (96, 96), kind="sem", diameter=12)
    assert others.settings.support == SupportSettings(), "other kinds have no support"


@pytest.mark.parametrize("support", SUPPORTS[1:])
def test_a_support_is_uneven_takes_its_share_and_is_never_labelled(support):
    settings = SupportSettings(support=support, support_share=0.4, support_grain=0.0)
    mass = support_mass((200, 240), settings, 12.0, np.random.default_rng(3))
    assert mass.min() >= 0 and mass.std() > 0.1 and 0.05 < (mass > 0.15).mean() < 0.95
    fixed = {"kind": "supported", "support": support, "diameter": 10, "cover": 0.001, "annotation": "none"}
    assert (rendered(5, (160, 160), **fixed).labels > 0).mean() < 0.05


def test_on_a_support_intensities_add_up_in_projection():
    """A particle adds the same grey over thick and over thin support: Z-contrast, not opacity."""
    fixed = {**CLEAN, "kind": "supported", "diameter": 16, "polarity": "bright", "sheen": 0, "fringe": 0}
    settings = draw_settings(np.random.default_rng(4), fixed)
    scene = build_scene((160, 160), settings.scene, np.random.default_rng(5))
    thin, thick = (
        shade_transmission(scene, settings, np.random.default_rng(6), np.full((160, 160), t, np.float32))
        for t in (0, 2)
    )
    assert scene.owner.any() and np.allclose(thick - thin, (thick - thin)[0, 0], atol=1e-5)


def test_particles_that_no_one_would_see_are_not_labelled():
    labels = np.zeros((40, 80), np.int32)
    labels[5:15, 5:15], labels[5:15, 30:40], labels[20:35, 50:65] = 1, 2, 3
    contrast = np.select([labels == 1, labels == 2, labels == 3], [0.3, 0.01, 0.3]).astype(np.float32)
    picture = np.where(labels == 3, 255, 100).astype(np.uint8)
    visible = without_invisible(labels, contrast, picture, noise=0.1)
    assert set(np.unique(visible)) == {0, 1} and (visible > 0).sum() == 100, "2 is lost in the noise, 3 in saturation"
    assert without_invisible(labels, contrast, picture * 0, noise=1e-3).max() == 2, (
        "less noise does not help below LEAST_CONTRAST"
    )


def test_lattices_have_the_spacing_of_their_material_and_stay_in_the_particles():
    owner = np.zeros((128, 256), np.int32)
    owner[10:110, 10:110], owner[50:80, 180:210] = 1, 2
    flat = np.zeros(owner.shape, np.float32)
    scene = Scene(flat, owner, flat, np.zeros(3, np.float32))
    settings = SupportSettings(lattice_spacing=8.0, lattice_other=5.0)
    seen = {1: [], 2: []}
    for seed in range(30):
        waves = lattice(scene, settings, np.random.default_rng(seed), fine=50.0)
        assert not waves[owner == 0].any() and np.abs(waves).max() <= 1.4
        for number, window in ((1, np.s_[10:110, 10:110]), (2, np.s_[50:80, 180:210])):
            power = np.abs(np.fft.fft2(waves[window], (256, 256)))
            power[:6, :6] = 0
            row, column = np.unravel_index(power.argmax(), power.shape)
            frequency = np.hypot(*(min(k, 256 - k) for k in (row, column))) / 256
            if waves[window].any():
                seen[number].append(1 / frequency)
    assert np.median(seen[1]) == pytest.approx(8, rel=0.06) and np.median(seen[2]) == pytest.approx(5, rel=0.06)
    assert 15 < len(seen[1]) < 30, "some lie along no zone axis and show no lattice"
    fainter = settings.model_copy(update={"lattice_other_contrast": 0.5})
    was, faint = (lattice(scene, lattices, np.random.default_rng(3), fine=50.0) for lattices in (settings, fainter))
    assert np.allclose(faint, np.where(owner == 2, 0.5, 1) * was) and was[owner == 2].any()


def test_the_film_of_hrtem_has_grain_of_one_wavelength():
    grain = amorphous((256, 256), 6.0, np.random.default_rng(1))
    power = np.abs(np.fft.fft2(grain)) ** 2
    rows, columns = np.meshgrid(*(np.fft.fftfreq(256),) * 2, indexing="ij")
    radius = np.hypot(rows, columns)
    ring = power[(radius > 0.11) & (radius < 0.23)].mean()
    assert ring > 4 * power[radius < 0.05].mean() and ring > 4 * power[radius > 0.4].mean()
