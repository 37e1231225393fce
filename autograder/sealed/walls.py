"""The inner walls, built anew for each submission round a child of the server.

Two processes stand behind them. The *first process* is forked from a small one (the nursery, which
never loads torch): it makes the namespaces and mounts the folders, then only waits; when it is
killed, the kernel ends every process in its namespace. The student's process is forked from the
server, which has torch loaded, and enters what the first one made. So one large process is copied,
not two, and the walls stand before they are needed.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from autograder.sealed import Limits, kernel, syscalls
from autograder.sealed.sandbox import HOME, PACKAGE, python_folders

UID = 61_000  # and the next ones: no system gives these to anybody
SHARED_MEMORY = 256 << 20
SPACE = 16 << 30  # bytes of addresses: torch asks for many that it never uses
ENTERED = ("mnt", "ipc", "net", "uts", "user")  # in this order: the last one gives up the rest
LINE = 4096
LINUX = sys.platform.startswith("linux")


class NoWalls(OSError):
    """The walls could not be built, and why."""


@dataclass
class Walls:
    """Namespaces that nobody has used yet."""

    first: int  # a handle on the first process
    pid: int  # descriptors of the namespaces
    entered: list[int] = field(default_factory=list)

    def close(self) -> None:
        for one in (self.first, self.pid, *self.entered):
            os.close(one)


class Nursery:
    """The small process from which first processes are forked; made before torch is loaded."""

    def __init__(self, limits: Limits, foreign: Sequence[int] = ()) -> None:
        """`foreign` are the server's lines: whoever keeps one hides that the server is gone."""
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.ordered: set[int] = set()
        self.ready: dict[int, Walls] = {}
        python_folders()  # found once, for all that are forked
        if os.fork() == 0:
            self.line.close()
            for line in foreign:
                os.close(line)
            _tend(theirs, limits)
        theirs.close()

    def leave(self) -> None:
        """Give up the line to the nursery; another process goes on with it."""
        self.line.close()
        os.close(self.own)

    def fetch(self, slot: int) -> Walls:
        """Walls that nobody has used; the next ones for this slot are ordered."""
        self._order(slot)
        while slot not in self.ready:
            said, fds, _, _ = socket.recv_fds(self.line, LINE, 8)
            found, why = json.loads(said or b'[-1, "the nursery is gone"]')
            if why:
                self.ordered.discard(found)
                raise NoWalls(why)
            self.ready[found] = Walls(fds[0], fds[1], fds[2:])
        self.ordered.discard(slot)
        self._order(slot)
        return self.ready.pop(slot)

    def _order(self, slot: int) -> None:
        if slot not in self.ordered:
            self.ordered.add(slot)
            self.line.send(json.dumps(slot).encode())

    def fork_into(self, walls: Walls) -> int:
        """Fork a process into the walls' process namespace; it has yet to enter the others."""
        kernel.call("setns", walls.pid, kernel.NEW_PID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:  # the child's own children belong where it is
                kernel.call("setns", self.own, kernel.NEW_PID)
        return pid


def _tend(line: socket.socket, limits: Limits) -> NoReturn:
    """The life of the nursery."""
    status = 1
    with contextlib.suppress(BaseException):
        own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while said := line.recv(LINE):
            slot = json.loads(said)
            try:
                kernel.call("unshare", kernel.NEW_PID)
                if os.fork() == 0:
                    _be_first(line, slot, limits)
                kernel.call("setns", own, kernel.NEW_PID)
            except OSError as error:
                line.send(json.dumps([slot, str(error)]).encode())
        status = 0
    os._exit(status)


def _be_first(line: socket.socket, slot: int, limits: Limits) -> NoReturn:
    """The life of a first process: it builds the walls, tells of them, and waits."""
    try:
        _enclose(limits, slot)
        names = [n for n in ("pid", *ENTERED) if n != "user" or not kernel.is_root()]
        fds = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]
        fds.insert(0, os.pidfd_open(os.getpid()))
        kernel.drop_bounding_set()
        kernel.drop_capabilities()
        kernel.prctl(kernel.NO_NEW_PRIVS, 1)
        kernel.prctl(kernel.DUMPABLE, 0)
        syscalls.install()
        socket.send_fds(line, [json.dumps([slot, ""]).encode()], fds)
        os.closerange(0, 4096)
        # Whom nobody else buries becomes a child of this process; the kernel buries those.
        while True:
            signal.pause()
    except BaseException as error:
        with contextlib.suppress(BaseException):
            line.send(json.dumps([slot, f"the walls could not be built: {error}"]).encode())
    os._exit(1)


