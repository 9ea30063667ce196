"""Confines a process that decodes an untrusted file (`confine`).

Memory, processor time, size of files, readable files and writable folders are limited; the network and other processes
are forbidden. So a file that was made to take over the decoder can do no harm. Landlock (files) is a
part of Linux since 5.13, seccomp (system calls) since 3.17; without them only memory, time and size are limited.
https://docs.kernel.org/userspace-api/landlock.html, https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import resource
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from segmentation.location import IS_INSTALLED, ROOT

logger = logging.getLogger(__name__)

LARGEST_FILE = 2**31  # bytes: 500 megapixels of 32 bit
NO_NEW_PRIVILEGES, DIE_WITH_PARENT = 38, 1  # options of prctl
KILL = 9  # the signal SIGKILL

# Landlock: its system calls, with the same numbers on every architecture; flags; and bits of access rights.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION, PATH_BENEATH = 1, 1
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_FILE = 1 << 5, 1 << 8
REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))  # files, folders, links, pipes and devices
REFER, TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3
FILE_RIGHTS = WRITE_FILE | READ_FILE | TRUNCATE  # the rights that a rule for a single file may have
SIGNALS = 0b11  # since version 6: no signals to processes outside, and no abstract Unix sockets of them
PROGRAM = ROOT / "segmentation"
# Folders that Python, its libraries and the C library read: programs, and data about this process and the machine.
SYSTEM = ("/usr", "/lib", "/lib64", "/nix/store", "/proc/self", "/proc/sys")
# The only readable files of /etc, which also holds accounts, names of hosts and keys of other services.
ETC = ("ld.so.cache", "alternatives", "localtime", "fonts", "mime.types", "ssl/openssl.cnf", "pki/tls/openssl.cnf")
MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat")
DEVICES = ("/sys/devices/system", "/sys/fs/cgroup", "/dev/null", "/dev/urandom")

# seccomp: operation and flag (a filter, for all threads), and answers of the filter.
FILTER, SYNCHRONISE = 1, 1
ALLOW, REFUSE, MISSING = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
LOAD, EQUAL, AT_LEAST, ANY_OF, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of BPF
# Offsets in struct seccomp_data; NEW_LIMIT is the third argument, a pointer.
CALL_NUMBER, ARCHITECTURE, FIRST_ARGUMENT, NEW_LIMIT = 0, 4, 16, 32
OTHER_ABI = 0x40000000  # system calls of x32 on x86-64
CLONE3, THREAD = 435, 0x10000  # THREAD: a flag of clone

# Bytes of memory of modules that the fork server loaded before it forked this process. Set by forkserver.py.
preloaded_bytes = 0


class Calls(NamedTuple):
    """Numbers of system calls on one architecture.

    architecture: the number by which a filter recognises it. seccomp: the call that sets a filter.
    prlimit: refused if it sets a limit.
    clone: refused to a process that may start no child, unless it makes a thread.
    childless: refused to a process that may start no child.
    refused: always refused. These calls reach the network, the memory of other processes or the limits, leave the group
        of processes that is killed together, leave something in the system, or take memory that is not counted. Others
        change rights, owners and times of files, or priority and cores of processes, which Landlock does not prevent.
    """

    architecture: int
    seccomp: int
    prlimit: int
    clone: int
    childless: tuple[int, ...]
    refused: tuple[int, ...]


# From the tables of Linux (unistd.h). ARM64 lacks some calls, which it replaces by variants of the others.
X86_64 = (
    *(41, 101, 109, 112, 157, 160),  # socket, ptrace, setpgid, setsid, prctl, setrlimit
    *(310, 311, 319, 425),  # process_vm_readv, process_vm_writev, memfd_create, io_uring_setup
    *(29, 64, 68, 240, 248, 250),  # shmget, semget, msgget, mq_open, add_key, keyctl
    *(90, 91, 92, 93, 94, 260, 268, 452),  # chmod, fchmod, chown, fchown, lchown, fchownat, fchmodat, fchmodat2
    *(132, 235, 261, 280),  # utime, utimes, futimesat, utimensat
    *(188, 189, 190, 197, 198, 199, 463, 466),  # set and remove: xattr, lxattr, fxattr; setxattrat, removexattrat
    *(141, 142, 144, 203, 314, 251),  # setpriority, sched_set-: param, scheduler, affinity, attr; ioprio_set
)
ARM64 = (  # the calls in the order of X86_64
    *(198, 117, 154, 157, 167, 164),
    *(270, 271, 279, 425),
    *(194, 190, 186, 180, 217, 219),
    *(52, 55, 54, 53, 452),  # fchmod, fchown, fchownat, fchmodat, fchmodat2
    *(88,),  # utimensat
    *(5, 6, 7, 14, 15, 16, 463, 466),
    *(140, 118, 119, 122, 274, 30),
)
# fork, vfork, execve, execveat; kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal
X86_64_CHILDLESS = 57, 58, 59, 322, 62, 200, 234, 129, 297, 424
ARM64_CHILDLESS = 221, 281, 129, 130, 131, 138, 240, 424
CALLS = {
    "x86_64": Calls(0xC000003E, 317, 302, 56, X86_64_CHILDLESS, X86_64),
    "aarch64": Calls(0xC00000B7, 277, 261, 220, ARM64_CHILDLESS, ARM64),
}


def confine(
    megabytes: int,
    seconds: float,
    writable: Sequence[Path],
    readable: Sequence[Path] = (),
    *,
    forbid_children: bool = False,
    largest_written_bytes: int = LARGEST_FILE,
) -> bool:
    """Confine this process and its children for good; returns whether Landlock and seccomp are available.

    megabytes: of memory, in addition to `preloaded_bytes`.
    seconds: of processor time.
    writable: the only folders in which it may write; only plain files.
    readable: the only files that it may read, in addition to the programs of the system.
    forbid_children: whether it is forbidden to start processes and to send signals.
    largest_written_bytes: limit of one written file, but at least LARGEST_FILE.
    The process has no network, and is killed when its parent ends.
    """
    _limit(resource.RLIMIT_AS, (megabytes << 20) + preloaded_bytes)
    _limit(resource.RLIMIT_CPU, max(1, int(seconds)), 1)  # SIGXCPU comes a second before SIGKILL, and tells the reason
    _limit(resource.RLIMIT_FSIZE, max(LARGEST_FILE, largest_written_bytes))
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform != "linux":
        return False
    end_with_parent()
    try:
        return all([_landlock(writable, readable), _seccomp(forbid_children)])
    except OSError as error:
        logger.warning("Decoding is not confined: %s.", error)
        return False


def end_with_parent() -> None:
    """Let the system kill this process when the thread that started it has ended. Linux only."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, KILL, 0, 0, 0)


