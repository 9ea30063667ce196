"""What can go wrong, each in one sentence for people."""

from __future__ import annotations

from typing import Any

import httpx


class DeepSegmError(Exception):
    """What went wrong, in one sentence for people."""


class Refused(DeepSegmError):
    """The site refused a request. status: of HTTP, such as 404."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Outdated(Refused):
    """Somebody else corrected the result meanwhile, so nothing was changed.

    edits: those that you do not know yet. base: the number of the last one; send it with your corrections, once you
    have looked at the edits.
    """

    def __init__(self, sentence: str, base: int, edits: list[dict[str, Any]]) -> None:
        super().__init__(sentence, 409)
        self.base, self.edits = base, edits


class Failed(DeepSegmError):
    """An analysis, sample or training ended without a result. row: it, as the site tells it."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row.get("error") or f"It was {row['state']}.")
        self.row = row


class Unreachable(DeepSegmError):
    """The site cannot be reached, or something else answers in its place."""


class TimedOut(DeepSegmError, TimeoutError):
    """It took longer than you would wait. It goes on at the site, so you may wait again."""


def checked(answer: httpx.Response, url: str) -> httpx.Response:
    """An answer of success; raises Refused, Outdated, Unreachable. url: of the site."""
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
