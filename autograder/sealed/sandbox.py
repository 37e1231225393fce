"""The walls round the student's process. The one door to bubblewrap, and to the kernel's own.

There are two walls. The outer one is bubblewrap's: a server that has torch loaded sees a read-only
system, this package, and nothing else: no network, no course, no environment. The inner one is
built anew for each submission round a child of that server: namespaces of its own for processes,
network, messages and mounts, folders of its own in memory, an unprivileged user, no capability, a
filter of system calls, limits. When the first process of the inner one is killed, the kernel ends
all others in it.
"""

import contextlib
import ctypes
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from autograder.sealed import Limits

PACKAGE = Path(__file__).resolve().parent.parent
HOME = "/job"
UID = 61_000  # and the next ones: no system gives these to anybody
SHARED_MEMORY = 256 << 20
SPACE = 16 << 30  # bytes of addresses: torch asks for many that it never uses
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "student",
    "TERM": "dumb",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); sys.path[:] = [p for p in sys.path if p]; "
    "from autograder.sealed.server import main; main(sys.argv[2], int(sys.argv[3]), sys.argv[4])"
)

# What the filter denies: the kernel's numbers on x86_64 and on aarch64.
_DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "swapon": (167, 224), "swapoff": (168, 225),
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "acct": (163, 89), "quotactl": (179, 60), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262), "personality": (135, 92), "syslog": (103, 116),
    "vhangup": (153, 58), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "sethostname": (170, 161),
    "setdomainname": (171, 162), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "shmat": (30, 196), "mbind": (237, 235), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "set_mempolicy": (238, 237), "process_madvise": (440, 440),
}  # fmt: skip
_CLONE, _CLONE3, _SOCKET, _IOCTL = (56, 220), (435, 435), (41, 198), (16, 29)
_MACHINES = ("x86_64", "aarch64")
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_NS, _UTS, _IPC, _USER, _PID, _NET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8
_PDEATHSIG, _DUMPABLE, _SECCOMP, _BOUNDING_DROP, _SUBREAPER, _NO_NEW_PRIVS = 1, 4, 22, 24, 36, 38


class NoSandbox(Exception):
    """There is no sandbox here, and why."""


def why_not() -> str:
    """Why no sandbox can be had here; empty if nothing speaks against one."""
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, and this is {platform.system()}"
    if not shutil.which("bwrap"):
        return "the program bwrap (package bubblewrap) is not installed"
    if platform.machine() not in _MACHINES:
        return f"no filter of system calls is written for {platform.machine()}"
    return ""


def forks() -> bool:
    """Whether servers can fork here with torch loaded."""
    return sys.platform.startswith("linux") and hasattr(os, "pidfd_open")


def command(isolation: str, role: str, fd: int) -> list[str]:
    """The command that starts a server; the sandbox's sees /usr, Python and this package."""
    if isolation != "sandbox":
        python = [sys.executable, "-P", "-s", "-c", START, str(PACKAGE.parent)]
        return [*python, role, str(fd), isolation]
    root = os.getuid() == 0
    words = [
        "bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
        "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--hostname", "grading",
        "--clearenv",
    ]  # fmt: skip
    if root:
        # Root's own mounts, and just what dropping to another user takes.
        words += ["--cap-drop", "ALL"]
        for capability in ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL"):
            words += ["--cap-add", f"CAP_{capability}"]
    else:
        words += ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    words += ["--ro-bind", "/usr", "/usr"]
    for folder in ("/lib", "/lib64", "/bin", "/lib32"):
        if os.path.islink(folder):
            words += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            words += ["--ro-bind", folder, folder]
    words += ["--dir", "/etc", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", HOME]
    for folder in _python_folders():
        for parent in reversed(Path(folder).parents[:-1]):
            words += ["--dir", str(parent)]  # else bwrap makes them for its own user alone
        words += ["--ro-bind", folder, folder]
    words += ["--dir", "/sealed", "--ro-bind", str(PACKAGE), "/sealed/autograder"]
    for folder in ("/tmp", "/dev", "/"):
        words += ["--remount-ro", folder]
    for name, value in (ENVIRONMENT | {"HOME": HOME, "TMPDIR": HOME}).items():
        words += ["--setenv", name, value]
    python = [sys.executable, "-P", "-s", "-c", START, "/sealed"]
    return [*words, "--chdir", "/", *python, role, str(fd), isolation]


def environment(folder: str) -> dict[str, str]:
    """What a server outside the sandbox finds in its environment: nothing of the grader's."""
    return ENVIRONMENT | {"HOME": folder, "TMPDIR": folder}


@cache
def _python_folders() -> list[str]:
    """Where Python and the libraries are, outside of /usr."""
    found = [sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)]
    for library in ("torch", "numpy", "matplotlib", "IPython", "PIL"):
        spec = find_spec(library)
        if spec and spec.submodule_search_locations:
            found.append(str(Path(next(iter(spec.submodule_search_locations))).parent))
    kept: list[str] = ["/usr"]
    for folder in sorted({os.path.abspath(f) for f in found}, key=len):
        if not any(Path(folder).is_relative_to(k) for k in kept):
            kept.append(folder)
    return kept[1:]


