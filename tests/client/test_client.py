"""What the client makes of answers, errors and lost connections, without a network."""

from __future__ import annotations

import asyncio
import io
import sys
from contextlib import suppress
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
import tifffile
from deepsegm_client import Client, DeepSegmError, Failed, Outdated, Refused, TimedOut, Unreachable
from deepsegm_client._steps import path_part

from .fake import Site, json_answer

MEDIAN = {"median": {"value": 7.0, "low": 6.0, "high": 8.0, "unit": "nm"}}
QUEUED = {"id": "j1", "state": "queued", "stage": "", "progress": 0.0, "error": None, "files": {}, "result": None}
DONE = {
    **QUEUED,
    "state": "done",
    "progress": 1.0,
    "files": {"particles.csv": "", "labels.tif": "", "report.pdf": ""},
    "usual_files": ["particles.csv", "figure.png"],
    "result": {"quantities": MEDIAN, "warnings": ["Scale doubtful."]},
}
TABLE = b"\xef\xbb\xbf# median: 7 nm\r\nlabel,kept,reason,ecd_nm\r\n1,TRUE,,7.25\r\n2,FALSE,touches the frame,\r\n"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """The pauses that were asked for; nobody waits."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("deepsegm_client._client.time.sleep", pauses.append)
    monkeypatch.setattr("deepsegm_client._client.asyncio.sleep", sleep)
    return pauses


@pytest.fixture
def site():
    made = Site()
    made.answers["POST /jobs"] = [json_answer(202, QUEUED)]
    made.answers["GET /jobs/j1"] = [json_answer(200, {**QUEUED, "state": "running", "stage": "segmenting"})]
    made.answers["GET /jobs/j1"] += [json_answer(200, DONE)]
    made.answers["GET /jobs/j1/files/particles.csv"] = [httpx.Response(200, content=TABLE)] * 3
    return made


def test_an_image_is_sent_waited_for_and_its_table_read(site, tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*")
    reports = []
    result = site.client(token="deepsegm_1").analyse(
        tmp_path / "a.tif",
        "5 µm",
        filter=True,
        threshold=0.4,
        model=None,
        progress=lambda *report: reports.append(report),
    )
    assert result.numbers == MEDIAN and result.warnings == ["Scale doubtful."]
    assert result.rows[0] == {"label": 1, "kept": True, "reason": None, "ecd_nm": 7.25}
    assert list(result.particles["kept"]) == [True, False]
    assert reports == [("queued", 0.0), ("segmenting", 0.0), ("done", 1.0)]
    sent = site.bodies[0].decode()
    assert 'name="filter"\r\n\r\non' in sent and 'name="threshold"\r\n\r\n0.4' in sent and 'filename="a.tif"' in sent
    assert "model" not in sent
    assert {request.headers["Authorization"] for request in site.requests} == {"Bearer deepsegm_1"}


def test_the_same_with_asyncio(site):
    async def work():
        async with site.async_client() as client:
            result = await client.analyse(b"II*")
            return result.numbers, await result.rows, len(await result.particles)

    numbers, rows, length = asyncio.run(work())
    assert numbers == MEDIAN and rows[1]["reason"] == "touches the frame" and length == 2


def test_an_array_is_sent_as_tiff(site):
    site.client().submit(np.eye(5, dtype=np.uint8))
    content = site.bodies[0].split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    assert (tifffile.imread(io.BytesIO(content)) == np.eye(5)).all()


def test_without_pandas_there_is_a_sentence_and_rows(site, monkeypatch):
    result = site.client().analyse(b"II*")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(Exception, match=r"pandas.*rows"):
        _ = result.particles
    assert len(result.rows) == 2


@pytest.mark.parametrize("lost", [httpx.ConnectError("no"), httpx.ReadTimeout("lost"), httpx.Response(503)])
def test_an_upload_whose_answer_was_lost_is_sent_again_whole_and_with_its_key(site, tmp_path, lost, no_pauses):
    (tmp_path / "a.tif").write_bytes(b"II*" * 1000)
    site.answers["POST /jobs"].insert(0, lost)
    with (tmp_path / "a.tif").open("rb"):
        assert site.client().submit(tmp_path / "a.tif").id == "j1"
    first, second = site.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert all(b"II*" * 1000 in body for body in site.bodies) and no_pauses == [0.5]
    assert first.headers["Authorization"] == second.headers["Authorization"]  # the secret, without which no key counts


def test_a_key_may_be_any_text(site):
    site.answers["POST /jobs"] *= 3
    for key in ("a", "µ", "b" * 300):
        site.client().submit(b"II*", key=key)
    sent = [request.headers["Idempotency-Key"] for request in site.requests]
    assert sent[0] == "a" and len(sent[1]) == len(sent[2]) == 64


def test_what_could_happen_twice_is_not_sent_again(site):
    site.answers["POST /jobs/j1/cancel"] = [httpx.ReadTimeout("lost")]
    job = site.client().submit(b"II*")
    with pytest.raises(Unreachable):
        job.cancel()
    assert site.asked.count("POST /jobs/j1/cancel") == 1


def test_a_busy_site_is_waited_for_as_long_as_it_says(site, no_pauses):
    site.answers["POST /jobs"].insert(0, json_answer(429, {"error": "Too many."}, Retry_After="7"))
    site.client().submit(b"II*")
    assert no_pauses == [7.0]
    site.answers["POST /jobs"] = [json_answer(429, {"error": "Ten a day; come back tomorrow."}, Retry_After="86400")]
    with pytest.raises(Refused, match="tomorrow"):
        site.client().submit(b"II*")


def test_a_site_that_stays_away_is_said_in_one_sentence(site, no_pauses):
    site.answers["GET /jobs/j1"] = [httpx.ConnectError("refused")] * 20
    with pytest.raises(Unreachable, match=r"http://site\.example cannot be reached"):
        site.client(retries=3).job("j1")
    assert no_pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (json_answer(404, {"error": "Not there."}), Refused, "Not there"),
        (httpx.Response(301, headers={"Location": "https://x.example/"}), Unreachable, "https://x.example/"),
        (httpx.Response(200, text="<h1>Sign in</h1>"), Unreachable, "not answer as DeepSegm"),
        (httpx.Response(500, text="<h1>Oops</h1>"), Unreachable, "500"),
    ],
)
def test_errors_are_sentences(site, answer, error, words):
    site.answers["GET /jobs/j1"] = [answer]
    with pytest.raises(error, match=words):
        site.client().job("j1")


def test_a_failed_job_and_one_that_takes_too_long(site, monkeypatch):
    site.answers["GET /jobs/j1"] = [json_answer(200, {**QUEUED, "state": "failed", "error": "No image."})]
    with pytest.raises(Failed, match="No image"):
        site.client().analyse(b"words")
    site.answers |= {"POST /jobs": [json_answer(202, QUEUED)], "GET /jobs/j1": [json_answer(200, QUEUED)] * 99}
    clock = iter(range(1000))
    monkeypatch.setattr("deepsegm_client._jobs.time.monotonic", lambda: float(next(clock)))
    with pytest.raises(TimedOut, match="5 s"):
        site.client().analyse(b"II*", timeout=5)


def test_corrections_know_the_last_edit_and_say_what_is_new(site):
    result = site.client().analyse(b"II*")
    site.answers["POST /jobs/j1/edits"] = [json_answer(200, {"base": 3, "made": [[]], "checks": [1]})]
    result.edit([{"op": "delete", "ids": [1]}])
    assert site.sent()["base"] == 0 and result.base == 3
    newer = {"error": "Corrected meanwhile.", "base": 4, "edits": [{"sequence": 4}]}
    site.answers["POST /jobs/j1/edits"] = [json_answer(409, newer), json_answer(200, {"base": 5})]
    with pytest.raises(Outdated) as caught:
        result.edit([{"op": "delete", "ids": [2]}])
    assert site.sent()["base"] == 3 and caught.value.edits == [{"sequence": 4}]
    result.edit([{"op": "delete", "ids": [2]}], base=caught.value.base)
    assert site.sent()["base"] == 4 and result.base == 5
    pages = [{"base": 6, "edits": [{"sequence": 1}], "following": "x"}, {"base": 6, "edits": [{"sequence": 6}]}]
    site.answers["GET /jobs/j1/edits"] = [json_answer(200, page) for page in pages]
    assert result.edits() == [{"sequence": 1}, {"sequence": 6}] and result.base == 6
    site.answers["GET /jobs/j1/similar"] = [json_answer(200, {"ids": [7, 9], "alike": [1.0, 0.8]})]
    assert result.similar([7], alike=0.5) == [7, 9]


def test_a_file_that_is_still_written_is_waited_for(site, tmp_path):
    result = site.client().analyse(b"II*")
    site.answers["GET /jobs/j1/files/labels.tif"] = [
        json_answer(202, {}, Retry_After="1"),
        httpx.Response(200, content=b"x"),
    ]
    assert result.download("labels.tif", tmp_path).read_bytes() == b"x"
    assert [file.name for file in tmp_path.iterdir()] == ["labels.tif"]
    site.answers["GET /jobs/j1/files/figure.png"] = [httpx.Response(200, content=b"x")]
    assert result.read("figure.png", panels="AD", font=8) == b"x"
    assert dict(site.requests[-1].url.params) == {"wait": "20", "panels": "AD", "font": "8"}


def test_the_usual_files_or_those_of_names_and_patterns_are_saved(site, tmp_path):
    result = site.client().analyse(b"II*")
    for name in DONE["files"]:
        site.answers[f"GET /jobs/j1/files/{name}"] = [httpx.Response(200, content=b"x")] * 2
    for patterns, names in (
        ((), ["particles.csv"]),  # the figure is not among its files
        (("report.pdf", "*.tif"), ["labels.tif", "report.pdf"]),
        (("*.csv",), ["particles.csv"]),
    ):
        paths = result.save_files(tmp_path / "new", *patterns)
        assert paths == [tmp_path / "new" / name for name in names] and all(path.is_file() for path in paths)
    with pytest.raises(DeepSegmError, match=r"“figure\.png” is none of .* particles\.csv, labels"):
        result.save_files(tmp_path / "none", "figure.png")
    assert not (tmp_path / "none").exists()


def test_a_file_never_leaves_the_folder_it_is_saved_in(site, tmp_path):
    result = site.client().analyse(b"II*")
    (tmp_path / "in").mkdir()
    site.answers["GET /jobs/j1/files/../up.txt"] = [httpx.Response(200, content=b"x")]
    assert result.download("../up.txt", tmp_path / "in").parent == tmp_path / "in"


def test_lists_are_read_page_by_page_to_their_end(site):
    def page(kind, numbers, count):
        rows = [{"id": str(number), "state": "done"} for number in numbers]
        return json_answer(200, {"count": count, "next": None, kind: rows})

    client = site.client()
    site.answers["GET /jobs"] = [page("jobs", range(50), 60), page("jobs", range(50, 60), 60)]
    assert [job.id for job in client.jobs()] == [str(number) for number in range(60)]
    assert [request.url.params["page"] for request in site.requests] == ["1", "2"]
    site.answers["GET /trainings"] = [json_answer(200, [{"id": "8", "state": "done"}]), json_answer(200, [])]
    assert [training.id for training in client.trainings()] == ["8"]
    site.answers["GET /samples"] = [page("samples", [], 0)]
    assert list(client.samples()) == []


def test_a_job_of_a_list_is_asked_for_as_a_whole(site):
    listed = {"id": "j1", "state": "done", "progress": 1.0}
    site.answers["GET /jobs"] = [json_answer(200, {"count": 1, "next": None, "jobs": [listed]})]
    site.answers["GET /jobs/j1"] = [json_answer(200, DONE)]
    (job,) = site.client().jobs()
    assert job.wait().numbers == MEDIAN


def test_a_scale_that_is_still_checked_is_waited_for_but_not_for_ever(site, no_pauses, monkeypatch):
    pending = {**DONE, "scale_check": "pending", "result": {**DONE["result"], "warnings": []}}
    site.answers["GET /jobs/j1"] = [json_answer(200, pending)] * 3 + [json_answer(200, {**DONE, "scale_check": "done"})]
    result = site.client().job("j1").wait()
    assert result.warnings == ["Scale doubtful."] and len(no_pauses) == 3
    site.answers["GET /jobs/j1"] = [json_answer(200, pending)] * 3
    assert site.client().job("j1").wait(timeout=0).warnings == []
    monkeypatch.setattr("deepsegm_client._jobs.LONGEST_SCALE_CHECK_SECONDS", 0)
    assert site.client().job("j1").wait().warnings == []
    site.answers["GET /jobs/j1"] = [json_answer(200, {**pending, "state": "failed", "error": "Damaged."})]
    with pytest.raises(Failed, match="Damaged"):
        site.client().job("j1").wait()


@pytest.mark.parametrize(
    ("url", "how"),
    [("site.example", {}), ("http://x", {"token": "a", "secret": "b" * 16}), ("http://x", {"user": "alice"})],
)
def test_what_cannot_be_meant_is_refused(url, how):
    with pytest.raises(ValueError, match=r"Give either|http://"):
        Client(url, **how)


@pytest.mark.parametrize("id", ["../models", "..", ".", "5?page=2", "5/files/result.json", "a#b", "5%2f..", "é ="])
def test_an_id_leads_to_no_other_address(id):
    site = Site()
    for ask in (site.client().job, site.client().sample_by_id, site.client().dataset):
        with suppress(Exception):
            ask(id)
    raw = [request.url.raw_path.decode() for request in site.requests]
    assert len(raw) == 3
    for path, kind in zip(raw, ("jobs", "samples", "datasets"), strict=True):
        assert path == f"/api/v1/{kind}/{path_part(id)}" and unquote(path).endswith(f"/{id}")
