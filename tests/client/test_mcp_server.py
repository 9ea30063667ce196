"""The tools of a site, driven by an agent's program: beside a made-up site, and by both transports with a real one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from deepsegm_client import AsyncClient
from deepsegm_client.mcp_server import make_server
from mcp import Client, StdioServerParameters

from tests.client.fake import Site, json_answer

ROOT = Path(__file__).resolve().parents[2]
READING = ["list_kinds", "list_methods", "list_results", "read_objects", "read_result", "read_sample", "show_figure"]
JOB = {
    "id": "5",
    "state": "done",
    "page": "http://site.example/jobs/5/",
    "image": {"name": "discs.tif"},
    "files": ["figure.png", "particles.csv"],
    "result": {
        "quantities": {"median": {"value": 165.0, "interval": [99.0, 231.0], "low": 152.0, "high": 175.0}},
        "warnings": ["76 faint spots were left out."],
    },
}


@pytest.fixture
def fake():
    fake = Site()
    table = "# a comment\nlabel,min_feret_nm,kept\n1,160.5,TRUE\n2,3.5,FALSE\n3,170,TRUE\n"
    fake.answers = {
        "GET /jobs": [json_answer(200, [JOB, {**JOB, "id": "6"}])],
        "GET /jobs/5": [json_answer(200, JOB)] * 3,
        "GET /jobs/5/files/particles.csv": [httpx.Response(200, text=table)] * 2,
    }
    return fake


def answers(mcp, *calls):
    """What an agent's program gets for calls (tool, arguments), and the tools that it sees."""

    async def run():
        async with Client(mcp) as agent:
            tools = (await agent.list_tools()).tools
            return tools, [await agent.call_tool(tool, arguments) for tool, arguments in calls]

    return asyncio.run(run())


def content(answer):
    assert not answer.is_error, answer.content
    structured = answer.structured_content
    return structured.get("result", structured)


def test_without_a_folder_results_are_only_read(fake):
    calls = [
        ("list_results", {"limit": 1}),
        ("read_result", {"id": "5"}),
        ("read_objects", {"id": "5"}),
        ("read_objects", {"id": "5", "left_out": True, "limit": 2}),
    ]
    tools, (listed, result, counted, table) = answers(make_server(fake.async_client(), None), *calls)
    assert sorted(tool.name for tool in tools) == READING
    assert all(tool.annotations.read_only_hint for tool in tools)
    assert [(row["id"], row["image"]) for row in content(listed)] == [("5", "discs.tif")]
    assert content(result)["numbers"]["median"]["interval"] == [99, 231]
    assert "95 % interval" in next(tool.description for tool in tools if tool.name == "read_result")
    assert content(result)["warnings"] == ["76 faint spots were left out."]
    assert [row["label"] for row in content(counted)] == [1, 3]
    assert [row["label"] for row in content(table)] == [1, 2]
    assert not [request for request in fake.asked if not request.startswith("GET")]


def test_nothing_outside_the_folder_is_read_or_written(fake, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "images" / "link").symlink_to(tmp_path / "secret.txt")
    calls = [
        ("analyse", {"path": "../secret.txt"}),
        ("analyse", {"path": str(tmp_path / "secret.txt")}),
        ("analyse", {"path": "link"}),
        ("analyse_folder", {"path": ".."}),
        ("analyse_folder", {"path": "."}),
        ("download", {"id": "5", "file": "/../../../figure.png"}),
    ]
    tools, refusals = answers(make_server(fake.async_client(), tmp_path / "images"), *calls)
    assert len(tools) == len(READING) + 3
    for refusal in refusals:
        assert refusal.is_error and "the only folder that may be used here" in refusal.content[0].text
    assert not [request for request in fake.asked if not request.startswith("GET")]


