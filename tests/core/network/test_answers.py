"""Networks are not asked twice for the same picture."""

import numpy as np
import pytest

from segmentation.core.network import answers as module
from segmentation.core.network.answers import PredictionMemory


class Counting:
    """A network whose only map is the picture, and which counts its windows."""

    engine, tile = "drawn", 64

    def __init__(self):
        self.windows = 0

    def maps(self, pictures, box, activation):
        self.windows += 1
        return np.rint(255 * pictures[..., box[0], box[1]]).astype(np.uint8)


def picture(seed=1, shape=(32, 64)):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def test_the_same_picture_is_calculated_once_and_cannot_be_changed():
    network, answers, fractions = Counting(), PredictionMemory(), []
    first = answers.predict(network, picture(), activation="sigmoid", progress=fractions.append)
    again = answers.predict(network, picture().copy(), activation="sigmoid", progress=fractions.append)
    assert network.windows == 1 and np.array_equal(first, again) and fractions == [1.0, 1.0]
    with pytest.raises(ValueError):
        again[:] = 0


@pytest.mark.parametrize("changed", ["network", "activation", "content", "shape"])
def test_whatever_differs_is_calculated(changed):
    network, other, answers = Counting(), Counting(), PredictionMemory()
    answers.predict(network, picture(), activation="sigmoid")
    shown = {"content": picture(2), "shape": picture().reshape(64, 32)}.get(changed, picture())
    activation = "softmax" if changed == "activation" else "sigmoid"
    maps = answers.predict(other if changed == "network" else network, shown, activation=activation)
    assert network.windows + other.windows == 2 and np.array_equal(maps[0], np.rint(255 * shown).astype(np.uint8))


def test_maps_of_large_pictures_are_not_kept(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_PX", 1000)
    network, answers = Counting(), PredictionMemory()
    for _ in range(2):
        answers.predict(network, picture(), activation="sigmoid")
    assert network.windows == 2 and not answers.remembered