def _limit(kind: int, size: int, more: int = 0) -> None:
    """Set the soft limit to `size` and the hard limit to `size + more`, but neither above the present hard limit."""
    _, hard = resource.getrlimit(kind)
    soft, hard = (limit if hard == resource.RLIM_INFINITY else min(limit, hard) for limit in (size, size + more))
    resource.setrlimit(kind, (soft, hard))


def landlock_version() -> int:
    """The version of Landlock in this kernel; below 1 without Landlock."""
    if sys.platform != "linux":
        return 0
    return int(ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION))


def _landlock(writable: Sequence[Path], readable: Sequence[Path]) -> bool:
    """Let this process read and write only in these places, for good. Returns False if the kernel has no Landlock."""
    libc, version = ctypes.CDLL(None, use_errno=True), landlock_version()
    if version < 1:
        return False
    newer = (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    writing, reading = WRITE_FILE | REMOVE_FILE | MAKE_FILE | newer, READ_FILE | READ_DIR
    restricted = struct.pack("QQQ", reading | writing | REMOVE_AND_MAKE, 0, SIGNALS)[: 24 if version >= 6 else 8]
    ruleset = _raise_if_failed(libc.syscall(CREATE_RULESET, restricted, ctypes.c_size_t(len(restricted)), 0))
    library_paths = (*sys.path, *os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    # The folder of a checkout may hold keys and data; site-packages hold none.
    forbidden = Path() if IS_INSTALLED else ROOT
    libraries = (path for path in map(Path, library_paths) if path not in (Path(), forbidden))
    etc = (Path("/etc", name) for name in ETC)
    readable_paths = [
        *map(Path, (*SYSTEM, *MACHINE, *DEVICES, sys.prefix, sys.base_prefix)),
        *etc,
        *libraries,
        PROGRAM,
        *readable,
    ]
    # Of the checkout only the names of files are readable, because Python lists them to find the package.
    allowed = [(Path("/dev/null"), WRITE_FILE), (ROOT, READ_DIR), *((path, reading) for path in readable_paths)]
    try:
        for path, rights in [*allowed, *((folder, reading | writing) for folder in writable)]:
            if not path.exists():
                continue
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", rights if path.is_dir() else rights & FILE_RIGHTS, descriptor)
                _raise_if_failed(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
            finally:
                os.close(descriptor)
        _raise_if_failed(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _raise_if_failed(libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _seccomp(forbid_children: bool) -> bool:
    """Refuse system calls by a filter, for all present and later threads. Returns False if there is no seccomp."""
    calls = CALLS.get(os.uname().machine)
    if calls is None or sys.maxsize < 2**32:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    steps = b"".join(struct.pack("=HBBI", *step) for step in _filter(calls, forbid_children))
    program = ctypes.create_string_buffer(steps, len(steps))
    pointer = struct.pack("@HP", len(steps) // 8, ctypes.addressof(program))
    _raise_if_failed(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    return bool(libc.syscall(calls.seccomp, FILTER, SYNCHRONISE, pointer) == 0)


def _filter(calls: Calls, forbid_children: bool) -> Iterator[tuple[int, int, int, int]]:
    """The instructions of the filter: operation, number of instructions to skip if its comparison is true, the same
    if it is false, operand."""
    refuse = RETURN, 0, 0, REFUSE
    yield LOAD, 0, 0, ARCHITECTURE
    yield EQUAL, 1, 0, calls.architecture
    yield refuse
    yield LOAD, 0, 0, CALL_NUMBER
    yield AT_LEAST, 0, 1, OTHER_ABI
    yield refuse
    for number in (*calls.refused, *(calls.childless if forbid_children else ())):
        yield EQUAL, 0, 1, number
        yield refuse
    if forbid_children:
        yield EQUAL, 0, 1, CLONE3  # a filter cannot see its flags; without it the C library uses clone
        yield RETURN, 0, 0, MISSING
        yield EQUAL, 0, 4, calls.clone
        yield LOAD, 0, 0, FIRST_ARGUMENT
        yield ANY_OF, 1, 0, THREAD
        yield refuse
        yield RETURN, 0, 0, ALLOW
    yield EQUAL, 0, 5, calls.prlimit
    yield LOAD, 0, 0, NEW_LIMIT
    yield EQUAL, 0, 2, 0
    yield LOAD, 0, 0, NEW_LIMIT + 4
    yield EQUAL, 1, 0, 0
    yield refuse
    yield RETURN, 0, 0, ALLOW


def _raise_if_failed(result: int) -> int:
    """The result of a system call; raises OSError if it failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
