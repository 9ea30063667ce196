"""Limits of a process that decodes a foreign file: memory, processor time, size of files, where it writes, network.

What a decoder might be brought to do by a file that was made for it, it cannot do then. Landlock is a part of Linux
since 5.13 (files) and 6.7 (TCP); where it is missing the other limits remain. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import struct
from collections.abc import Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

LARGEST_FILE = 2**31  # bytes: labels of 500 megapixels as 32 bit
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
VERSION, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
WRITE_FILE = 1 << 1
REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14  # of versions 2 and 3
TCP = 0b11  # bind and connect, of version 4
NULL = Path("/dev/null")


def confine(megabytes: int, seconds: float, writable: Sequence[Path]) -> bool:
    """Confine this process for good: so much memory, processor time of each core, writing in these folders only, no
    TCP. The same holds for its children. Returns whether Landlock is there."""
    _limit(resource.RLIMIT_AS, megabytes << 20)
    _limit(resource.RLIMIT_CPU, max(1, int(seconds)) * (os.cpu_count() or 1))
    _limit(resource.RLIMIT_FSIZE, LARGEST_FILE)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        return _landlock(writable)
    except OSError as error:
        logger.warning("Decoding is not confined to its folder: %s.", error)
        return False


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (limit, limit if kind != resource.RLIMIT_AS else hard))


def _landlock(writable: Sequence[Path]) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    if version < 1:
        return False
    writing = WRITE_FILE | REMOVE_AND_MAKE | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    handled = struct.pack("QQ", writing, TCP if version >= 4 else 0)[: 16 if version >= 4 else 8]
    ruleset = _checked(libc.syscall(CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0))
    try:
        for path, allowed in ((NULL, WRITE_FILE), *((folder, writing) for folder in writable)):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", allowed, place)
                _checked(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
            finally:
                os.close(place)
        _checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
