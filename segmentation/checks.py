"""System checks: what would go wrong later is said at the start, with what to do."""

from __future__ import annotations

import ipaddress
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from .core import plugins, tasks
from .core.micrograph import formats
from .core.micrograph.confined import landlock_version
from .core.network import cards
from .core.report import exports
from .location import COMMAND

BROKERS = ("spool", "redis", "rediss", "sentinel", "unix", "socket", "amqp", "amqps", "memory")
EXAMPLE = "change-me"  # how each secret of docker/example.env begins


@register(Tags.files)
def data_folder(**kwargs: Any) -> list[CheckMessage]:
    """Everything this machine keeps lies there: the database, the spool, the files, the secret key."""
    folder: Path = settings.DEEPSEGM_DATA
    if not folder.exists():
        return []  # `up` makes it, and says so when it cannot
    problem = probe(folder)
    hint = "Make the folder writable for the user who runs DeepSegm, or set DEEPSEGM_DATA to another one."
    sentence = f"The data folder {folder} cannot be written to ({problem})."
    return [Error(sentence, hint=hint, id="deepsegm.E001")] if problem else []


@register(Tags.files)
def temporary_folder(**kwargs: Any) -> list[CheckMessage]:
    """Uploads and working copies pass through it; it is made at the start, in a folder that is there."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    if not folder.exists():
        folder = folder.parent
        if folder == settings.DEEPSEGM_DATA and not folder.exists():
            return []
    problem = probe(folder)
    hint = "Make it writable, or set DEEPSEGM_TEMP to a folder with room for the largest uploads."
    sentence = f"The folder for temporary files, {folder}, cannot be written to ({problem})."
    return [Error(sentence, hint=hint, id="deepsegm.E002")] if problem else []


@register
def broker(**kwargs: Any) -> list[CheckMessage]:
    """Embedded means one machine; a broker for several needs a database for several."""
    scheme = urlsplit(settings.CELERY_BROKER_URL).scheme
    if scheme not in BROKERS:
        hint = "Use an address such as redis://localhost:6379/0, or leave DEEPSEGM_BROKER_URL unset."
        return [Error(f"DEEPSEGM_BROKER_URL begins with {scheme!r}.", hint=hint, id="deepsegm.E003")]
    if not settings.DEEPSEGM_EMBEDDED and settings.DEEPSEGM_SQLITE:
        hint = "Set DEEPSEGM_DATABASE_URL to a PostgreSQL database before a second machine joins."
        sentence = "The broker can serve several machines but SQLite, the database, only this one."
        return [Warning(sentence, hint=hint, id="deepsegm.W001")]
    return []


@register
def bucket(**kwargs: Any) -> list[CheckMessage]:
    """Half a pair of keys can only be a mistake; none may mean that the machine's role opens the bucket."""
    options = settings.STORAGES["default"].get("OPTIONS", {})
    if not settings.DEEPSEGM_BUCKET:
        return []
    keys = [bool(options.get("access_key")), bool(options.get("secret_key"))]
    hint = "Set DEEPSEGM_BUCKET_KEY and DEEPSEGM_BUCKET_SECRET (or DEEPSEGM_BUCKET_SECRET_FILE)."
    if any(keys) and not all(keys):
        return [Error("DEEPSEGM_BUCKET has only half of its keys.", hint=hint, id="deepsegm.E004")]
    if not any(keys):
        sentence = "DEEPSEGM_BUCKET has no keys, so this machine's own role must be allowed to use the bucket."
        return [Warning(sentence, hint=hint, id="deepsegm.W002")]
    return []


@register(Tags.security)
def proxies(**kwargs: Any) -> list[CheckMessage]:
    """Addresses that can be read, and https that can be recognised."""
    messages: list[CheckMessage] = []
    for word in settings.DEEPSEGM_TRUSTED_PROXIES:
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError:
            hint = "Write addresses or networks separated by commas, such as 127.0.0.1, 10.0.0.0/8."
            sentence = f"DEEPSEGM_TRUSTED_PROXIES holds {word!r}, which is no address."
            messages.append(Error(sentence, hint=hint, id="deepsegm.E005"))
    if settings.HTTPS and not settings.DEEPSEGM_TRUSTED_PROXIES:
        hint = "Set DEEPSEGM_TRUSTED_PROXIES to the address of the proxy that speaks https to the world."
        sentence = "DEEPSEGM_URL is https, but no proxy is trusted to say that a request came by https."
        messages.append(Warning(sentence, hint=hint, id="deepsegm.W003"))
    return messages


