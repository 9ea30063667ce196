"""Files and tiles of a result, as its page links to them."""
# ruff: noqa: F811

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from django.core.files.base import ContentFile

from .test_jobs import VISITOR, address, job  # noqa: F401

pytestmark = pytest.mark.django_db


class TestArtifact:
    @pytest.fixture
    def done(self, job, make_micrograph):
        made = job(micrograph=make_micrograph(name='1908318 µm;".tif', visitor=VISITOR))
        for name, kind in (("figure.png", "image/png"), ("figure.svg", "image/svg+xml"), ("particles.csv", "text/csv")):
            made.artifacts.filter(name=name).update(content_type=kind)
        return made

    def test_the_figure_is_shown_or_downloaded(self, maker, done):
        response = maker.get(address(done, "files/figure.png"))
        assert response["Content-Type"] == "image/png"
        assert response["Content-Disposition"].startswith("inline")
        assert b"".join(response.streaming_content) == b"content"
        loaded = maker.get(address(done, "files/figure.png?download"))
        assert loaded["Content-Disposition"] == ("attachment; filename*=utf-8''1908318%20%C2%B5m%3B_figure.png")

    @pytest.mark.parametrize("name", ["figure.svg", "particles.csv", "outlines.json"])
    def test_what_a_browser_might_run_is_only_downloaded(self, maker, done, name):
        response = maker.get(address(done, f"files/{name}"))
        assert response["Content-Disposition"].startswith("attachment")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"].startswith("sandbox")

    def test_it_is_not_sent_twice(self, maker, done):
        first = maker.get(address(done, "files/figure.png"))
        assert first["Cache-Control"] == "private, no-cache"
        second_response = maker.get(address(done, "files/figure.png"), headers={"If-None-Match": first["ETag"]})
        assert second_response.status_code == 304

    @pytest.mark.parametrize("name", ["nothing.png", "..", "figure.png%2F..%2F..%2Fsecret-key"])
    def test_other_names_are_not_found(self, maker, done, name):
        assert maker.get(address(done, f"files/{name}")).status_code == 404

    def test_a_lost_file_is_not_found(self, maker, done):
        stored = done.artifacts.get(name="figure.png")
        stored.file.storage.delete(stored.file.name)
        assert maker.get(address(done, "files/figure.png")).status_code == 404

    def test_outlines_are_packed_on_the_way(self, maker, done):
        done.artifacts.filter(name="outlines.json").update(content_type="application/json")
        stored = done.artifacts.get(name="outlines.json")
        stored.file.save(stored.file.name, ContentFile(b"[1]" * 1000))
        packed = maker.get(address(done, "files/outlines.json"), headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(b"".join(packed.streaming_content)) == b"[1]" * 1000
        headers = {"Accept-Encoding": "gzip", "If-None-Match": packed["ETag"]}
        assert maker.get(address(done, "files/outlines.json"), headers=headers).status_code == 304


class TestTiles:
    @pytest.fixture
    def done(self, job):
        made = job()
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("1/2-0.png", b"a tile")
        made.micrograph.viewer_tiles.save("tiles.zip", ContentFile(whole.getvalue()))
        return made

    def test_a_tile_is_sent_once(self, maker, done):
        response = maker.get(address(done, "tiles/1/2-0.png"))
        assert (b"".join(response.streaming_content), response["Content-Type"]) == (b"a tile", "image/png")
        second_response = maker.get(address(done, "tiles/1/2-0.png"), headers={"If-None-Match": response["ETag"]})
        assert second_response.status_code == 304

    @pytest.mark.parametrize("name", ["0/2-0.png", "1/2-1.png", "1/2-0.webp", "..%2F1/2-0.png"])
    def test_others_are_not_found(self, maker, done, name):
        assert maker.get(address(done, f"tiles/{name}")).status_code == 404

    def test_a_damaged_file_and_none_at_all(self, maker, job):
        made = job()
        assert maker.get(address(made, "tiles/0/0-0.png")).status_code == 404
        made.micrograph.viewer_tiles.save("tiles.zip", ContentFile(b"content"))
        assert maker.get(address(made, "tiles/0/0-0.png")).status_code == 404
