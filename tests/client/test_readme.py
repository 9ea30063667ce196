"""What the client's README and the notebook say works as they say, on a real site with a real worker."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from deepsegm_client import Client
from deepsegm_client._jobs import Job, Result
from deepsegm_client._learning import Dataset, Training
from deepsegm_client._samples import SampleResult

from .fake import Site, json_answer

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "client" / "README.md").read_text(encoding="utf-8")
NOTEBOOK = json.loads((ROOT / "docs" / "use" / "notebook.ipynb").read_text(encoding="utf-8"))
LOCAL = "http://127.0.0.1:8000"
live = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch, discs):
    """Where a reader of the README tries it: a folder with the sample image and another one."""
    shutil.copy(ROOT / "static" / "sample" / "sem-sample.tif", tmp_path)
    shutil.copy(discs, tmp_path / "second.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(code: list[str], site: str, **namespace) -> dict:
    for number, block in enumerate(code, 1):
        exec(compile(block.replace(LOCAL, site), f"block {number}", "exec"), namespace)
    return namespace


@live
def test_the_readme_on_a_live_site(site, folder, capsys):
    made = run(re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL), site)
    assert made["result"].numbers["median"] == {**made["result"].numbers["median"], "unit": "nm"}
    ratio = made["wider"].numbers["median"]["value"] / made["result"].numbers["median"]["value"]
    assert ratio == pytest.approx(2, rel=1e-6)
    assert made["same"].id == made["result"].id
    assert {file.name for file in folder.glob("[!.]*")} == {
        "sem-sample.tif",
        "second.tif",
        "figure.png",
        "figure.svg",
        "report.pdf",
        "images.csv",
    }
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert len(made["sample"].images) == 2
    assert len(made["again"].rows) == len(set(made["outlines"].flat)) - 1
    output = capsys.readouterr().out
    assert "'op': 'delete'" in output and "second.tif done" in output


def test_every_method_that_the_readme_names_is_there():
    """`client.sample(...).include` was none, because sample gives the pooled result."""
    kinds = {"client": Client, "result": Result, "sample": SampleResult, "job": Job, "dataset": Dataset}
    kinds |= {"training": Training, "corrected": Result}
    named = set(re.findall(r"\b(client|result|sample|job|dataset|training|corrected)\.([a-z_]+)\(", README))
    assert ("sample", "include") in named
    assert [f"{of}.{name}" for of, name in sorted(named) if not hasattr(kinds[of], name)] == []


def parts() -> list[str]:
    """The code on methods, and that on trainings."""
    blocks = re.findall(r"^```py\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    return blocks


def test_the_part_on_methods_asks_for_the_addresses_of_the_api(capsys):
    site = Site()
    method = {"id": "9", "name": "TiO2", "versions": [{"number": 1, "state": "draft"}]}
    measured = {"method": {"departures": ["The scale is typed."]}, "flags": []}
    sample = {"id": "3", "state": "done", "progress": 1.0, "images": [], "notes": [], "files": {}, "result": measured}
    sample |= {"current": True, "scale_check": "done", "under_way": 0, "done": 1, "failed": 0}
    site.answers = {
        "POST /methods": [json_answer(201, {"id": "5", "method": "9"})],
        "GET /methods/9": [json_answer(200, method)],
        "POST /samples": [json_answer(202, sample)],
        "GET /samples/3/files/result.json": [json_answer(200, {"quantities": {}})],
    }
    run([parts()[0]], LOCAL, client=site.client(), result="1234", files=[b"II*"])
    assert site.asked[:3] == ["POST /methods", "GET /methods/9", "POST /samples"]
    assert site.sent(0) == {"name": "TiO2, median size", "group": "", "job": "1234"}
    assert b'name="method"\r\n\r\nTiO2, median size' in site.bodies[2]
    assert "1 draft" in (output := capsys.readouterr().out) and "The scale is typed." in output


def test_the_part_on_trainings_asks_for_the_addresses_of_the_api(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = parts()[1]
    site = Site()
    client = site.client()
    run([block], LOCAL, client=client, corrected="1234")
    assert site.asked == [
        "POST /datasets",
        "POST /datasets/7/images",
        "GET /datasets/7",
        "GET /datasets/7/export.zip",
        "POST /trainings",
        "GET /trainings/8",
        "POST /trainings/8/offer",
        "PUT /models/default",
    ]


@live
def test_the_notebook_holds_no_outputs_and_runs(site, folder, monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.setenv("DEEPSEGM_URL", site)
    images = folder / "images"
    images.mkdir()
    for name in ("sem-sample.tif", "second.tif"):
        (folder / name).rename(images / name)
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    made = run(["".join(cell["source"]) for cell in code], site)
    assert set(made["table"]["image"]) == {"sem-sample.tif", "second.tif"}
    assert (folder / "sizes.png").stat().st_size > 5_000 and (folder / "particles.csv").is_file()
