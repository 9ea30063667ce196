"""Finds which models a user may see and use: released and installed models, and trained models of the
user or shared with the user. It also stores the default models of accounts and of the site. (Workers
read the cards of models directly.)"""

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
from ...core.network.package import package_files
from ...models import ModelDefault, Training
from ..ground import staff_log
from ..ground.refusal import Refused

BY_IMAGE = "Automatic"  # title of the automatic choice, by which each image gets the best model for it
_package_lock = Lock()  # packages are made one at a time, because each takes as much memory as the weights
MOST_EARLIER = 20  # earlier default models that are stored of each default
NO_ACCOUNT = "Sign in first: a default belongs to an account."
STAFF_ONLY = "Only staff with the right to change defaults may set the model of the whole site."
NOT_SHARED = "Share this model first: the model of the whole site must be open to every account."
NOTHING_BEFORE = "There is no default to go back from."


def trainings_by_model(names: Iterable[str] | None = None) -> dict[str, Training]:
    """The trainings that made a model, by the name of the model. names: only of these models.

    A training whose model has the same name as a released model is left out.
    """
    rows = Training.objects.exclude(model_name="").defer("summary", "frozen")
    rows = rows.select_related("dataset", "owner")
    if names is not None:
        rows = rows.filter(model_name__in=names)
    row_by_model = {row.model_name: row for row in rows}
    released = cards.released_names() if row_by_model else set()
    return {name: row for name, row in row_by_model.items() if name not in released}


def offered_models(user: Any) -> list[ModelCard]:
    """The cards of the models that forms and lists offer to a user; the default model of the release
    comes first."""
    trained_models = trainings_by_model()
    site = _site_defaults() if trained_models else set()
    return [card for card in cards.available() if _is_offered(trained_models.get(card.name), user, site)]


def card_for(user: Any, name: str) -> ModelCard:
    """The card of a model that a user may see. The owner and the staff may also see a model that is not
    offered.

    Raises UnknownModel, also for a model that the user may not see, so that its existence stays
    secret.
    """
    card = next((card for card in cards.available() if card.name == name), None)
    if card is None or not may_look_at(name, user):
        names = ", ".join(card.name for card in offered_models(user)) or "none"
        raise UnknownModel(f"There is no model named {name!r} here: the models are {names}.")
    return card


def package_of(card: ModelCard) -> Path:
    """The path of a ZIP file with a model for other programs. It is stored until the card changes.
    Raises BadPackage and AlteredWeights."""
    digest = hashlib.sha256(f"{card} {__version__}".encode()).hexdigest()[:16]
    folder: Path = settings.DEEPSEGM_DATA / "packages"
    file = folder / f"{card.name}-{digest}.zip"
    with _package_lock:
        if not file.is_file():
            channels, partial = tasks.find(card.task).channels(card), folder / uuid4().hex
            folder.mkdir(exist_ok=True)
            try:
                write_zip(partial, package_files(card, channels.names, channels.activation))
                for old in folder.glob(f"{card.name}-{'?' * 16}.zip"):
                    old.unlink(missing_ok=True)
                partial.replace(file)
            finally:
                partial.unlink(missing_ok=True)
    return file


def may_look_at(name: str, user: Any) -> bool:
    """Whether a user may see the card and the weights of a model of this site."""
    row = trainings_by_model([name]).get(name)
    return row is None or row.is_visible_to(user) or _is_offered(row, user, _site_defaults())


def title_of(name: str) -> str:
    """The title of a model, from its card; BY_IMAGE if `name` is an automatic choice."""
    if cards.released(name):
        return BY_IMAGE
    return next((card.title for card in cards.available() if card.name == name), name)


def check_model(name: str, user: Any) -> None:
    """Raises Refused (400) if a user may not use this model for an analysis."""
    if not is_usable(name, user):
        names = [card.name for card in offered_models(user)]
        raise Refused(f"There is no model named {name!r} here: choose one of {', '.join(names)}.", 400)


def is_usable(name: str, user: Any) -> bool:
    """Whether a user may use this model, or this automatic choice of a model, for an analysis."""
    if cards.released(name):
        return True
    row = trainings_by_model([name]).get(name)
    is_installed = any(card.name == name for card in cards.available())
    staff = row is not None and row.offered and row.staff_may(user, "view")
    return is_installed and (staff or _is_offered(row, user, _site_defaults()))


