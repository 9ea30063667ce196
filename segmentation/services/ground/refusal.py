"""The exception by which a service refuses a request, and the changes of a row that may be refused."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from ...models import Attempted

LONGEST = 1000  # characters of a sentence: it may quote what was sent, and what is sent may be long


class Refused(Exception):
    """A request against the rules: one sentence for the user (what is wrong, what to do) and an HTTP status.

    after: seconds after which it may be sent again, 0 where that is not known.
    """

    def __init__(self, sentence: str, status: int = 400, *, after: int = 0) -> None:
        if len(sentence) > LONGEST:
            sentence = f"{sentence[: LONGEST // 2]} ... {sentence[-LONGEST // 4 :]}"
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.after = after


def lock(row: Any, gone: str) -> None:
    """Lock a row and read it anew: of two changes at once one waits. Raises Refused (404) if it is gone."""
    try:
        row.refresh_from_db(from_queryset=type(row).objects.select_for_update())
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None


def move(row: Attempted, states: tuple[str, ...], otherwise: str, gone: str, **fields: Any) -> None:
    """One transition by a person; nothing happens if the target state is already reached.

    otherwise, gone: sentences for a row in none of the states (409), and for a deleted one (404).
    """
    moved = type(row).objects.filter(pk=row.pk, state__in=states).update(**fields)
    try:
        row.refresh_from_db()
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None
    if not moved and row.state != fields["state"]:
        raise Refused(otherwise, 409)
