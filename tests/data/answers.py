"""What the site answers about all that lies in a data folder: the same questions to old code and to today's.

    DEEPSEGM_DATA=FOLDER PYTHONPATH=CHECKOUT python answers.py > answers.json

FOLDER/asked.json names the rows and who owns them. Only addresses of the site are used, no code of it but its settings.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

ALICE = {"username": "alice", "password": "alice's password"}
BY_API = ("result.json",)  # one file a row: each call costs the time of a password
BASIC = "Basic " + base64.b64encode(":".join(ALICE.values()).encode()).decode()


def main() -> None:
    from django.conf import settings

    import deepsegm.wsgi  # noqa: F401  sets Django up and makes its folders, as a server does

    owners = json.loads(Path(settings.DEEPSEGM_DATA, "asked.json").read_text())
    browsers = {"alice": signed_in(), "visitor": _visitor(owners["visitor"])}
    answers = {
        kind: {pk: _row(kind, pk, browsers[owner], owner) for pk, owner in owners[kind].items()}
        for kind in ("jobs", "samples")
    }
    answers["uploads"] = {
        pk: _file(browsers[owner].get(f"/uploads/{pk}/preview.png")) for pk, owner in owners["uploads"].items()
    }
    answers["lists"] = {who: _linked(browser) for who, browser in browsers.items()}
    json.dump(answers, sys.stdout)


def signed_in() -> Any:
    """Alice's browser."""
    from django.test import Client

    browser = Client(SERVER_NAME="localhost")
    browser.post("/accounts/login/", {**ALICE, "login": ALICE["username"]})
    return browser


def _visitor(number: str) -> Any:
    from django.core import signing
    from django.test import Client

    browser = Client(SERVER_NAME="localhost")
    browser.cookies["visitor"] = signing.get_cookie_signer(salt="visitorvisitor").sign(number)
    return browser


def _row(kind: str, pk: str, browser: Any, owner: str) -> dict[str, Any]:
    """What page and API say of a job or sample, its files as downloaded, and what a stranger gets."""
    from django.test import Client

    script = Client(SERVER_NAME="localhost", **({"HTTP_AUTHORIZATION": BASIC} if owner == "alice" else {}))
    response = script.get(f"/api/v1/{kind}/{pk}").json()
    return {
        "page": _page(browser.get(f"/{kind}/{pk}/")),
        "stranger": Client(SERVER_NAME="localhost").get(f"/{kind}/{pk}/").status_code,
        "api": response,
        "files": {name: _file(browser.get(f"/{kind}/{pk}/files/{name}")) for name in response["files"]},
        "by_api": {name: _file(script.get(response["files"][name])) for name in BY_API if name in response["files"]},
    }


def _linked(browser: Any) -> list[str]:
    """The ids of all jobs and samples that the list of one's own results leads to."""
    html = browser.get("/results/").content.decode()
    return sorted(set(re.findall(r"/(?:jobs|samples)/([0-9a-f-]{36})/", html)))


def _page(response: Any) -> dict[str, Any]:
    return {"status": response.status_code, "html": response.content.decode()}


def _file(response: Any) -> dict[str, Any]:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return {"status": response.status_code, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


if __name__ == "__main__":
    main()
