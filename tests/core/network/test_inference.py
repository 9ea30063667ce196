"""Networks, cards, weights and tiled prediction, with tiny random weights."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from segmentation.core.network import cards
from segmentation.core.network.inference import HALO, predict, tiles_of
from segmentation.core.network.resample import resize, resize_map
from segmentation.core.network.runtime import Runtime, load_network
from tests.lazy import LazyModule

torch = LazyModule("torch")
architectures = LazyModule("segmentation.core.network.architectures")
with_torch = LazyModule("segmentation.core.network.with_torch")
EXACT = Runtime("cpu", "float32")


def tiny_card(folder, **changes):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = architectures.build({"name": "multires-unet", "filters": 4}, 2)
    file = folder / "tiny.safetensors"
    save_file({k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "tiny.toml").write_text(
        f'name = "tiny"\ntitle = "Tiny"\nsummary = "For tests."\nversion = "0"\nsha256 = "{sha256}"\n'
        '[architecture]\nname = "multires-unet"\nfilters = 4\n'
    )
    return replace(cards.read_card(folder / "tiny.toml"), **changes)


def test_multires_has_the_published_widths_and_size():
    block_widths = LazyModule("segmentation.core.network.architectures.multires").block_widths
    network = architectures.build({"name": "multires-unet", "filters": 16}, 2)
    assert [block.channels_out for block in network.encoders] == [25, 51, 105, 212, 426]
    assert block_widths(16) == (4, 8, 13)
    assert 1.7e6 < sum(p.numel() for p in network.parameters()) < 1.9e6


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "multires-unet", "filters": 4},
        {"name": "plain-unet", "filters": 4},
        {"name": "plain-unet", "filters": 4, "depth": 2},
        {"name": "unetplusplus", "encoder": "resnet18", "decoder_channels": [8, 8, 8, 8, 8]},
        {"name": "unet", "encoder": "timm-tf_efficientnet_lite0", "decoder_channels": [8, 8, 8, 8, 8]},
    ],
)
def test_networks_take_any_channels_and_give_any_maps(architecture):
    for channels, maps in ((1, 2), (3, 5)):
        network = architectures.build(
            {**architecture, **({"channels_in": channels} if channels > 1 else {})}, maps
        ).eval()
        with torch.inference_mode():
            assert network(torch.zeros(1, channels, 64, 96)).shape == (1, maps, 64, 96)


@pytest.mark.parametrize("architecture", [{}, {"name": "nosuch"}, {"name": "unet", "encoder": "nosuch"}])
def test_an_unknown_architecture_is_named(architecture):
    with pytest.raises(architectures.UnknownArchitecture, match="No network"):
        architectures.build(architecture, 2)


def test_a_misspelt_encoder_is_answered_with_its_neighbours():
    with pytest.raises(architectures.UnknownArchitecture, match=r"no encoder 'resnet19'; near .*resnet18"):
        architectures.build({"name": "unet", "encoder": "resnet19"}, 2)


def test_weights_are_loaded_and_an_altered_file_is_refused(tmp_path):
    card = tiny_card(tmp_path)
    everything = slice(0, 32), slice(0, 32)
    assert load_network(card, EXACT, 2).maps(np.zeros((1, 1, 32, 32), np.float32), everything, "sigmoid").shape[1] == 2
    content = bytearray(card.weights.read_bytes())
    content[-1] ^= 1
    card.weights.write_bytes(content)
    with pytest.raises(cards.AlteredWeights, match="altered"):
        cards.check_weights(card)


def test_weights_of_another_architecture_are_refused(tmp_path):
    card = tiny_card(tmp_path, architecture={"name": "multires-unet", "filters": 5})
    with pytest.raises(cards.AlteredWeights, match="another architecture"):
        load_network(card, Runtime("cpu", "auto"), 2)


def test_too_little_memory_for_weights_is_not_called_another_architecture(tmp_path, monkeypatch):
    def full(file):
        raise RuntimeError(f"unable to mmap 8618908 bytes from file <{file}>: Cannot allocate memory (12)")

    monkeypatch.setattr("segmentation.core.network.with_torch.load_file", full)
    with pytest.raises(RuntimeError, match="Cannot allocate memory"):
        with_torch.load_module(tiny_card(tmp_path), 2)


def test_a_missing_model_lists_those_there_are(tmp_path):
    tiny_card(tmp_path)
    with pytest.raises(cards.UnknownModel, match="tiny"):
        cards.find("nosuch", tmp_path)


@pytest.mark.parametrize("shape", [(32, 32), (64, 640), (2048, 1536), (96, 3200)])
def test_tiles_cover_every_pixel_once_and_see_their_halo(shape):
    seen = np.zeros(shape, int)
    for tile in tiles_of(shape, 256, 64):
        seen[tile.part] += 1
        for window, core, length in zip(tile.window, tile.part, shape, strict=True):
            assert window.start <= max(0, core.start - 64) and window.stop >= min(length, core.stop + 64)
            assert window.start % 32 == 0 and 0 <= window.start < window.stop <= length
            assert window.stop - window.start <= 256 + 2 * 64
    assert len({tuple(span.stop - span.start for span in tile.window) for tile in tiles_of(shape, 256, 64)}) == 1
    assert (seen == 1).all()


@pytest.mark.parametrize(("side", "at_most"), [(2816, 1.0), (4096, 1.2), (5760, 1.3), (8192, 1.3), (11488, 1.36)])
def test_a_large_picture_costs_little_twice_and_no_larger_window(side, at_most):
    """Two fifths of the network's time go into the layers that calculate a whole window, the rest only into parts."""
    tile_px, margin = with_torch.TILE_PX, with_torch.MARGIN_PX
    tiles = list(tiles_of((side, side), tile_px, HALO))
    windows = sum((tile.window[0].stop - tile.window[0].start) ** 2 for tile in tiles)
    pixels = sum(math.prod(span.stop - span.start + 2 * margin for span in tile.part) for tile in tiles)
    assert (0.4 * windows + 0.6 * pixels) / side**2 <= at_most + 0.02
    assert max(span.stop - span.start for tile in tiles for span in tile.window) <= tile_px + 2 * HALO == 2816


