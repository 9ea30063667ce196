"""Work goes on in an upgraded data folder; run like answers.py: python go_on.py JOB...

Each JOB, and it may be anybody's, is measured under a width of 3000 nm; each sample is pooled once more. Prints their
answers in JSON: jobs by the JOB they come from, samples by their own ids.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from answers import BASIC, signed_in

WIDTH = "3000 nm"


def main(jobs: list[str]) -> None:
    from django.conf import settings

    import deepsegm.wsgi  # noqa: F401  sets Django up and makes its folders, as a server does

    alice = signed_in()
    asked = json.loads(Path(settings.DEEPSEGM_DATA, "asked.json").read_text())
    answers = {
        "jobs": {pk: _measured_again(alice, pk) for pk in jobs},
        "samples": {pk: _pooled_again(alice, pk) for pk in asked["samples"]},
    }
    json.dump(answers, sys.stdout)


def _measured_again(browser: Any, pk: str) -> dict[str, Any]:
    from worker.tasks import run_job

    response = browser.post(f"/jobs/{pk}/width/", {"width": WIDTH, "origin": "typed"})
    assert response.status_code == 303, response.content.decode()
    new = response["Location"].strip("/").split("/")[-1]
    run_job(new)
    return browser.get(f"/api/v1/jobs/{new}", headers={"Authorization": BASIC}).json()


def _pooled_again(browser: Any, pk: str) -> dict[str, Any]:
    from worker.tasks import run_sample

    address, basic = f"/api/v1/samples/{pk}", {"Authorization": BASIC}
    image = browser.get(address, headers=basic).json()["images"][0]["id"]
    for included in ("off", "on"):
        browser.post(f"{address}/images/{image}", {"included": included}, headers=basic)
    run_sample(pk)
    return browser.get(address, headers=basic).json()


if __name__ == "__main__":
    main(sys.argv[1:])
