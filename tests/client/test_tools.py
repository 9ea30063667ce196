"""Corrected outlines come back from ImageJ: the macro's own commands by curl, files by roifile. ImageJ itself
where it is installed (200 MB)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import roifile
from deepsegm_client import Client

ROOT = Path(__file__).resolve().parents[2]
USE = ROOT / "docs" / "use"
SECRET = "a secret of the test"
IMAGEJ = Path("/usr/share/java/ij.jar")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(site, discs):
    with Client(site, secret=SECRET) as client:
        yield client.analyse(discs)


def curl_of_the_macro(number: int, **values: str) -> list[str]:
    """A command of the macro, as ImageJ would put it together."""
    (macro,) = [(USE / "deepsegm.ijm").read_text()]
    line = re.findall(r"exec\((.*)\);", macro)[number]
    return [str(eval(expression, {}, values)) for expression in re.split(r", (?=[\"a-z])", line)]


def test_the_macro_fetches_and_sends_outlines(site, result, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("no curl")
    login, before, after = (tmp_path / name for name in ("login.txt", "before.zip", "after.zip"))
    login.write_text(f'header = "Authorization: Bearer {SECRET}"\n')
    values = {"login": str(login), "before": str(before), "after": str(after), "job": f"{site}/api/v1/jobs/{result.id}"}

    def run(number):
        return subprocess.run(curl_of_the_macro(number, **values), capture_output=True, text=True, check=True).stdout

    assert run(0) == "200"
    outlines = roifile.roiread(before)
    labels = [row["label"] for row in result.rows if row["kept"]]
    gone = [outline for outline in outlines if int(outline.name[:4]) != labels[0]]
    assert len(gone) == len(outlines) - 1
    roifile.roiwrite(after, gone)
    output = run(1)
    page = output[output.index('"page": "') + 9 :].split('"')[0]
    assert page.endswith(f"/jobs/{json.loads(output)['id']}/")
    revision = result._client.job(json.loads(output)["id"]).wait()
    old, new = result.labels(), revision.labels()
    assert (new == np.where(old == labels[0], 0, old)).all()


def by_a_machine(macro: str, page: Path, **given: str) -> str:
    """The macro with its dialog filled in, a person who deletes the first outline, and a file in place of a browser."""
    start, done = macro.index("Dialog.create"), macro.index('call("ij.Prefs.set"')
    filled = "".join(f"{name} = {json.dumps(value)};\n" for name, value in given.items())
    macro = macro[:start] + filled + macro[done:]
    waits, goes_on = macro.index("waitForUser("), macro.index('roiManager("deselect")')
    macro = macro[:waits] + 'roiManager("select", 0);\nroiManager("delete");\n' + macro[goes_on:]
    return macro.replace('run("URL...", "url=" + page);', "File.saveString(page, " + json.dumps(str(page)) + ");")


@pytest.mark.skipif(not IMAGEJ.exists() or not shutil.which("xvfb-run"), reason="needs Debian's imagej and xvfb")
def test_imagej_itself(site, result, discs, tmp_path):
    """The real macro in the real program."""
    macro, page = tmp_path / "deepsegm.ijm", tmp_path / "page.txt"
    given = {"site": site, "id": result.id, "token": SECRET, "image": str(discs)}
    macro.write_text(by_a_machine((USE / "deepsegm.ijm").read_text(), page, **given))
    command = ["xvfb-run", "-a", "java", "-jar", str(IMAGEJ), "-ijpath", str(tmp_path), "-batch", str(macro)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert page.exists(), completed.stdout + completed.stderr
    revision = result._client.job(page.read_text().strip().rstrip("/").rpartition("/")[2]).wait()
    old, new = result.labels(), revision.labels()
    first = min(row["label"] for row in result.rows)
    assert (new == np.where(old == first, 0, old)).all()