@pytest.mark.parametrize("attention", [None, "scse"])
def test_the_last_layers_give_the_same_in_parts_unless_they_see_the_whole_picture(attention, monkeypatch):
    torch.manual_seed(3)
    architecture = {"name": "unet", "encoder": "timm-tf_efficientnet_lite0", "decoder_attention_type": attention}
    network = architectures.build({**architecture, "decoder_channels": [16] * 5}, 2).eval()
    assert with_torch.works_in_parts(network) == (attention is None)
    assert not with_torch.works_in_parts(architectures.build({"name": "multires-unet", "filters": 4}, 2))
    monkeypatch.setattr("segmentation.core.network.with_torch.PART_PX", 64)
    picture = np.random.default_rng(0).random((1, 1, 192, 256), np.float32)
    window = slice(32, 160), slice(0, 224)
    with torch.inference_mode():
        logits = network(torch.from_numpy(picture) * 2 - 1)
    whole = (logits[..., window[0], window[1]].sigmoid() * 255).round().to(torch.uint8).numpy()
    in_parts = with_torch.TorchNetwork.of(network, EXACT).maps(picture, window, "sigmoid")
    assert np.abs(in_parts.astype(int) - whole).max() <= 1
    assert whole.shape == (1, 2, 128, 224)


def test_tiled_prediction_equals_untiled_where_the_halo_covers_what_a_pixel_sees():
    """A MultiRes U-Net sees about 130 px around a pixel; a halo of 160 makes tiles exact."""
    torch.manual_seed(1)
    network = with_torch.TorchNetwork.of(architectures.build({"name": "multires-unet", "filters": 4}, 2).eval(), EXACT)
    picture = np.random.default_rng(0).random((500, 700), np.float32)
    whole = predict(network, picture, tile=1024)
    tiled = predict(network, picture, tile=192, halo=160)
    # A grey level of rounding may differ: the sums run in another order.
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_prediction_keeps_odd_shapes_and_reports_progress():
    network = with_torch.TorchNetwork.of(architectures.build({"name": "multires-unet", "filters": 4}, 2).eval(), EXACT)
    fractions = []
    maps = predict(network, np.zeros((77, 301), np.float32), tile=64, halo=32, progress=fractions.append)
    assert maps.shape == (2, 77, 301) and maps.dtype == np.uint8
    assert fractions == sorted(fractions) and fractions[-1] == 1


def test_resizing_keeps_means_and_positions():
    picture = np.zeros((64, 64), np.float32)
    picture[32:, :] = 1
    small = resize(picture, 0.5)
    assert small.shape == (32, 32) and small[15, 0] == 0 and small[16, 0] == 1
    back = resize_map((small * 255).astype(np.uint8), (64, 64))
    assert back.shape == (64, 64) and back[20, 5] == 0 and back[44, 5] == 255


@pytest.mark.parametrize("scale", [0.37, 1.4])
def test_a_picture_resized_in_bands_shows_no_seams(monkeypatch, scale):
    picture = np.random.default_rng(0).random((120, 90)).astype(np.float32)
    whole = resize(picture, scale)
    monkeypatch.setattr("segmentation.core.network.resample.BAND_PX", 7 * whole.shape[1])
    assert np.abs(resize(picture, scale) - whole).max() < 1e-4
