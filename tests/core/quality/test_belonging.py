"""Which images fit a sample that grows by a method."""

from __future__ import annotations

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.belonging import reasons_not_to_join
from segmentation.core.quality.method import MethodDescription

METHOD = MethodDescription.of_result(AnalysisSettings.of(), "cd" * 32, Source.METADATA)


def test_an_image_like_the_others_fits():
    assert reasons_not_to_join(METHOD, "particles", Source.METADATA, 2.0, []) == []
    assert reasons_not_to_join(METHOD, "particles", Source.METADATA, 2.9, [2.0, 2.0, 4.0]) == []
    assert reasons_not_to_join(METHOD, "particles", Source.METADATA, 1.4, [2.0]) == []


def test_another_magnification_scale_or_kind_does_not_fit():
    lines = reasons_not_to_join(METHOD, "grains", Source.TYPED, 3.1, [2.0, 2.0, 9.0])
    assert lines[0].startswith("This is an analysis of ") and lines[0].endswith("the method is for Particles")
    assert lines[1:] == [
        "The scale is typed in; the method asks for one from the file",
        "A pixel is 3.10 nm; in the images that count it is 2.00 nm",
    ]
    assert len(reasons_not_to_join(METHOD, "particles", Source.METADATA, 1.3, [2.0])) == 1


def test_an_image_without_a_scale_does_not_fit():
    assert reasons_not_to_join(METHOD, "particles", Source.NONE, None, [2.0]) == [
        "The scale is not known; the method asks for one from the file"
    ]
