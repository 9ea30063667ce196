"""The GAN route's parts: penalty, pool, silhouettes, noise, composition, rejection, recipe."""

from collections import Counter

import numpy as np
import pytest
import torch

from segmentation.lab.research.gan.compose import (
    canvas_size,
    compose_mask,
    mask_picture,
    perlin,
    put_beneath,
    remove_dark_particles,
)
from segmentation.lab.research.gan.cyclegan import ImagePool, contrast, make_generator
from segmentation.lab.research.gan.outlines import clean, gradient_penalty, scaled_silhouette, shape_of, silhouettes
from segmentation.lab.research.gan.settings import MaskSettings, read_gan_recipe
from segmentation.lab.research.gan.stock import estimated_diameter
from segmentation.lab.training.settings import BadRecipe


def disc(diameter):
    axis = np.arange(round(diameter)) - (round(diameter) - 1) / 2
    return axis[:, None] ** 2 + axis[None] ** 2 <= (diameter / 2) ** 2


def disc_field(size=32, diameter=24):
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    return np.clip(diameter / 2 - np.hypot(rows, columns), -1, 1).astype(np.float32)


def test_the_penalty_is_taken_between_real_and_fake():
    real, fake = torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    share = torch.tensor([0.25, 1.0]).reshape(2, 1, 1, 1)
    # The gradient of half the squared norm is the place itself, of norm 3 x share.
    penalty = gradient_penalty(lambda x: 0.5 * x.flatten(1).square().sum(1), real, fake, share)
    assert float(penalty.detach()) == pytest.approx(((0.75 - 1) ** 2 + (3 - 1) ** 2) / 2)


def test_the_penalty_moves_the_critic():
    weight = torch.ones(9, requires_grad=True)
    gradient_penalty(lambda x: x.flatten(1) @ weight, *torch.zeros(2, 2, 1, 3, 3), torch.zeros(2, 1, 1, 1)).backward()
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w| = 2 x 2 x 1 / 3 for each weight.
    assert torch.allclose(weight.grad, torch.full((9,), 4 / 3))


def test_the_published_translator_has_its_published_size():
    # 9 blocks, 64 filters: 11.4 million weights in three colours, 12,544 fewer in one.
    assert sum(p.numel() for p in make_generator(64, 9).parameters()) == 11_378_179 - 2 * 64 * 49 - 2 * (64 * 49 + 1)


def numbered_batches(count):
    return [torch.full((1, 1, 2, 2), float(n)) for n in range(count)]


def test_a_full_pool_shows_older_pictures_half_of_the_time_and_loses_none():
    pool, noise = ImagePool(5), torch.Generator().manual_seed(0)
    means = [float(pool.exchange(batch, noise).mean()) for batch in numbered_batches(400)]
    older = sum(value != n for n, value in enumerate(means))
    assert 150 < older < 245
    assert len(pool.pictures) == 5
    # Every picture is shown once, in time or later, or is still there; the first five were shown and kept.
    everything = Counter(means) + Counter(float(picture.mean()) for picture in pool.pictures)
    assert everything == Counter(range(400)) + Counter(range(5))


def test_an_empty_pool_passes_everything_on():
    pool, noise = ImagePool(0), torch.Generator().manual_seed(0)
    assert all(torch.equal(pool.exchange(batch, noise), batch) for batch in numbered_batches(5))


def test_silhouettes_are_whole_centred_and_of_one_reach():
    labels = np.zeros((100, 160), np.int32)
    labels[20:60, 20:60] = 7
    labels[40:50, 40:50] = 0  # a hole is filled
    labels[70:90, 80:140] = 9
    labels[0:30, 100:130] = 3  # touches the frame
    labels[95:98, 5:8] = 4  # too small
    square, bar = silhouettes(labels, 32, smallest=10, solidity=0.8)
    for silhouette in (square, bar):
        rows, columns = np.nonzero(silhouette > 127)
        assert abs(rows.mean() - 15.5) < 0.5 and abs(columns.mean() - 15.5) < 0.5
        assert np.hypot(rows - 15.5, columns - 15.5).max() == pytest.approx(0.45 * 32, abs=1.2)
    assert shape_of(bar / 127.5 - 1).aspect == pytest.approx(1 / 3, abs=0.05)
    assert shape_of(square / 127.5 - 1).aspect == pytest.approx(1, abs=0.05)


