"""The plug-in in napari itself, without a screen: an environment of its own, since napari and Qt are
500 MB that nothing else needs. `make test-napari` runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from segmentation.location import ROOT
from tests.test_wheel import build

SOURCES = {"client": ROOT / "client", "plug-in": ROOT / "client" / "napari-deepsegm"}
SAMPLE = ROOT / "static" / "sample" / "sem-sample.tif"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Of an environment with wheels of the client and the plug-in, the versions of its extra `test`,
    and behind all these the library of this checkout. Skips where they cannot be fetched."""
    folder = tmp_path_factory.mktemp("napari")
    wheels = []
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "napari-deepsegm")
    for name, source in SOURCES.items():
        shutil.copytree(source, folder / name, ignore=ignored)
        wheels.append(str(build("build_wheel", folder / name, folder / f"{name}-wheel")))
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
    wanted = [wheels[0], f"{wheels[1]}[test]"]
    done = subprocess.run([*install, *wanted], capture_output=True, text=True, timeout=580)
    if done.returncode:
        pytest.skip(f"napari cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    packages = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inside = subprocess.check_output([python, "-c", packages], text=True).strip()
    # The last ones of the path: what napari was installed with comes first.
    behind = f"{ROOT}\n{sysconfig.get_path('purelib')}\n"
    (Path(inside) / "zz_library.pth").write_text(behind, encoding="utf-8")
    return python


def test_it_works_in_napari(python, site, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    environment = {"TESTED_SITE": site, "TESTED_SAMPLE": str(SAMPLE), "HOME": str(tmp_path)}
    headless = {"QT_QPA_PLATFORM": "offscreen", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    inside = ["-c", os.devnull, "--noconftest", f"--rootdir={tmp_path}", "tests/client/inside_napari.py"]
    done = subprocess.run(
        [python, "-m", "pytest", "-q", *inside],
        cwd=ROOT,
        env={**kept, **environment, **headless},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert not done.returncode, done.stdout[-6000:] + done.stderr[-3000:]
    assert " passed" in done.stdout and " skipped" not in done.stdout
