"""The exceptions of this package. The message of each is one sentence for people."""

from __future__ import annotations

from typing import Any

import httpx


class DeepSegmError(Exception):
    """The base class of all errors here; the message is one sentence for people."""


class Refused(DeepSegmError):
    """The site refused a request. status: the HTTP status, such as 404."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Outdated(Refused):
    """Somebody else corrected the result meanwhile, so nothing was changed.

    edits: the corrections that you do not know yet. base: the number of the last one. Send it with your corrections
    after you have looked at the edits.
    """

    def __init__(self, sentence: str, base: int, edits: list[dict[str, Any]]) -> None:
        super().__init__(sentence, 409)
        self.base, self.edits = base, edits


class Failed(DeepSegmError):
    """An analysis, sample or training ended without a result. row: the JSON of the site about it."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row.get("error") or f"It was {row['state']}.")
        self.row = row


class Unreachable(DeepSegmError):
    """The site cannot be reached, or something else answers in its place."""


class TimedOut(DeepSegmError, TimeoutError):
    """Waiting took longer than `timeout`. The work goes on at the site, so you may wait again."""


def _successful_answer(answer: httpx.Response, url: str) -> httpx.Response:
    """The answer, if it is a success; else raises Refused, Outdated or Unreachable. url: of the site."""
    if answer.is_success:
        return answer
    if answer.has_redirect_location:
        raise Unreachable(f"{url} leads to {answer.headers['Location']}: give that address in its place.")
    try:
        content = answer.json()
        sentence = str(content["error"])
    except (ValueError, KeyError, TypeError):
        raise Unreachable(f"{url} answers {answer.status_code}, but not as DeepSegm.") from None
    if answer.status_code == 409 and "edits" in content:
        raise Outdated(sentence, int(content["base"]), content["edits"])
    raise Refused(sentence, answer.status_code)