def chosen_default(task: str, user: Any) -> str:
    """The default model of a kind of analysis (`task`): of the account, otherwise of the site; "" if none
    is set."""
    return chosen_defaults(user).get(task, "")


def own_default(task: str, user: Any) -> str:
    """The default model that the account itself has set; "" if it has set none."""
    rows = ModelDefault.objects.filter(owner=user, task=task) if user.is_authenticated else ModelDefault.objects.none()
    return next((row.model_name for row in rows), "")


def default_model(task: str, user: Any) -> str:
    """The model that is used if the user chooses none: the default of the account, otherwise of the
    site, otherwise the automatic choice if the kind has several models, otherwise the first model."""
    if chosen := chosen_default(task, user):
        return chosen
    if task in cards.tasks_of_several():
        return cards.automatic_name(task)
    return next((card.name for card in offered_models(user) if card.task == task), "")


@transaction.atomic
def set_default(*, name: str, user: Any, site: bool = False) -> ModelDefault:
    """Make this model the default of the account, or of the site. Raises Refused (400, 401, 403,
    409)."""
    owner = _owner_of_default(user, site)
    check_model(name, user)
    row = trainings_by_model([name]).get(name)
    if site and row is not None and not row.shared:
        raise Refused(NOT_SHARED, 409)
    task = cards.cards_for_name(name)[0].task
    default, _ = ModelDefault.objects.select_for_update().get_or_create(
        owner=owner, task=task, defaults={"model_name": name}
    )
    if default.model_name != name:
        default.before = [*default.before, default.model_name][-MOST_EARLIER:]
        default.model_name = name
        default.save()
    if site:
        last = {"model": default.before[-1]} if default.before else {}
        staff_log.note(user, "default of the site", default, last, {"model": name})
    return default


@transaction.atomic
def restore_default(*, task: str, user: Any, site: bool = False) -> str:
    """Restore the last earlier default model that can still be used; returns its name. If there is none,
    the default is removed, and "" is returned. Raises Refused (401, 403, 409)."""
    row = ModelDefault.objects.select_for_update().filter(owner=_owner_of_default(user, site), task=task).first()
    if row is None:
        raise Refused(NOTHING_BEFORE, 409)
    before, present = list(row.before), row.model_name
    while before:
        name = before.pop()
        if is_usable(name, user):
            row.model_name, row.before = name, before
            row.save()
            break
    else:
        name = ""
    if site:
        staff_log.note(user, "default of the site taken back", row, {"model": present}, {"model": name or "automatic"})
    if not name:
        row.delete()
    return name


def may_set_for_all(user: Any) -> bool:
    """Whether a user may set the default models of the site."""
    signed_in = user is not None and user.is_authenticated
    return signed_in and user.is_staff and user.has_perm("segmentation.change_modeldefault")


def _owner_of_default(user: Any, site: bool) -> Any:
    """The owner of a default model: the account, or None for the site. Raises Refused (401, 403)."""
    if user is None or not user.is_authenticated:
        raise Refused(NO_ACCOUNT, 401)
    if site and not may_set_for_all(user):
        raise Refused(STAFF_ONLY, 403)
    return None if site else user


def chosen_defaults(user: Any) -> dict[str, str]:
    """The default models that a user can use, by kind of analysis: of the account, otherwise of the
    site."""
    signed_in = user is not None and user.is_authenticated
    owner_filter = Q(owner=None) | Q(owner=user) if signed_in else Q(owner=None)
    rows = sorted(ModelDefault.objects.filter(owner_filter), key=lambda row: row.owner_id is not None)
    return {row.task: row.model_name for row in rows if is_usable(row.model_name, user)}


def _site_defaults() -> set[str]:
    """The names of the site's default models. (Without an account, a shared model can be used only if it
    is a default of the site.)"""
    return set(ModelDefault.objects.filter(owner=None).values_list("model_name", flat=True))


def _is_offered(row: Training | None, user: Any, site: set[str]) -> bool:
    """Whether forms offer a model to a user. row: its training; None for a model that was released or
    installed by a command. site: the names of the site's default models.
    """
    if row is None:
        return True
    signed_in = user is not None and user.is_authenticated
    shared = row.shared and (signed_in or row.model_name in site)
    return row.offered and (shared or (signed_in and row.owner_id == user.pk))