@register(Tags.security)
def openid(**kwargs: Any) -> list[CheckMessage]:
    """A provider needs its client, and what it says must not be changed on the way."""
    address = settings.DEEPSEGM_OIDC_URL
    if address is None:
        return []
    if not (settings.DEEPSEGM_OIDC_CLIENT_ID and settings.DEEPSEGM_OIDC_SECRET):
        hint = "Set DEEPSEGM_OIDC_CLIENT_ID and DEEPSEGM_OIDC_SECRET (or DEEPSEGM_OIDC_SECRET_FILE)."
        return [Error("DEEPSEGM_OIDC_URL is set without its client and secret.", hint=hint, id="deepsegm.E009")]
    if address.scheme != "https" and address.hostname not in ("localhost", "127.0.0.1", "::1"):
        hint = "Use the provider's https address."
        return [Error("DEEPSEGM_OIDC_URL is not https, so anybody could answer.", hint=hint, id="deepsegm.E010")]
    return []


@register(Tags.security)
def decoding(**kwargs: Any) -> list[CheckMessage]:
    """Foreign files are decoded in a process that can do little else: so far only Linux's kernel sees to that."""
    if landlock_version() > 0:
        return []
    hint = "Open only files of people whom you trust, or use a kernel of Linux with Landlock (5.13 or later)."
    return [Warning("Files are decoded unconfined: this kernel has no Landlock.", hint=hint, id="deepsegm.W006")]


@register(Tags.security, deploy=True)
def secret_key(**kwargs: Any) -> list[CheckMessage]:
    """A key made for one process signs everyone out when that process ends."""
    if settings.DEEPSEGM_SECRET_KEY_LASTS:
        return []
    hint = f"Set DEEPSEGM_SECRET_KEY or DEEPSEGM_SECRET_KEY_FILE, or let `{COMMAND} up` make one."
    return [Warning("There is no lasting secret key.", hint=hint, id="deepsegm.W004")]


@register(Tags.security)
def example_secrets(**kwargs: Any) -> list[CheckMessage]:
    """Everyone knows the secrets of docker/example.env, so that not even `up` starts with one."""
    options = settings.STORAGES["default"].get("OPTIONS", {})
    secrets = {
        "DEEPSEGM_SECRET_KEY": settings.SECRET_KEY,
        "DEEPSEGM_DATABASE_URL (POSTGRES_PASSWORD)": settings.DATABASES["default"].get("PASSWORD"),
        "DEEPSEGM_BROKER_URL (REDIS_PASSWORD)": urlsplit(settings.CELERY_BROKER_URL).password,
        "DEEPSEGM_BUCKET_KEY (STORE_KEY)": options.get("access_key"),
        "DEEPSEGM_BUCKET_SECRET (STORE_SECRET)": options.get("secret_key"),
    }
    published = [name for name, value in secrets.items() if (value or "").startswith(EXAMPLE)]
    hint = "Replace each by the output of: python3 -c 'import secrets; print(secrets.token_hex(32))'."
    sentence = f"Published example values, which begin with {EXAMPLE}, are in use for {', '.join(published)}."
    return [Error(sentence, hint=hint, id="deepsegm.E008")] if published else []


@register
def weights(**kwargs: Any) -> list[CheckMessage]:
    """Whether there are models at all; their hashes are checked when they are loaded."""
    hint = "Restore the folder segmentation/cards from the release."
    try:
        installed = cards.available()
    except ValueError as error:
        return [Error(str(error), hint=hint, id="deepsegm.E006")]
    if not installed:
        return [Warning("No model is installed: nothing can be analysed.", hint=hint, id="deepsegm.W005")]
    missing = [card.name for card in installed if not card.weights.is_file()]
    sentence = f"The weights of {', '.join(missing)} are missing."
    return [Error(sentence, hint=hint, id="deepsegm.E007")] if missing else []


@register
def plug_ins(**kwargs: Any) -> list[CheckMessage]:
    """Of the registries that the web process asks; `deepsegm train` asks for what is taught."""
    for registry in (tasks, formats, exports):
        registry.every()
    hint = "Update or uninstall the plug-in, or ask its author. Everything else works without it."
    return [Warning(sentence, hint=hint, id="deepsegm.W007") for sentence in plugins.faults()]


def probe(folder: Path) -> str:
    """Why no file can be written in the folder; "" when one can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-") as file:
            file.write(b"probe")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""
