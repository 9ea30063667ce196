"""Changes files for fuzzing so that their outer format stays valid: the damage then reaches the code behind checksums
and syntax."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Plain = Callable[[bytes], bytes]  # a change of bytes without knowledge of their format
TIFF = (b"II*\0", b"MM\0*")
PNG = b"\x89PNG\r\n\x1a\n"
ZIP = b"PK\x03\x04"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
WORDS = (0, 1, 2, 8, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)
NUMBERS = (*b"0 -1 1e400 -1e400 nan inf 1e-400 0x10 \xd9\xa3".split(), b"9" * 30, b"9" * 5000, b"")
TEXTS = ("", "\0", "\ud800", "x" * 5000, "1", "../../x", "=1+1")
VALUES: tuple[Any, ...] = (None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), *TEXTS, [], {},
                           [[]], {"": None}, ["a"])  # fmt: skip


def mutated(content: bytes, rng: random.Random, plain: Plain) -> bytes:
    """The content of a file after one random change. plain: changes bytes without knowledge of their format."""
    frames = {ZIP: _zip, PNG: _png, TIFF[0]: _tiff, TIFF[1]: _tiff, b"{": _json, b"[": _json}
    change = next((change for begins, change in frames.items() if content.startswith(begins)), _numbers)
    if rng.random() < 0.4:
        return plain(content)
    try:
        return change(content, rng, plain)
    except Exception:  # damaged already, in one of many ways
        return plain(content)


def _zip(content: bytes, rng: random.Random, plain: Plain) -> bytes:
    """Change a member of a ZIP, its name or its compression; all checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(member.filename, archive.read(member)) for member in archive.infolist()[:50]]
    index = rng.randrange(len(members))
    name, inside = members[index]
    kind = rng.randrange(6)
    if kind == 0:
        members[index] = rng.choice(["../x", "/x", "a/" * 60, "\0", "", name.upper(), name + "/", "a\\b"]), inside
    elif kind == 1:
        members.append(members[index])
    elif kind == 2:
        del members[index]
    else:
        members[index] = name, mutated(inside, rng, plain)
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", rng.choice(METHODS)) as archive:
        warnings.simplefilter("ignore")
        for name, inside in members:
            archive.writestr(zipfile.ZipInfo(name), inside, rng.choice(METHODS))
    packed = made.getvalue()
    return plain(packed) if rng.random() < 0.2 else packed


def _png(content: bytes, rng: random.Random, plain: Plain) -> bytes:
    """Change a chunk of a PNG, with its checksum."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(content):
        size = struct.unpack_from(">I", content, at)[0]
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    index = rng.randrange(len(chunks))
    kind, data = chunks[index]
    chunks[index] = kind, _numbers(data, rng, plain) if rng.random() < 0.5 else plain(data)
    return PNG + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _tiff(content: bytes, rng: random.Random, plain: Plain) -> bytes:
    """Change type, count or value of a tag in the first directory of a TIFF."""
    order = "<" if content.startswith(b"II") else ">"
    changed = bytearray(content)
    start = struct.unpack_from(order + "I", content, 4)[0]
    entry = start + 2 + 12 * rng.randrange(struct.unpack_from(order + "H", content, start)[0])
    kind = rng.randrange(4)
    if kind == 0:
        struct.pack_into(order + "H", changed, entry + 2, rng.randrange(20))
    elif kind == 3:
        offset = struct.unpack_from(order + "I", content, entry + 8)[0]
        size = min(struct.unpack_from(order + "I", content, entry + 4)[0] * 8, 2000)
        changed[offset : offset + size] = _numbers(content[offset : offset + size], rng, plain)
    else:
        struct.pack_into(order + "I", changed, entry + 4 * kind, rng.choice(WORDS))
    return bytes(changed)


def _json(content: bytes, rng: random.Random, plain: Plain) -> bytes:
    """Change or delete a random value of a JSON document."""
    document = json.loads(content)
    parents = [document]
    for node in parents:
        inner = node.values() if isinstance(node, dict) else node
        parents += [child for child in inner if isinstance(child, dict | list) and child][: 2000 - len(parents)]
    parent = rng.choice(parents)
    key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
    if rng.random() < 0.2:
        del parent[key]
    else:
        parent[key] = rng.choice(VALUES)
    return json.dumps(document).encode()


def _numbers(content: bytes, rng: random.Random, plain: Plain) -> bytes:
    """Change a random number: digits of a text, or four bytes."""
    written = list(re.finditer(rb"[-+]?\d+(\.\d+)?", content))
    if written and rng.random() < 0.7:
        match = rng.choice(written)
        return content[: match.start()] + rng.choice(NUMBERS) + content[match.end() :]
    changed, position = bytearray(content), rng.randrange(max(1, len(content) - 4))
    changed[position : position + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(WORDS))
    return bytes(changed)