def _enclose(limits: Limits, slot: int) -> None:
    kernel.call("unshare", kernel.NEW_NS | kernel.NEW_IPC | kernel.NEW_NET | kernel.NEW_UTS)
    user = UID + slot if kernel.is_root() else 0
    owner = f"uid={user},gid={user}"
    flags = kernel.NOSUID | kernel.NODEV
    room = f"size={limits.disk},nr_inodes=20k,mode=700,{owner}"
    kernel.mount("proc", "/proc", flags | kernel.NOEXEC)
    if hides_nothing("/tmp"):
        kernel.mount("tmpfs", "/tmp", flags, room)
    kernel.mount("tmpfs", HOME, flags, room)
    devices = "newinstance,ptmxmode=0666,mode=620"
    kernel.mount("devpts", "/dev/pts", kernel.NOSUID | kernel.NOEXEC, devices)
    shared = f"size={SHARED_MEMORY},nr_inodes=1k,mode=700,{owner}"
    kernel.mount("tmpfs", "/dev/shm", flags, shared)
    if not kernel.is_root():
        # A user namespace of its own: the limit on processes counts in it alone.
        kernel.call("unshare", kernel.NEW_USER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text("1000 0 1")
        Path("/proc/self/gid_map").write_text("1000 0 1")


def enter(walls: Walls, limits: Limits, slot: int) -> None:
    """In the student's process: go behind the walls, and give up what could lead out again."""
    root = kernel.is_root()
    for one in walls.entered:
        kernel.call("setns", one, 0)
    if root:
        os.setgroups([])
        os.setresgid(UID + slot, UID + slot, UID + slot)
    kernel.drop_bounding_set()
    if root:
        os.setresuid(UID + slot, UID + slot, UID + slot)
    kernel.drop_capabilities()
    at_home(HOME, "/tmp" if hides_nothing("/tmp") else HOME)
    kernel.keep_to_core(slot)
    limit(limits, processes=True)
    kernel.prctl(kernel.NO_NEW_PRIVS, 1)
    syscalls.install()
    kernel.prctl(kernel.DUMPABLE, 1)
    os.setsid()


def settle(limits: Limits, slot: int, walled: bool) -> None:
    """In a program that was started for one student: give up what could lead out of its wall."""
    if not walled:
        with contextlib.suppress(ImportError):
            limit(limits)
        return
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(UID + slot, UID + slot, UID + slot)
        kernel.drop_bounding_set()
        os.setresuid(UID + slot, UID + slot, UID + slot)
    kernel.drop_capabilities()
    at_home(HOME, "/tmp" if hides_nothing("/tmp") else HOME)
    kernel.keep_to_core(slot)
    limit(limits, processes=bool(os.getuid() >= UID))
    kernel.prctl(kernel.NO_NEW_PRIVS, 1)
    syscalls.install()


def keep_to_itself(sandboxed: bool) -> None:
    """In a judge's process, which is trusted: end with the server; no privileges, an own folder."""
    kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
    if sandboxed:
        kernel.call("unshare", kernel.NEW_NS)
        kernel.mount("tmpfs", HOME, kernel.NOSUID | kernel.NODEV, "size=256m,mode=700")
        kernel.drop_bounding_set()
        kernel.drop_capabilities()
        kernel.prctl(kernel.NO_NEW_PRIVS, 1)
        os.chdir(HOME)


def hides_nothing(folder: str) -> bool:
    """Whether Python lies elsewhere, so that something may be mounted there."""
    return not any(Path(f).is_relative_to(folder) for f in python_folders())


def at_home(home: str, temporary: str) -> None:
    os.environ.update(HOME=home, TMPDIR=temporary, IPYTHONDIR=f"{home}/.ipython")
    os.chdir(home)


# Where there is no sandbox.


def step_aside(limits: Limits, slot: int, status: int) -> None:
    """A folder and a family of processes of its own. Returns in the student's process; its parent
    waits for it and tells how it ended."""
    try:
        kernel.prctl(kernel.SUBREAPER, 1)
        kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
        folder = tempfile.mkdtemp(prefix="student-")
        if os.getuid() == 0 and _readable_by_others():
            os.chown(folder, UID + slot, UID + slot)
            os.setgroups([])
            os.setresgid(UID + slot, UID + slot, UID + slot)
            os.setresuid(UID + slot, UID + slot, UID + slot)
        at_home(folder, folder)
        kernel.keep_to_core(slot)
        limit(limits)
        student = os.fork()
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(status, f"its process could not be started: {error}".encode())
        os._exit(70)
    if student:
        _wait(student, status)
    kernel.prctl(kernel.DUMPABLE, 1)
    kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
    os.setsid()


def _wait(student: int, status: int) -> NoReturn:
    """Bury the dead until the student's own process is among them."""
    os.closerange(3, status)
    os.closerange(status + 1, 4096)
    while True:
        try:
            pid, ended = os.wait()
        except ChildProcessError:
            os._exit(0)
        except OSError:
            continue
        if pid == student:
            with contextlib.suppress(OSError):
                os.write(status, ending(ended).encode())
            os._exit(0)


def limit(limits: Limits, processes: bool = False) -> None:
    """What one process may use; `processes` where they are counted for this submission alone."""
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
    }
    if LINUX:
        wanted[resource.RLIMIT_MEMLOCK] = 1 << 16
        wanted[resource.RLIMIT_MSGQUEUE] = 0
    if processes:
        wanted[resource.RLIMIT_NPROC] = limits.processes
    for name, value in wanted.items():
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.nullcontext() if LINUX else contextlib.suppress(ValueError, OSError):
            resource.setrlimit(name, (value, value))


def ending(status: int) -> str:
    """How a process ended, in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = str(number)
        return f"it was stopped by the signal {name}"
    return f"it ended itself with exit code {os.WEXITSTATUS(status)}"


def default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _readable_by_others() -> bool:
    """Whether another user could still import what is not loaded yet."""
    for folder in (*python_folders(), str(PACKAGE)):
        for part in (Path(folder), *Path(folder).parents):
            if not part.stat().st_mode & 0o001:
                return False
    return True
