"""The log of changes by the staff, and of each change of the limits of a result: who, when, what, and
the values before and after."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from ...core.report.tables.cells import csv_text, name_cell
from ...models import Link, StaffAction
from . import bounds

SHELL, BACKUP, NO_ACCOUNT = "command line", "made a backup", "without an account"
COLUMNS = ("created", "account", "action", "kind", "target", "name", "before", "after")
# The log stores those of these fields that the model of a row has.
LOGGED_FIELDS = (
    *("name", "state", "owner_id", "material", "instrument", "licence", "shared", "offered", "overruled_by_id"),
    *("model_name", "task", "rule", "value", "typed", "included", "signature_hash", "edit_count"),
    *("title", "url", "stopped"),
    *("revoked", "expires", "read_only", "uid", "user_id", "group_id"),
    *("stored_gb", "megapixels_a_day"),
)
# The words for an action, by the end of the name of its URL, or by its name in Django's admin.
ACTION_WORDS = {
    **dict.fromkeys(("add", "images"), "added images"),
    **dict.fromkeys(("change", "rerun", "revisions", "settings"), "analysed again with other settings"),
    **dict.fromkeys(("calibration", "scale", "width"), "measured with another scale"),
    **dict.fromkeys(("retry", "waiting again"), "tried again"),
    **dict.fromkeys(("sign", "signatures"), "signed"),
    **dict.fromkeys(("check", "waiting for the check"), "checked again"),
    "automatic": "made a version of the outlines before all corrections",
    "cancel": "cancelled",
    "close": "closed a sample",
    "reopen": "opened a closed sample again",
    "corrections": "measured the corrected outlines",
    "delete": "deleted",
    "describe": "changed the description",
    "edits": "corrected outlines",
    "go-on": "corrected a version further",
    "group": "changed the group of an image",
    "ignore": "changed the regions to ignore",
    "image": "changed which images count",
    "opened by a new link": "renewed the private link",
    "link": "changed the private link",
    "name": "changed the name",
    "offer": "offered the model",
    "outlines": "measured outlines of another tool",
    "remove": "removed an image",
    "share": "changed who may use the model",
    "training-data": "used as training data",
    "version": "named a version",
    "withdraw": "withdrew the model",
    "without a link": "switched off the private link",
}


def action_of(name: str, method: str) -> str:
    """The action of a request, as a key of ACTION_WORDS.

    name: of its URL, such as "api:job-cancel", which gives "cancel". method: of HTTP; it decides for
    the URLs of a row or of an image, which serve several actions.
    """
    kind, _, what = name.removeprefix("api:").partition("-")
    what = what if kind in ("job", "sample", "dataset", "training") and what else name.removeprefix("api:")
    image_actions = {"DELETE": "remove", "PATCH": "group"}
    row_actions = {"DELETE": "delete", "PATCH": "describe"}
    return (image_actions if what == "image" else row_actions).get(method, what)


def snapshot(row: Model) -> dict[str, Any]:
    """The values of a row that the log stores, read from the database now; {} if the row is deleted."""
    now = type(row)._default_manager.filter(pk=row.pk).first()
    return {} if now is None else _values(now, Link.objects.filter(pk=row.pk).first() if _has_link(row) else None)


def _has_link(row: Model) -> bool:
    return hasattr(row, "visitor")  # rows that belong to somebody


def _values(row: Model, link: Link | None) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in LOGGED_FIELDS if hasattr(row, name)}
    values |= {"link ends": link.ends, "link off": link.off, "link": link.number[:6]} if link else {}
    return {name: value if isinstance(value, int | float) else str(value) for name, value in values.items() if value}


def name_of(account: Any) -> str:
    """The name of an account in the log; NO_ACCOUNT for None."""
    return (account and account.get_username()) or NO_ACCOUNT


def note(account: Any, action: str, row: Any, before: dict[str, Any] | None = None, after: Any = None) -> None:
    """Add an entry to the log. It contains the values that differ between `before` and `after`, or all
    of `before` if `after` is empty.

    account: who made the change, or in words. Raises Refused (422, 429) if an account without rights of staff, or a
    visitor, has made too many changes. action: as in ACTION_WORDS, or in words. row: the changed row.
    """
    before, after = before or {}, after or {}
    if not isinstance(account, str):
        if not getattr(account, "is_staff", False):
            bounds.ask(StaffAction, of=str(row.pk), user=account)
        account = name_of(account)
    if after:
        names = [field for field in {**before, **after} if before.get(field) != after.get(field)]
        before, after = ({field: side.get(field) for field in names} for side in (before, after))
    _entry(account, action, row, before, after).save()


def note_deleted(account: Any, rows: Iterable[Any]) -> None:
    """Add entries to the log for rows that are about to be deleted, with their values."""
    rows = list(rows)
    links = Link.objects.in_bulk([row.pk for row in rows if _has_link(row)])
    entries = (_entry(account, "deleted", row, _values(row, links.get(row.pk)), {}) for row in rows)
    StaffAction.objects.bulk_create(entries, batch_size=100)


def _entry(account: Any, action: str, row: Any, before: dict[str, Any], after: dict[str, Any]) -> StaffAction:
    name = str(getattr(row, "micrograph", None) or row)[:200]
    kind, pk = str(row._meta.verbose_name), str(row.pk)
    entry = {"kind": kind, "target": pk, "name": name, "before": before, "after": after}
    return StaffAction(account=str(account)[:150], action=ACTION_WORDS.get(action, action)[:100], **entry)


def log_as_csv(rows: Iterable[StaffAction]) -> str:
    """The log as CSV. Cells are escaped, so that a spreadsheet takes none for a formula."""
    table = ([row.created.isoformat(), *(getattr(row, name) for name in COLUMNS[1:])] for row in rows)
    return csv_text([COLUMNS, *([name_cell(str(cell)) for cell in row] for row in table)])
