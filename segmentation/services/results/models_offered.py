"""Which models a person may see and use: every released or installed one, and the trained ones that are theirs or
shared. Whatever people do with a model goes through here; workers read the cards themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from ... import __version__
from ...core import tasks
from ...core.archive import write_zip
from ...core.network import cards
from ...core.network.cards import ModelCard, UnknownModel
from ...core.network.package import package
from ...models import ModelDefault, Training
from ..ground import staff_log
from ..ground.refusal import Refused

BY_IMAGE = "Automatic"  # title of the automatic names
_packing = Lock()  # one at a time: it takes as much memory as the weights
REMEMBERED = 20  # models that were the default before
NO_ACCOUNT = "Sign in first: a default belongs to an account."
STAFF_ONLY = "Only staff with the right to change defaults may set the model of the whole site."
NOT_SHARED = "Share this model first: the model of the whole site must be open to every account."
NOTHING_BEFORE = "There is no default to go back from."


def trained(names: Iterable[str] | None = None) -> dict[str, Training]:
    """The trainings by the names of their models. names: of these alone. A released model always keeps its own name."""
    rows = Training.objects.exclude(model_name="").defer("summary", "frozen")
    rows = rows.select_related("dataset", "owner")
    if names is not None:
        rows = rows.filter(model_name__in=names)
    row_by_model = {row.model_name: row for row in rows}
    released = cards.released_names() if row_by_model else set()
    return {name: row for name, row in row_by_model.items() if name not in released}


def offered(user: Any) -> list[ModelCard]:
    """The cards of the models that forms and lists offer to a person, the default model of the release first."""
    trained_models = trained()
    site = _site_defaults() if trained_models else set()
    return [card for card in cards.available() if _is_offered(trained_models.get(card.name), user, site)]


def card_for(user: Any, name: str) -> ModelCard:
    """The card of a model that a person may look at: also one that is not offered, to its owner and to staff. Raises
    UnknownModel, for another person's model as if it did not exist."""
    card = next((card for card in cards.available() if card.name == name), None)
    if card is None or not may_look_at(name, user):
        names = ", ".join(card.name for card in offered(user)) or "none"
        raise UnknownModel(f"There is no model named {name!r} here: the models are {names}.")
    return card


def package_of(card: ModelCard) -> Path:
    """The package of a model for other programs, which is kept on disk until the card changes. Raises BadPackage and
    AlteredWeights."""
    digest = hashlib.sha256(f"{card} {__version__}".encode()).hexdigest()[:16]
    folder: Path = settings.DEEPSEGM_DATA / "packages"
    file = folder / f"{card.name}-{digest}.zip"
    with _packing:
        if not file.is_file():
            channels, aside = tasks.find(card.task).channels(card), folder / uuid4().hex
            folder.mkdir(exist_ok=True)
            try:
                write_zip(aside, package(card, channels.names, channels.activation))
                for old in folder.glob(f"{card.name}-{'?' * 16}.zip"):
                    old.unlink(missing_ok=True)
                aside.replace(file)
            finally:
                aside.unlink(missing_ok=True)
    return file


def may_look_at(name: str, user: Any) -> bool:
    """Whether a person may see the card and the weights of a model that is here."""
    row = trained([name]).get(name)
    return row is None or row.is_visible_to(user) or _is_offered(row, user, _site_defaults())


def title_of(name: str) -> str:
    """What people call the model of a setting: the title on its card, or that the image chooses it."""
    if cards.released(name):
        return BY_IMAGE
    return next((card.title for card in cards.available() if card.name == name), name)


def check_model(name: str, user: Any) -> None:
    """Raises Refused for a model that a person may not analyse with."""
    if not is_usable(name, user):
        names = [card.name for card in offered(user)]
        raise Refused(f"There is no model named {name!r} here: choose one of {', '.join(names)}.", 400)


def is_usable(name: str, user: Any) -> bool:
    """Whether a person may analyse with the model of this name, which may be an automatic one."""
    if cards.released(name):
        return True
    row = trained([name]).get(name)
    is_installed = any(card.name == name for card in cards.available())
    staff = row is not None and row.offered and row.staff_may(user, "view")
    return is_installed and (staff or _is_offered(row, user, _site_defaults()))


