"""The Linux kernel: calls that Python has no name for, and what /proc tells of processes."""

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
NOSUID, NODEV, NOEXEC = 2, 4, 8
PDEATHSIG, DUMPABLE, SECCOMP, BOUNDING_DROP, SUBREAPER, NO_NEW_PRIVS = 1, 4, 22, 24, 36, 38
COLLAPSE = 25  # madvise: put a range into huge pages now
HUGE = 2 << 20


def prctl(option: int, value: int, pointer: int = 0) -> None:
    numbers = [ctypes.c_ulong(n) for n in (value, pointer, 0, 0)]
    call("prctl", option, *numbers)


def call(name: str, *arguments: object) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(kind: str, where: str, flags: int, options: str = "") -> None:
    words = (kind.encode(), where.encode(), kind.encode(), flags, options.encode() or None)
    call("mount", *words)


def drop_bounding_set() -> None:
    for capability in range(64):
        if _libc().prctl(BOUNDING_DROP, capability, 0, 0, 0) != 0:
            break


def drop_capabilities() -> None:
    header = struct.pack("<Ii", 0x20080522, 0)
    call("capset", header, bytes(24))


@cache
def is_root() -> bool:
    """Whether this process is the machine's user 0, and not one that a user namespace made up."""
    whole = ["0", "0", "4294967295"]
    return os.getuid() == 0 and Path("/proc/self/uid_map").read_text().split() == whole


def heap() -> list[int]:
    """The addresses at which a huge page could hold what Python and its libraries allocated."""
    found: list[int] = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, _, _, _, *name = line.split()
        if "w" in mode and name in ([], ["[heap]"]):
            start, end = (int(word, 16) for word in span.split("-"))
            found += range(-(-start // HUGE) * HUGE, end // HUGE * HUGE, HUGE)
    return found


def collapse(address: int) -> None:
    """Put what lies at an address into one huge page, if the kernel can."""
    _libc().madvise(ctypes.c_void_p(address), ctypes.c_size_t(HUGE), COLLAPSE)


def descendants(pid: int) -> Iterator[int]:
    """The processes below one, as this process sees them."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        try:
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
        except OSError:
            continue
        for child in children:
            yield int(child)
            yield from descendants(int(child))


def use_of(pids: Iterable[int], enough: int) -> tuple[int, int]:
    """Bytes of memory of some processes, and their places for open files.

    The cheap count takes a page for each process that shares it; only where that comes to more than
    `enough` is a page's share looked at.
    """
    family = list(pids)
    facts = [_facts(one, "status") for one in family]
    own = [(f.get("RssAnon", 0) + f.get("RssShmem", 0)) << 10 for f in facts]
    total = sum(own)
    if total > enough:
        shares = [_facts(one, "smaps_rollup") for one in family]
        total = sum(
            (f.get("Pss_Anon", 0) + f.get("Pss_Shmem", 0)) << 10 or most
            for f, most in zip(shares, own, strict=True)
        )
    return total, sum(f.get("FDSize", 0) for f in facts)


def _facts(pid: int, file: str) -> dict[str, int]:
    """The numbers in a file of /proc, by their names; none if the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return {}
    words = (line.split()[:2] for line in lines)
    return {w[0][:-1]: int(w[1]) for w in words if len(w) == 2 and w[1].isdecimal()}


def keep_to_core(slot: int) -> None:
    """Leave the other cores to others: who computes with many processes slows only itself down."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[slot % len(cores)]})


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