def test_a_method_stands_in_place_of_a_task(fake, tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*")
    departures = ["The scale is typed in; the method asks for one from the file."]
    measured = {**JOB["result"], "method": {"name": "Powder", "version": 2, "departures": departures}}
    versions = [{"number": 2, "state": "approved"}, {"number": 1, "state": "withdrawn"}]
    fake.answers["GET /methods"] = [
        json_answer(200, {"methods": [{"id": "9", "name": "Powder", "versions": versions}]})
    ]
    fake.answers["POST /jobs"] = [json_answer(202, {**JOB, "result": measured})]
    calls = [("list_methods", {}), ("analyse", {"path": "a.tif", "method": "Powder@2"})]
    _, (listed, result) = answers(make_server(fake.async_client(), tmp_path), *calls)
    assert content(listed) == [{"name": "Powder", "versions": versions}]
    assert content(result)["method"]["departures"] == departures
    sent = fake.bodies[fake.asked.index("POST /jobs")]
    assert b'name="method"\r\n\r\nPowder@2' in sent and b'name="task"' not in sent


def test_what_goes_wrong_is_a_sentence(fake, tmp_path):
    calls = [("read_result", {"id": "7"}), ("analyse", {"path": "no.tif"}), ("analyse_folder", {"path": "no"})]
    nameless = [(tool, {"path": path}) for tool in ("analyse", "analyse_folder") for path in ("a\0b", 300 * "a")]
    _, (missing, no_file, no_folder, *others) = answers(make_server(fake.async_client(), tmp_path), *calls, *nameless)
    for refusal in others:
        assert refusal.is_error and re.search("There is no file|is no folder with files", refusal.content[0].text)
    assert missing.is_error and missing.content[0].text.endswith("There is nothing at GET /jobs/7.")
    assert no_file.is_error and "There is no file no.tif in" in no_file.content[0].text
    assert no_folder.is_error and "no folder with files" in no_folder.content[0].text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--folder", "/no/such/folder"], {}, "/no/such/folder is no folder. Make it first, or name another one."),
        (
            [],
            {"DEEPSEGM_URL": "site.example"},
            "DEEPSEGM_URL: The address of the site begins with http:// or https://.",
        ),
    ],
)
def test_a_wrong_start_is_one_sentence(arguments, environment, sentence):
    command = [sys.executable, "-m", "deepsegm_client.mcp_server", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "client"), **environment}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.strip()) == (1, sentence)


@pytest.mark.slow
def test_an_agent_measures_an_image_over_stdio_and_http(site, discs):
    env = {"PYTHONPATH": str(ROOT / "client"), "DEEPSEGM_URL": site, "PATH": os.environ["PATH"]}
    arguments = ["-m", "deepsegm_client.mcp_server", "--folder", str(discs.parent)]
    stdio = StdioServerParameters(command=sys.executable, args=arguments, env=env)
    calls = [("analyse", {"path": discs.name}), ("analyse", {"path": discs.name, "settings": {"nonsense": 1}})]
    _, (measured, refused) = answers(stdio, *calls)
    numbers = content(measured)["numbers"]
    assert numbers["median"]["value"] == pytest.approx(400, rel=0.05)
    assert refused.is_error and "nonsense" in refused.content[0].text

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    http = subprocess.Popen([sys.executable, *arguments, "--http", str(port)], env=env)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        for _ in range(2):  # a second session finds the site's connections open
            _, (kinds,) = answers(f"http://127.0.0.1:{port}/mcp", ("list_kinds", {}))
            assert "particles" in json.dumps(content(kinds))
        _, (sample,) = answers(f"http://127.0.0.1:{port}/mcp", ("analyse_folder", {"path": "."}))
        first = content(sample)["images"][0]["id"]
        _, (figure, saved) = answers(
            f"http://127.0.0.1:{port}/mcp",
            ("show_figure", {"id": first}),
            ("download", {"id": first, "file": "particles.csv"}),
        )
        assert figure.content[0].mime_type == "image/webp"
        assert Path(content(saved)).parent == discs.parent and "min_feret" in Path(content(saved)).read_text()
        Path(content(saved)).unlink()
    finally:
        http.terminate()
        http.wait(timeout=20)


def test_the_client_of_the_site_is_closed_at_the_end(fake):
    site: AsyncClient = fake.async_client()
    answers(make_server(site, None))
    assert site._http.is_closed