def chosen_default(task: str, user: Any) -> str:
    """The model that the account, or else the site, uses where nobody chooses one; "" where none was set."""
    return chosen_defaults(user).get(task, "")


def own_default(task: str, user: Any) -> str:
    """The model that the account itself made its default, "" without one."""
    rows = ModelDefault.objects.filter(owner=user, task=task) if user.is_authenticated else ModelDefault.objects.none()
    return next((row.model_name for row in rows), "")


def default_model(task: str, user: Any) -> str:
    """The model of a kind of analysis where nobody chooses one: the account's, the site's, by image, the first."""
    if chosen := chosen_default(task, user):
        return chosen
    if task in cards.tasks_of_several():
        return cards.automatic(task)
    return next((card.name for card in offered(user) if card.task == task), "")


@transaction.atomic
def set_default(*, name: str, user: Any, site: bool = False) -> ModelDefault:
    """Let the account, or the site, use this model where nobody chooses one. Raises Refused (400, 401, 403, 409)."""
    owner = _owner(user, site)
    check_model(name, user)
    row = trained([name]).get(name)
    if site and row is not None and not row.shared:
        raise Refused(NOT_SHARED, 409)
    task = cards.stands_for(name)[0].task
    default, _ = ModelDefault.objects.select_for_update().get_or_create(
        owner=owner, task=task, defaults={"model_name": name}
    )
    if default.model_name != name:
        default.before = [*default.before, default.model_name][-REMEMBERED:]
        default.model_name = name
        default.save()
    if site:
        last = {"model": default.before[-1]} if default.before else {}
        staff_log.note(user, "default of the site", default, last, {"model": name})
    return default


@transaction.atomic
def back(*, task: str, user: Any, site: bool = False) -> str:
    """Take the last usable default of before; returns its name, "" for none. Raises Refused (401, 403, 409)."""
    row = ModelDefault.objects.select_for_update().filter(owner=_owner(user, site), task=task).first()
    if row is None:
        raise Refused(NOTHING_BEFORE, 409)
    before, used = list(row.before), row.model_name
    while before:
        name = before.pop()
        if is_usable(name, user):
            row.model_name, row.before = name, before
            row.save()
            break
    else:
        name = ""
    if site:
        staff_log.note(user, "default of the site taken back", row, {"model": used}, {"model": name or "automatic"})
    if not name:
        row.delete()
    return name


def may_set_for_all(user: Any) -> bool:
    """Whether a person may set the model of the whole site."""
    signed_in = user is not None and user.is_authenticated
    return signed_in and user.is_staff and user.has_perm("segmentation.change_modeldefault")


def _owner(user: Any, site: bool) -> Any:
    if user is None or not user.is_authenticated:
        raise Refused(NO_ACCOUNT, 401)
    if site and not may_set_for_all(user):
        raise Refused(STAFF_ONLY, 403)
    return None if site else user


def chosen_defaults(user: Any) -> dict[str, str]:
    """The usable defaults by kind of analysis: the account's own before the site's."""
    signed_in = user is not None and user.is_authenticated
    whose = Q(owner=None) | Q(owner=user) if signed_in else Q(owner=None)
    rows = sorted(ModelDefault.objects.filter(whose), key=lambda row: row.owner_id is not None)
    return {row.task: row.model_name for row in rows if is_usable(row.model_name, user)}


def _site_defaults() -> set[str]:
    """The names of the site's default models: a shared one of these is open to visitors, too."""
    return set(ModelDefault.objects.filter(owner=None).values_list("model_name", flat=True))


def _is_offered(row: Training | None, user: Any, site: set[str]) -> bool:
    """Whether forms offer a model. row: None for one that was released, or installed from the shell."""
    if row is None:
        return True
    signed_in = user is not None and user.is_authenticated
    shared = row.shared and (signed_in or row.model_name in site)
    return row.offered and (shared or (signed_in and row.owner_id == user.pk))