def test_cleaning_keeps_the_largest_piece_without_holes():
    field = disc_field()
    field[15:18, 15:18] = -1
    field[1:3, 1:3] = 1
    whole = clean(field)
    assert np.array_equal(whole > 0, disc_field() > 0)
    assert clean(np.full((32, 32), -1, np.float32)) is None  # nothing
    assert clean(np.ones((32, 32), np.float32)) is None  # cut by the frame
    assert clean(disc_field(diameter=3)) is None  # a speck


@pytest.mark.parametrize("diameter", [8, 20, 60])
def test_a_silhouette_is_put_back_at_its_diameter(diameter):
    area = scaled_silhouette(disc_field(), diameter, np.random.default_rng(0)).sum()
    assert np.sqrt(4 * area / np.pi) == pytest.approx(diameter, rel=0.08)


def test_the_noise_is_smooth_and_lies_about_a_half():
    noise = perlin(256, 4, np.random.default_rng(1))
    assert noise.shape == (256, 256) and noise.min() >= 0 and noise.max() <= 1
    assert np.mean([perlin(128, 4, np.random.default_rng(i)).mean() for i in range(30)]) == pytest.approx(0.5, abs=0.03)
    assert np.abs(np.diff(noise, axis=0)).max() < 0.05
    assert noise.std() > 0.08


def test_nothing_is_hidden_beyond_the_bound():
    labels = np.zeros((40, 40), np.int32)
    square = np.ones((10, 10), bool)
    assert put_beneath(labels, square, 20, 20, 1, 0.5)
    before = labels.copy()
    assert not put_beneath(labels, square, 20, 24, 2, 0.5)  # 60 % hidden
    assert np.array_equal(labels, before)
    assert put_beneath(labels, square, 20, 25, 2, 0.5)  # exactly 50 % hidden
    assert (labels == 1).sum() == 100 and (labels == 2).sum() == 50
    assert not put_beneath(labels, np.ones((4, 38), bool), 20, 20, 3, 0.5)  # would lie in two pieces
    assert not put_beneath(labels, square, 100, 100, 4, 0.5)  # off the canvas


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_composed_labels_are_exact_and_keep_the_bound(overlap):
    settings = MaskSettings(tile=128, particles=[20, 30], diameter=16.0, overlap=overlap, frequency=2.0)
    seen = []

    def draw(diameter):
        seen.append(disc(diameter))
        return seen[-1]

    labels = compose_mask(draw, settings, np.random.default_rng(2))
    assert labels.shape == (128, 128) and labels.dtype == np.int32
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1)) and labels.max() >= 8
    areas = [shape.sum() for shape in seen]
    assert abs(np.mean([shape.shape[0] for shape in seen]) / 16 - 1) < 0.1
    inner = labels.copy()
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        inner[np.isin(labels, edge)] = 0
    visible = np.bincount(inner.ravel())[1:]
    assert visible[visible > 0].min() >= (1 - overlap) * min(areas)
    assert visible.max() <= max(areas)


