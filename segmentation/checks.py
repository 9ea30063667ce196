"""Django's system checks of this site. They run when the site starts, and report settings that
would fail later, each with a hint how to correct it."""

from __future__ import annotations

import ipaddress
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from .core import plugins, tasks
from .core.micrograph import formats
from .core.micrograph.confinement.confined import landlock_version
from .core.network import cards
from .core.report import exports
from .location import COMMAND

# Schemes of broker addresses.
BROKERS = ("spool", "redis", "rediss", "sentinel", "unix", "socket", "amqp", "amqps", "memory")
DEVICES = r"auto|cpu|(cuda|mps|xpu|hpu)(:\d+)?"
EXAMPLE_PREFIX = "change-me"  # of every secret in docker/example.env


@register(Tags.files)
def check_data_folder(**kwargs: Any) -> list[CheckMessage]:
    """Whether files can be written in the data folder, where database, spool, files and secret key
    are."""
    folder: Path = settings.DEEPSEGM_DATA
    if not folder.exists():
        return []  # `up` makes it, and reports if it cannot
    problem = why_not_writable(folder)
    hint = "Make the folder writable for the user who runs DeepSegm, or set DEEPSEGM_DATA to another one."
    sentence = f"The data folder {folder} cannot be written to ({problem})."
    return [Error(sentence, hint=hint, id="deepsegm.E001")] if problem else []


@register(Tags.files)
def check_temporary_folder(**kwargs: Any) -> list[CheckMessage]:
    """Whether files can be written in the folder for uploads and working copies, or in its parent,
    where `up` makes it."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    if not folder.exists():
        folder = folder.parent
        if folder == settings.DEEPSEGM_DATA and not folder.exists():
            return []
    problem = why_not_writable(folder)
    hint = "Make it writable, or set DEEPSEGM_TEMP to a folder with room for the largest uploads."
    sentence = f"The folder for temporary files, {folder}, cannot be written to ({problem})."
    return [Error(sentence, hint=hint, id="deepsegm.E002")] if problem else []


@register
def check_broker(**kwargs: Any) -> list[CheckMessage]:
    """Whether the broker's address is valid; and whether a site with a broker for several machines
    also has a database that several machines can use."""
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
def check_bucket(**kwargs: Any) -> list[CheckMessage]:
    """Whether the bucket has both keys. A single key is a mistake; without keys, a role of this
    machine (IAM) may open the bucket."""
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
def check_proxies(**kwargs: Any) -> list[CheckMessage]:
    """Whether the addresses of trusted proxies are valid, and whether a site with https has one."""
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
def check_openid(**kwargs: Any) -> list[CheckMessage]:
    """Whether the OpenID provider has a client with a secret, and an https address, so that nobody
    can change its answers."""
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
def check_decoding(**kwargs: Any) -> list[CheckMessage]:
    """Whether the kernel can confine the process that decodes uploaded files. Only Linux can, with
    Landlock."""
    if landlock_version() > 0:
        return []
    hint = "Open only files of people whom you trust, or use a kernel of Linux with Landlock (5.13 or later)."
    return [Warning("Files are decoded unconfined: this kernel has no Landlock.", hint=hint, id="deepsegm.W006")]


@register(Tags.security)
def check_names(**kwargs: Any) -> list[CheckMessage]:
    """Whether each variable DEEPSEGM_... is a setting. A misspelt one would leave its setting as it is, such as a
    site open for everybody."""
    sentences = []
    for name, nearest in settings.DEEPSEGM_UNKNOWN_NAMES.items():
        hint = f"Write {nearest}." if nearest else "Remove it; docs/operate/settings.md lists all settings."
        sentences.append(Error(f"There is no setting {name}.", hint=hint, id="deepsegm.E011"))
    return sentences


@register(Tags.security)
def check_device(**kwargs: Any) -> list[CheckMessage]:
    """Whether the device for networks is a kind of device. (Each worker tells whether its machine has it.)"""
    device = settings.DEEPSEGM_DEVICE
    hint = "Set DEEPSEGM_DEVICE to auto, cpu, or cuda on a machine with a GPU of NVIDIA and its driver."
    is_known = re.fullmatch(DEVICES, device)
    return [] if is_known else [Error(f"DEEPSEGM_DEVICE is {device!r}, no device.", hint=hint, id="deepsegm.E012")]


@register(Tags.security, deploy=True)
def check_secret_key(**kwargs: Any) -> list[CheckMessage]:
    """Whether the secret key is stored. One that is made for a process signs everyone out when the
    process ends."""
    if settings.DEEPSEGM_SECRET_KEY_LASTS:
        return []
    hint = f"Set DEEPSEGM_SECRET_KEY or DEEPSEGM_SECRET_KEY_FILE, or let `{COMMAND} up` make one."
    return [Warning("There is no lasting secret key.", hint=hint, id="deepsegm.W004")]


@register(Tags.security)
def check_example_secrets(**kwargs: Any) -> list[CheckMessage]:
    """Whether secrets of docker/example.env are in use: everyone knows them, so the site does not
    start with one."""
    options = settings.STORAGES["default"].get("OPTIONS", {})
    secrets = {
        "DEEPSEGM_SECRET_KEY": settings.SECRET_KEY,
        "DEEPSEGM_DATABASE_URL (POSTGRES_PASSWORD)": settings.DATABASES["default"].get("PASSWORD"),
        "DEEPSEGM_BROKER_URL (REDIS_PASSWORD)": urlsplit(settings.CELERY_BROKER_URL).password,
        "DEEPSEGM_BUCKET_KEY (STORE_KEY)": options.get("access_key"),
        "DEEPSEGM_BUCKET_SECRET (STORE_SECRET)": options.get("secret_key"),
    }
    published = [name for name, value in secrets.items() if (value or "").startswith(EXAMPLE_PREFIX)]
    hint = "Replace each by the output of: python3 -c 'import secrets; print(secrets.token_hex(32))'."
    sentence = f"Published example values, which begin with {EXAMPLE_PREFIX}, are in use for {', '.join(published)}."
    return [Error(sentence, hint=hint, id="deepsegm.E008")] if published else []


@register
def check_weights(**kwargs: Any) -> list[CheckMessage]:
    """Whether there are models, and the files with their weights. Hashes are checked when a model
    is loaded."""
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
def check_plug_ins(**kwargs: Any) -> list[CheckMessage]:
    """Whether all plug-ins with kinds, formats and exports can be loaded. `deepsegm train` checks
    those for training."""
    for registry in (tasks, formats, exports):
        registry.every()
    hint = "Update or uninstall the plug-in, or ask its author. Everything else works without it."
    return [Warning(sentence, hint=hint, id="deepsegm.W007") for sentence in plugins.faults()]


def why_not_writable(folder: Path) -> str:
    """Why no file can be written in the folder; "" if one can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-") as file:
            file.write(b"probe")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""
