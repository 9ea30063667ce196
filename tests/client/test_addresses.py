"""The client asks for every address of the API, so that whatever the pages do a script does too."""

from __future__ import annotations

import re

import httpx

from segmentation.api.urls import document

from .fake import PREFIX, Site, json_answer

ROW = {
    "id": "ID",
    "state": "done",
    "files": {"result.json": ""},
    "images": [],
    "done": 1,
    "failed": 0,
    "under_way": 0,
    "model": "m",
    "base": 0,
    "edits": [],
    "ids": [],
    "others": [],
    "claimed": 0,
    "tasks": [],
    "quantities": [],
    "method": "ID",
}
BESIDES = {"GET /jobs/*/edits.csv", "GET /jobs/*/standing"}  # edits gives the same; what the page draws


class Anything(Site):
    """Answers everything with one row."""

    def usual(self, request: httpx.Request, endpoint: str) -> httpx.Response:
        path = request.url.path.removeprefix(PREFIX)
        if request.method == "DELETE":
            return httpx.Response(204)
        are_rows = request.method == "GET" and path in ("/models", "/trainings", "/references")
        if are_rows or (path.endswith(("/suggestions", "/charts")) and request.method == "GET"):
            return json_answer(200, [])
        lists = {"/jobs": "jobs", "/samples": "samples", "/datasets": "datasets"}
        if request.method == "GET" and path == "/methods":
            return json_answer(200, {"methods": [ROW]})
        if request.method == "GET" and path in lists:
            return json_answer(200, {"count": 0, lists[path]: []})
        return json_answer(200, ROW)


def everything(site: Site, folder) -> None:
    client = site.client()
    client.chart("ID"), client.change_chart("ID", rules=[1]), client.mark_point("ID", 1), client.delete_chart("ID")
    method = client.method("ID")
    method.charts(), method.create_chart(quantity="median")
    client.references(), client.reference("ID"), client.add_reference({}), client.delete_reference("ID")
    client.me(), client.claim("x" * 16), client.tasks()
    job, result = client.submit(b"II*"), client.analyse(b"II*")
    job.cancel(), job.retry(), client.job("ID").delete(), list(client.jobs())
    (
        result.edits(),
        result.edit([]),
        result.similar([1]),
        result.offers(),
        result.revise(),
        result.finish(),
        result.send_outlines(b"PK"),
    )
    site.answers["GET /jobs/ID/labels"] = [httpx.Response(404, json={"error": "none"})]
    try:
        result.labels()
    except Exception as error:
        assert str(error) == "none"
    result.scales("7 nm"), result.rescale("file"), result.sign("p"), result.read("figure.png")
    client.save_results([result], folder), client.save_objects([result], folder), client.compare(job, result)
    sample = client.submit_sample([b"II*"])
    pooled = client.sample_by_id("ID").wait()
    pooled.save_outlines(folder), client.sample_of_results([job]), list(client.samples())
    for analysis in (result, pooled):
        analysis.link(), analysis.change_link(renew=True)
        analysis.specification(), analysis.hold_against([{}]), analysis.hold_against([])
        analysis.reference(), analysis.compare_with_reference("ID"), analysis.compare_with_reference("")
    sample.include("ID", False), sample.use(result), sample.rename("n"), sample.rescale("own"), sample.add([b"II*"])
    sample.close("The filament broke"), sample.reopen("r")
    sample.cancel(), sample.retry(), sample.delete()
    dataset = client.create_dataset("n")
    client.dataset("ID").wait()
    dataset.add(result, reviewed=True, consent=True), dataset.add_zip(b"PK", reviewed=True, consent=True)
    dataset.group("ID", "g"), dataset.remove("ID"), dataset.check(), dataset.change(name="m"), dataset.suggestions()
    dataset.export(folder), list(client.datasets()), dataset.delete()
    training = dataset.train()
    client.training("ID").wait()
    training.cancel(), training.retry(), training.offer(), training.withdraw(), training.share(), training.run_again()
    training.read("card.json"), list(client.trainings()), training.delete()
    method = client.create_method("n", result)
    client.methods(), client.method("ID"), method.change(result), method.version(1)
    method.approve(1, "p", "c"), method.withdraw(1, "r"), method.discard(1)
    study = method.study("n", {"ID": {"day": "1"}})
    study.refresh(), study.save_report(folder), study.sign("p"), study.cancel(), study.apply(), method.log()
    client.models(), client.model("m"), client.set_default("m"), client.restore_default()


def test_every_address_is_asked_for_with_a_method_that_it_has(tmp_path):
    site = Anything()
    everything(site, tmp_path)
    addresses = {
        f"{method.upper()} {re.sub('{[^}]*}', '*', path.removeprefix(PREFIX))}": path
        for path, methods in document()["paths"].items()
        for method in methods
    }
    requests = {re.sub(r"(?<=/)(ID|1|m|figure\.png|card\.json|result\.json)(?=/|$)", "*", path) for path in site.asked}
    assert requests <= set(addresses)
    assert set(addresses) - requests == BESIDES