def test_particles_lie_where_the_noise_allows():
    settings = MaskSettings(tile=128, particles=[90, 90], diameter=8.0)
    labels = compose_mask(lambda diameter: np.ones((1, 1), bool), settings, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    rng.integers(90, 91)
    side, margin = canvas_size(settings)
    noise = perlin(side, settings.frequency * side / settings.tile, rng)[margin:-margin, margin:-margin]
    assert labels.max() > 60 and (noise[labels > 0] > settings.threshold).all()
    assert (noise <= settings.threshold).mean() > 0.3


def test_the_drawn_mask_has_dark_contacts_only():
    labels = np.zeros((20, 40), np.int32)
    labels[5:15, 5:20], labels[5:15, 20:35] = 1, 2
    picture = mask_picture(labels)
    assert not picture[5:15, 19:21].any()
    assert (picture[5:15, 5:19] == 255).all() and (picture[5:15, 21:35] == 255).all()
    assert not picture[labels == 0].any()


def test_exactly_the_dark_particles_are_rejected():
    labels = np.zeros((60, 100), np.int32)
    picture = np.random.default_rng(0).integers(20, 40, labels.shape).astype(np.uint8)
    for number in range(1, 9):
        window = np.s_[5 + 30 * ((number - 1) // 4) :, 5 + 24 * ((number - 1) % 4) :]
        labels[window][:15, :15] = number
        picture[window][:15, :15] = 200 if number not in (2, 7) else 30
    bright, rejected = remove_dark_particles(picture, labels)
    assert rejected == 2
    assert np.array_equal(bright > 0, (labels > 0) & (labels != 2) & (labels != 7))
    assert np.array_equal(np.unique(bright), np.arange(7))


def test_a_blank_translation_keeps_no_particle_and_an_empty_mask_none():
    labels = np.zeros((20, 20), np.int32)
    grey = np.full((20, 20), 90, np.uint8)
    assert remove_dark_particles(grey, labels) == (pytest.approx(labels), 0)
    labels[5:10, 5:10] = 1
    bright, rejected = remove_dark_particles(grey, labels)
    assert not bright.any() and rejected == 1


def test_contrast_is_signed_and_zero_without_both_sides():
    picture = torch.zeros(1, 1, 8, 8)
    inside = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    assert contrast(picture, inside) == 0
    inside[..., :4] = True
    picture[inside] = 1
    assert contrast(picture, inside) > 1.9 and contrast(-picture, inside) < -1.9


@pytest.mark.parametrize("diameter", [12, 30])
def test_the_diameter_of_strewn_discs_is_estimated(diameter):
    settings = MaskSettings(
        tile=256,
        particles=[20, 20] if diameter > 20 else [90, 90],
        diameter=diameter,
        spread=0.0,
        overlap=0.0,
        threshold=0.0,
    )
    labels = compose_mask(disc, settings, np.random.default_rng(3))
    noisy = (labels > 0) + np.random.default_rng(0).normal(0, 0.3, labels.shape)
    assert estimated_diameter(noisy.astype(np.float32)) == pytest.approx(diameter, rel=0.3)


GOOD = """
name = "tiny"
title = "Tiny"
[outlines]
[[outlines.sources]]
kind = "rendered"
[cyclegan]
[[cyclegan.sources]]
path = "somewhere"
[unet.architecture]
name = "multires-unet"
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[outlines]", "[outlines]\nsize = 20", "multiple of 16"),
        ("[cyclegan]", "[cyclegan]\ncrop = 512", "not larger than masks.tile"),
        ("[cyclegan]", "[masks]\nparticles = [9, 5]\n[cyclegan]", "fewest, most"),
        ("somewhere", "shared/data/evaluation-only/tio2-sem", "never trained on"),
        ('kind = "rendered"', 'kind = "drawn"', "labels or rendered"),
        ('kind = "rendered"', 'labels = "l"', "path is missing"),
        ('[[cyclegan.sources]]\npath = "somewhere"', "sources = []", "cyclegan: sources is a list of at least 1"),
        ("[unet.architecture]", "[unet]\nsources = []\n[unet.architecture]", r"\[unet\] leaves sources"),
        ("[unet.architecture]", "[unet]\ncrop = 100\n[unet.architecture]", r"\[unet\].*multiple of 32"),
    ],
)
def test_bad_recipes_are_refused_in_one_sentence(tmp_path, old, new, reason):
    file = tmp_path / "gan.toml"
    file.write_text(GOOD)
    assert read_gan_recipe(file).cyclegan.blocks == 9
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BadRecipe, match=reason):
        read_gan_recipe(file)
