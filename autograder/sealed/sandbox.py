"""The outer wall: where the server runs. The one door to bubblewrap.

The server sees a read-only system, this package, and nothing else: no network, no course, no
environment. `walls` builds another wall inside, anew for each submission.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from autograder.sealed import Limits, syscalls

PACKAGE = Path(__file__).resolve().parent.parent
HOME = "/job"
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
PYTHON = [sys.executable, "-P", "-s", "-c"]
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); sys.path[:] = [p for p in sys.path if p]; "
    "from autograder.sealed.{} import main; main(*sys.argv[2:])"
)
BWRAP = [
    "bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
    "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--hostname", "grading",
    "--clearenv",
]  # fmt: skip


class NoSandbox(Exception):
    """There is no sandbox here, and why."""


def why_not() -> str:
    """Why no sandbox can be had here; empty if nothing speaks against one."""
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, and this is {platform.system()}"
    if not shutil.which("bwrap"):
        return "the program bwrap (package bubblewrap) is not installed"
    if platform.machine() not in syscalls.MACHINES:
        return f"no filter of system calls is written for {platform.machine()}"
    return ""


def command(
    isolation: str, fds: Sequence[int], limits: Limits, hidden: Sequence[Path] = ()
) -> list[str]:
    """The command that starts a server; the sandbox's sees /usr, Python and this package."""
    python = [*PYTHON, START.format("server")]
    told = [",".join(map(str, fds)), isolation, json.dumps(asdict(limits))]
    if isolation != "sandbox":
        return [*python, str(PACKAGE.parent), *told]
    if os.getuid() == 0:
        # Root's own mounts, and just what dropping to another user takes.
        words = _capable("SYS_ADMIN", "SYS_CHROOT", "SETUID", "SETGID", "SETPCAP", "KILL")
    else:
        words = ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    return [*BWRAP, *words, *_seen(["--tmpfs", "/tmp", "--tmpfs", HOME], hidden),
            "--remount-ro", "/tmp", *_closed(), *python, "/sealed", *told]  # fmt: skip


def command_alone(walled: bool, limits: Limits, hidden: Sequence[Path] = ()) -> list[str]:
    """The beginning of a command that starts one program, which forks none for anybody."""
    python = [*PYTHON, START.format("alone")]
    if not walled:
        return [*python, str(PACKAGE.parent)]
    if os.getuid() == 0:
        words = _capable("SETUID", "SETGID", "SETPCAP")
    else:
        words = ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    rooms: list[str] = []
    for folder in ("/tmp", HOME, "/dev/shm"):
        rooms += ["--perms", "1777", "--size", str(limits.disk), "--tmpfs", folder]
    return [*BWRAP, *words, *_seen(rooms, hidden), *_closed(), *python, "/sealed"]


def _capable(*capabilities: str) -> list[str]:
    words = ["--cap-drop", "ALL"]
    for capability in capabilities:
        words += ["--cap-add", f"CAP_{capability}"]
    return words


def _seen(rooms: list[str], hidden: Sequence[Path]) -> list[str]:
    """What there is behind the wall: a read-only system, this package, rooms to write in."""
    words = ["--ro-bind", "/usr", "/usr"]
    for folder in ("/lib", "/lib64", "/bin", "/lib32"):
        if os.path.islink(folder):
            words += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            words += ["--ro-bind", folder, folder]
    words += ["--dir", "/etc", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    words += ["--proc", "/proc", "--dev", "/dev", *rooms]
    for folder in python_folders():
        for parent in reversed(Path(folder).parents[:-1]):
            words += ["--dir", str(parent)]  # else bwrap makes them for its own user alone
        words += ["--ro-bind", folder, folder]
    for path in map(os.path.realpath, hidden):
        if any(Path(path).is_relative_to(folder) for folder in ("/usr", *python_folders())):
            words += ["--tmpfs", path]  # a course that lies in what is to be seen
            for folder in _homes():
                if Path(folder).is_relative_to(path):
                    words += ["--ro-bind", folder, folder]
            words += ["--remount-ro", path]
    return [*words, "--dir", "/sealed", "--ro-bind", str(PACKAGE), "/sealed/autograder"]


def _closed() -> list[str]:
    """The wall's last words: nothing else can be written, and nothing is known of the grader."""
    words = ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in (ENVIRONMENT | {"HOME": HOME, "TMPDIR": HOME}).items():
        words += ["--setenv", name, value]
    return [*words, "--chdir", "/"]


def environment(folder: str) -> dict[str, str]:
    """What a server outside the sandbox finds in its environment: nothing of the grader's."""
    return ENVIRONMENT | {"HOME": folder, "TMPDIR": folder}


@cache
def python_folders() -> list[str]:
    """Where Python and the libraries are, outside of /usr."""
    kept: list[str] = ["/usr"]
    for folder in _homes():
        if not any(Path(folder).is_relative_to(k) for k in kept):
            kept.append(folder)
    return kept[1:]


@cache
def _homes() -> list[str]:
    """Where Python and each of the libraries are, the shortest path first."""
    found = [sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)]
    for library in ("torch", "numpy", "matplotlib", "IPython", "PIL"):
        spec = find_spec(library)
        if spec and spec.submodule_search_locations:
            found.append(str(Path(next(iter(spec.submodule_search_locations))).parent))
    return sorted({os.path.abspath(f) for f in found}, key=lambda path: (len(path), path))


def version() -> str:
    """Bubblewrap's version, for reports."""
    done = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()