# The inner wall; all of this runs in children of a server.


def fork(isolation: str, limits: Limits, slot: int, keep: Sequence[int]) -> int:
    """Fork a process for one submission. Returns in the server, with the process's number, and in
    the student's process, with 0. Between them stands a first process that only waits."""
    own = -1
    if isolation == "sandbox":
        own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        _call("unshare", _PID)
    try:
        pid = os.fork()
    finally:
        if own >= 0 and os.getpid() != 1:
            _call("setns", own, _PID)
    if pid:
        if own >= 0:
            os.close(own)
        return pid
    try:
        _default_signals()
        if isolation == "sandbox":
            _enclose(limits, slot)
        else:
            _step_aside(limits, slot)
        _limit(limits, isolation)
        if isolation == "sandbox":
            _prctl(_NO_NEW_PRIVS, 1)
            _filter()
        if os.fork():
            _wait(keep)
        _prctl(_DUMPABLE, 1)
        if isolation != "sandbox":
            _prctl(_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        return 0
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(keep[1], f"its walls could not be built: {error}".encode())
        os._exit(70)


def _enclose(limits: Limits, slot: int) -> None:
    _call("unshare", _NS | _IPC | _NET | _UTS)
    root = _is_root()
    user, group = (UID + slot, UID + slot) if root else (0, 0)
    owner = f"uid={user},gid={group}"
    flags = _NOSUID | _NODEV
    _mount("proc", "/proc", flags | _NOEXEC)
    if _hides_nothing("/tmp"):
        _mount("tmpfs", "/tmp", flags, f"size={limits.disk},nr_inodes=20k,mode=700,{owner}")
    _mount("tmpfs", HOME, flags, f"size={limits.disk},nr_inodes=20k,mode=700,{owner}")
    _mount("devpts", "/dev/pts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    _mount("tmpfs", "/dev/shm", flags, f"size={SHARED_MEMORY},nr_inodes=1k,mode=700,{owner}")
    if root:
        os.setgroups([])
        os.setresgid(group, group, group)
        _drop_bounding_set()
        os.setresuid(user, user, user)
    else:
        # A user namespace of its own: the limit on processes counts in it alone.
        _call("unshare", _USER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text("1000 0 1")
        Path("/proc/self/gid_map").write_text("1000 0 1")
        _drop_bounding_set()
    _drop_capabilities()
    temporary = "/tmp" if _hides_nothing("/tmp") else HOME
    os.environ.update(HOME=HOME, TMPDIR=temporary, IPYTHONDIR=f"{HOME}/.ipython")
    os.chdir(HOME)


def _hides_nothing(folder: str) -> bool:
    """Whether Python lies elsewhere, so that something may be mounted there."""
    return not any(Path(f).is_relative_to(folder) for f in _python_folders())


def _step_aside(limits: Limits, slot: int) -> None:
    """Without a sandbox: a folder and a family of processes of its own."""
    import tempfile

    _prctl(_SUBREAPER, 1)
    _prctl(_PDEATHSIG, signal.SIGKILL)
    folder = tempfile.mkdtemp(prefix="student-")
    if os.getuid() == 0 and _readable_by_others():
        os.chown(folder, UID + slot, UID + slot)
        os.setgroups([])
        os.setresgid(UID + slot, UID + slot, UID + slot)
        os.setresuid(UID + slot, UID + slot, UID + slot)
    os.environ.update(HOME=folder, TMPDIR=folder, IPYTHONDIR=f"{folder}/.ipython")
    os.chdir(folder)


def _limit(limits: Limits, isolation: str) -> None:
    import resource

    # What torch holds before the student's first line is not the student's.
    data = limits.memory + (1 << 30)
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_DATA: data,
        resource.RLIMIT_AS: max(SPACE, 4 * limits.memory),
        resource.RLIMIT_CPU: int(8 * limits.total + 60),
        resource.RLIMIT_MEMLOCK: 1 << 16,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if isolation == "sandbox":
        wanted[resource.RLIMIT_NPROC] = limits.processes
    for name, value in wanted.items():
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))


def _wait(keep: Sequence[int]) -> None:
    """The first process: bury the dead until the student's own process is among them."""
    student = -1
    with contextlib.suppress(OSError):
        _prctl(_DUMPABLE, 0)
    status = keep[1]
    os.closerange(3, status)
    os.closerange(status + 1, 4096)
    children = Path("/proc/self/task") / str(os.getpid()) / "children"
    with contextlib.suppress(OSError, ValueError, IndexError):
        student = int(children.read_text().split()[0])
    while True:
        try:
            pid, ended = os.wait()
        except ChildProcessError:
            os._exit(0)
        except OSError:
            continue
        if student in (pid, -1):
            with contextlib.suppress(OSError):
                os.write(status, _ending(ended).encode())
            os._exit(0)


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = str(number)
        return f"it was stopped by the signal {name}"
    return f"it ended itself with exit code {os.WEXITSTATUS(status)}"


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


def memory_of(pid: int, enough: int) -> tuple[int, int]:
    """Bytes and processes of a process and all below it.

    The cheap count takes a page for each process that shares it; only where that comes to more than
    `enough` is a page's share looked at.
    """
    family = [pid, *descendants(pid)]
    total = sum(_resident(one, "status", ("RssAnon:", "RssShmem:")) for one in family)
    if total > enough:
        total = sum(
            _resident(one, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:"))
            or _resident(one, "status", ("RssAnon:", "RssShmem:"))
            for one in family
        )
    return total, len(family)


def _resident(pid: int, file: str, words: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(words))


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _is_root() -> bool:
    """Whether user 0 is the machine's: not so in a user namespace."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def _readable_by_others() -> bool:
    """Whether another user could still import what is not loaded yet."""
    for folder in (*_python_folders(), str(PACKAGE)):
        for part in (Path(folder), *Path(folder).parents):
            if not part.stat().st_mode & 0o001:
                return False
    return True


def _filter() -> None:
    """Install the filter of system calls."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    code = _filter_code(platform.machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _prctl(_SECCOMP, 2, ctypes.addressof(program))


def _filter_code(machine: str) -> bytes:
    """Berkeley packet filter code: what is denied fails with EPERM, foreign calls kill."""
    column = _MACHINES.index(machine)
    load, equal, any_bit, at_least, give = 0x20, 0x15, 0x45, 0x35, 0x06
    allow, kill, eperm, enosys = 0x7FFF0000, 0x80000000, 0x50001, 0x50026

    def op(code: int, then: int, otherwise: int, value: int) -> bytes:
        return struct.pack("<HBBI", code, then, otherwise, value)

    code = [
        op(load, 0, 0, 4),
        op(equal, 1, 0, _AUDIT[machine]),
        op(give, 0, 0, kill),
        op(load, 0, 0, 0),
    ]
    if machine == "x86_64":  # the x32 calls
        code += [op(at_least, 0, 1, 0x40000000), op(give, 0, 0, kill)]
    for numbers in _DENIED.values():
        code += [op(equal, 0, 1, numbers[column]), op(give, 0, 0, eperm)]
    # clone3 hides its flags behind a pointer; without it, libraries fall back to clone.
    code += [op(equal, 0, 1, _CLONE3[column]), op(give, 0, 0, enosys)]
    namespaces = _NS | _UTS | _IPC | _USER | _PID | _NET | 0x02000000 | 0x80
    code += [
        op(equal, 0, 4, _CLONE[column]),
        op(load, 0, 0, 16),
        op(any_bit, 0, 1, namespaces),
        op(give, 0, 0, eperm),
        op(give, 0, 0, allow),
    ]
    unix = 1
    code += [
        op(equal, 0, 4, _SOCKET[column]),
        op(load, 0, 0, 16),
        op(equal, 1, 0, unix),
        op(give, 0, 0, eperm),
        op(give, 0, 0, allow),
    ]
    # TIOCSTI and TIOCLINUX would type into a terminal.
    code += [
        op(equal, 0, 4, _IOCTL[column]),
        op(load, 0, 0, 24),
        op(equal, 1, 0, 0x5412),
        op(equal, 0, 1, 0x541C),
        op(give, 0, 0, eperm),
        op(give, 0, 0, allow),
    ]
    return b"".join(code)


def _drop_bounding_set() -> None:
    for capability in range(64):
        if _LIBC().prctl(_BOUNDING_DROP, capability, 0, 0, 0) != 0:
            break


def _drop_capabilities() -> None:
    header = struct.pack("<Ii", 0x20080522, 0)
    nothing = bytes(24)
    _call("capset", header, nothing)


def _mount(kind: str, where: str, flags: int, options: str = "") -> None:
    words = (kind.encode(), where.encode(), kind.encode(), flags, options.encode() or None)
    _call("mount", *words)


def _prctl(option: int, value: int, pointer: int = 0) -> None:
    numbers = [ctypes.c_ulong(n) for n in (value, pointer, 0, 0)]
    _call("prctl", option, *numbers)


def _call(name: str, *arguments: object) -> None:
    if getattr(_LIBC(), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _LIBC() -> ctypes.CDLL:  # noqa: N802
    return ctypes.CDLL(None, use_errno=True)


def version() -> str:
    """Bubblewrap's version, for reports."""
    done = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()
