"""Checks that the lock files contain the versions of requirements.txt, all their dependencies, and a hash of each
file."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "light.lock", "docker/web.lock")
UNWANTED = {"openvino-telemetry"}  # reports to its makers; OpenVINO works without it
RENEW = "run: make lock"


def is_for_this_machine(requirement: Requirement, extra: str = "") -> bool:
    """Whether a requirement is for this Python and machine. extra: the extra that asks for it."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def versions(lock: str) -> dict[str, str]:
    """The version of each package in a lock file, as far as it is for this machine. lock: path of the file."""
    lines = re.findall(r"^([a-z].*?) \\$", (ROOT / lock).read_text(), re.MULTILINE)
    return {each.name: str(each.specifier)[2:] for each in map(Requirement, lines) if is_for_this_machine(each)}


def required() -> dict[str, Requirement]:
    """The requirements of requirements.txt for this machine, by package."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    return {
        canonicalize_name(each.name): each for line in lines if line and is_for_this_machine(each := Requirement(line))
    }


def dependencies_of(names: list[Requirement]) -> set[str]:
    """These packages and all their dependencies on this machine, as the installed packages state them."""
    pairs, waiting = (
        set[tuple[str, str]](),
        [(requirement.name, extra) for requirement in names for extra in (*requirement.extras, "")],
    )
    while waiting:
        name, extra = waiting.pop()
        if (canonicalize_name(name), extra) in pairs:
            continue
        pairs.add((canonicalize_name(name), extra))
        for line in requires(name) or ():
            requirement = Requirement(line)
            if requirement.name in UNWANTED:
                continue
            if is_for_this_machine(requirement, extra):
                waiting += [(requirement.name, extra) for extra in (*requirement.extras, "")]
    return {name for name, _ in pairs}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_the_versions_asked_for(lock):
    locked, listed = versions(lock), required()
    for name, requirement in listed.items():
        if lock == LOCKS[0] or name in locked:
            assert locked.get(name) == str(requirement.specifier)[2:], RENEW
    assert locked.items() <= versions(LOCKS[0]).items(), RENEW


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_whole(lock):
    locked = versions(lock)
    try:
        assert (
            dependencies_of([requirement for name, requirement in required().items() if name in locked])
            == locked.keys()
        ), RENEW
    except PackageNotFoundError as error:
        pytest.fail(f"{error.name} is not installed: {RENEW}")


def test_the_light_set_has_no_torch_and_all_that_an_analysis_needs():
    light = versions("light.lock").keys()
    assert not {"torch", "torchvision", "timm", "triton", "onnx", *UNWANTED} & light
    assert not [name for name in light if name.startswith(("nvidia", "cuda"))]
    assert {"openvino", "scipy", "scikit-image", "matplotlib", "django", "celery"} <= light


def test_the_notice_names_each_package_whose_licence_is_not_permissive():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for name in versions(LOCKS[0]):
        with suppress(PackageNotFoundError):  # of other platforms
            about = metadata(name)
            licence = " ".join([about.get("License-Expression", ""), *about.get_all("Classifier", [])])
            if re.search(r"GPL|MPL|ZPL|Zope|NVIDIA|OFL", licence) and not name.startswith("nvidia-"):
                assert re.search(rf"\b{name}\b", notice), name


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_hashes(lock):
    for entry in re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip()):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}$", entry), entry[:80]
