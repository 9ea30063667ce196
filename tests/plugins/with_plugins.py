"""Tests that test_wheels.py runs with the three wheels installed: their kind of analysis, file format and export work
on the site and in the command line."""

from __future__ import annotations

import io
import sys

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from segmentation.core import plugins, tasks
from segmentation.core.masks.truth import image_suffixes
from segmentation.core.micrograph import formats
from segmentation.core.report import exports
from segmentation.lab.training import tasks as taught
from tests.web.finished import words
from tools.fuzz.targets import TARGETS
from worker import attempts
from worker import tasks as worker
from worker.heartbeat import Heartbeat

SITE = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage", "queue", "coarse")]


@pytest.fixture
def fits() -> bytes:
    """A FITS file with the size of a pixel."""
    return [*formats.format_by_suffix()[".fits"].examples()][1]


def test_the_registries_list_kind_format_and_export():
    assert tasks.find("cracks").title == "Cracks" and taught.find("cracks").classes
    assert formats.format_by_suffix()[".fits"].name == "FITS" and ".fits" in image_suffixes()
    listed = exports.by_file_name("image", tasks.find("cracks"))
    assert listed["classes.parquet"].image and exports.content_type_of("a.parquet").endswith("parquet")
    assert plugins.faults() == ()


class TestSite:
    pytestmark = SITE

    def test_pages_and_api_name_them(self, client):
        start, help_page = client.get("/").content.decode(), words(client.get("/help/"))
        assert ".fits," in start and "EMD, FITS, or a ZIP of them" in words(client.get("/"))
        assert "FITS (images and stacks)" in help_page and "Cracked area" in help_page
        document = client.get("/api/v1/openapi.json").content.decode()
        assert "Least probability" in document and "cracks" in document

    def test_a_fits_file_is_analysed_in_a_confined_process_and_downloaded_as_parquet(self, client, fits, monkeypatch):
        from pyarrow import parquet

        monkeypatch.setattr(attempts, "Heartbeat", lambda row: Heartbeat(row, seconds=3600))
        sys.modules.pop("astropy", None)
        upload = SimpleUploadedFile("grid.fits", fits)
        answer = client.post("/api/v1/jobs", {"file": upload, "data_bar": "none"})
        assert answer.status_code == 202, answer.content
        worker.do_analyses()
        address = f"/api/v1/jobs/{answer.json()['id']}"
        job = client.get(address).json()
        assert job["state"] == "done" and "astropy" not in sys.modules, job
        assert client.get(f"{address}/files/particles.parquet").status_code == 202
        worker.do_analyses()
        file = client.get(f"{address}/files/particles.parquet")
        assert file["Content-Type"] == "application/vnd.apache.parquet"
        rows = parquet.read_table(io.BytesIO(b"".join(file.streaming_content)))
        assert "DeepSegm" in rows.schema.metadata[b"software"].decode() and "area_nm2" in rows.column_names


def test_the_command_line_reads_fits_and_writes_parquet(tmp_path, fits):
    (tmp_path / "grid.fits").write_bytes(fits)
    call_command("analyse", str(tmp_path), "--out", str(tmp_path / "out"), "--files", "particles.parquet")
    assert [*(tmp_path / "out").rglob("*.parquet")]
    command = ["analyse", str(tmp_path / "grid.fits"), "--out", str(tmp_path / "other"), "--task", "cracks"]
    with pytest.raises(Exception, match=r"cracks|no model"):
        call_command(*command)


def test_the_reader_of_fits_is_fuzzed(tmp_path):
    target = TARGETS["fits"]()
    for seed in target.seeds():
        target.run(seed, tmp_path)
        with pytest.raises(target.refusals):
            target.run(seed[:2900], tmp_path)
