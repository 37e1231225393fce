"""What a student's process can reach, take and leave behind: nothing but its share."""

import contextlib
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sealed import Limits, Step, kernel, sandbox, syscalls
from autograder.sealed.pool import NoSandbox, Pool
from autograder.sealed.processes import STARTING

LIMITS = Limits(cell=6, total=40, memory=1 << 30, processes=40, disk=32 << 20)
linux = pytest.mark.skipif(bool(sandbox.why_not()), reason=f"no sandbox: {sandbox.why_not()}")
pytestmark = linux


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool("sandbox", workers=2, limits=LIMITS) as started:
        yield started


def said(pool: Pool, code: str, **options: object) -> str:
    """What a cell printed, or the error that ended it."""
    verdict = pool.judge([Step("cell", "extra", code)], salt=0, **options)  # type: ignore[arg-type]
    texts = [o.get("text") or o.get("evalue") for o in verdict.outputs["cell"]]
    return "\n".join(str(t) for t in texts).strip()


def graded(pool: Pool, body: str, after: str = "") -> list[tuple[bool | None, str]]:
    """How two checks come out when the function of the first one does something."""
    code = "\n".join(f"    {line}" for line in body.splitlines())
    steps = [
        Step("setup", "given", "import torch"),
        Step("f", "solution", f"def f(x):\n{code}\n    return x", defines=("f",)),
        Step("g", "solution", "def g(x): return x + 1", defines=("g",)),
        Step("first", "check", "assert f(1) == 1", 2, "f"),
        Step("second", "check", "assert g(1) == 2", 3, "g"),
    ]
    return [(r.passed, r.message) for r in pool.judge(steps, salt=0).results]


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_there_is_no_network(pool: Pool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard: list[object] = []

        def listen() -> None:
            listener.settimeout(3)
            with contextlib.suppress(OSError):
                heard.append(listener.accept())

        thread = threading.Thread(target=listen)
        thread.start()
        port = listener.getsockname()[1]
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)"
        assert "not permitted" in said(pool, code)
        thread.join()
    assert not heard


def test_no_abstract_socket_leads_out(pool: Pool) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0sealed-test")
        listener.listen()
        code = "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0sealed-test')"
        assert "refused" in said(pool, code)


def test_no_file_of_the_course_is_there(pool: Pool) -> None:
    here = Path(__file__).resolve()
    for path in (here, here.parent.parent / "solutions", Path.home(), Path("/etc/shadow")):
        if str(path) in (os.path.commonpath([path, p]) for p in sandbox.python_folders()):
            continue
        assert "No such file" in said(pool, f"import os\nprint(os.stat({str(path)!r}))"), path


def test_nothing_but_its_own_folders_can_be_written(pool: Pool) -> None:
    code = """
import os
found = []
for folder in ("/", "/usr", "/tmp", "/job", "/dev", "/dev/shm", "/proc", "/sealed",
               "/sealed/autograder",
               os.path.dirname(os.__file__)):
    try:
        open(folder + "/written", "w").close()
        found.append(folder)
    except OSError:
        pass
print(found)
"""
    assert set(eval(said(pool, code))) <= {"/tmp", "/job", "/dev/shm"}


def test_nothing_written_is_there_for_the_next(pool: Pool) -> None:
    write = (
        "for f in ('/job/a', '/dev/shm/a', '/tmp/a'):\n    try: open(f, 'w').write('x')\n"
        "    except OSError: pass"
    )
    said(pool, write)
    assert (
        said(
            pool,
            "import os\n"
            "print([f for f in ('/job', '/dev/shm', '/tmp') if os.path.exists(f + '/a')])",
        )
        == "[]"
    )


def test_the_environment_is_empty_of_the_graders(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "CANARY")
    with Pool("sandbox", workers=1, limits=LIMITS) as other:
        code = (
            "import os\n"
            "print(dict(os.environ), open('/proc/self/environ').read(), "
            "open('/proc/1/cmdline').read())"
        )
        text = said(other, code)
    assert "CANARY" not in text
    assert str(Path(__file__).parent) not in text


def test_no_other_process_is_seen(pool: Pool) -> None:
    code = (
        "import os\nprint(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()), os.getppid())"
    )
    assert said(pool, code) == "[1, 2] 0"


def test_there_are_no_privileges(pool: Pool) -> None:
    code = """
import os, ctypes
status = open('/proc/self/status').read()
for word in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp'):
    print(word, status.split(word + ':')[1].split()[0])
libc = ctypes.CDLL(None, use_errno=True)
print([libc.unshare(0x10000000), libc.mount(b'none', b'/job', b'tmpfs', 0, None),
       libc.ptrace(16, 1, 0, 0),
       libc.syscall(425, 1, 0), libc.syscall(319, b'x', 0)])
for attempt in (lambda: os.setuid(0), lambda: os.chroot('/job'), lambda: open('/proc/1/mem', 'rb'),
                lambda: os.mknod('/job/d', 0o60600, 0x100)):
    try: attempt(); print('done')
    except OSError: print('refused')
"""
    lines = said(pool, code).splitlines()
    values = dict(line.split() for line in lines[:7])
    assert {v for k, v in values.items() if k.startswith("Cap")} == {"0" * 16}
    assert values["NoNewPrivs"] == "1"
    assert values["Seccomp"] == "2"
    assert set(eval(lines[7])) == {-1}
    assert lines[8:] == ["refused"] * 4


def test_the_filter_is_whole_for_each_machine() -> None:
    for machine in syscalls.MACHINES:
        code = syscalls.program(machine)
        assert len(code) % 8 == 0
        assert len(code) // 8 < 256


def test_a_fork_bomb_is_capped(pool: Pool) -> None:
    body = """
import os, time
made = 0
for i in range(300):
    try:
        if os.fork() == 0: time.sleep(30); os._exit(0)
        made += 1
    except OSError: break
assert made < 60, made"""
    first, second = graded(pool, body)
    assert first[0] is True, first
    assert second[0] is True, second


def test_a_bomb_of_two_does_not_starve_the_other(pool: Pool) -> None:
    """Each submission's processes are counted for themselves."""
    bomb = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.1)"
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(said(pool, bomb)))
    thread.start()
    time.sleep(0.5)
    assert said(pool, "import subprocess\nprint(subprocess.check_output(['echo', 'fine']))")
    thread.join()


@pytest.mark.parametrize(
    "body",
    [
        "k = []\nfor i in range(60): k.append(bytearray(b'1') * (100 << 20))",
        "import os\nfor i in range(20):\n    if os.fork() == 0:\n"
        "        k = bytearray(b'1') * (300 << 20); import time; time.sleep(20); "
        "os._exit(0)\nimport time; time.sleep(20)",
        "import mmap\nm = mmap.mmap(-1, 6 << 30)\nfor i in range(0, 6 << 30, 4096): m[i] = 1",
        "torch.ones(1 << 40)",
    ],
    ids=["one process", "many processes", "shared memory", "one tensor"],
)
def test_memory_is_capped(pool: Pool, body: str) -> None:
    first, second = graded(pool, body)
    assert first[0] is False
    assert any(w in first[1].lower() for w in ("memory", "stopped", "signal", "allocate")), first
    assert second[0] is True, second


def test_the_disk_is_capped(pool: Pool) -> None:
    code = """
for name in ("/job/f", "/dev/shm/f"):
    size = 0
    try:
        for i in range(100):
            with open(f"{name}{i}", "wb") as f: size += f.write(b"x" * (8 << 20))
    except OSError as e: print(name, size >> 20, e.errno)
for i in range(50_000):
    try: open(f"/dev/shm/n{i}", "w").close()
    except OSError: print("files", i < 30_000); break
"""
    lines = said(pool, code).splitlines()
    assert len(lines) == 3, lines
    assert int(lines[0].split()[1]) <= 32


def test_time_is_limited_and_the_rest_is_graded(pool: Pool) -> None:
    began = time.monotonic()
    body = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n"
        "    try: time.sleep(1)\n    except BaseException: pass"
    )
    first, second = graded(pool, body)
    assert first == (False, "The code took too long and was stopped. Does every loop end?")
    assert second[0] is True
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("isolation", ["sandbox", "process"])
def test_no_process_survives(pool: Pool, isolation: str) -> None:
    code = f"""
import os, time, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        sleep = "import time; time.sleep(60); 'marked-{isolation}'"
        os.execv(sys.executable, [sys.executable, "-c", sleep])
    os._exit(0)
time.sleep(0.3)
print("started")
"""
    if isolation == "sandbox":
        assert said(pool, code) == "started"
    else:
        with Pool("process", workers=1, limits=LIMITS) as other:
            assert said(other, code) == "started"
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                assert (
                    f"marked-{isolation}".encode() not in Path(f"/proc/{name}/cmdline").read_bytes()
                )
            except OSError:
                continue


def test_killing_everybody_in_sight_reaches_nobody(pool: Pool) -> None:
    body = (
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"
        "try: os.kill(-1, signal.SIGKILL)\nexcept OSError: pass"
    )
    _, second = graded(pool, body)
    assert second[0] is True
    assert said(pool, "print('alive')") == "alive"


FORGE = """
import os, struct, json
def frame(tree):
    tree = json.dumps(tree).encode(); sizes = b"[]"
    body = struct.pack("<II", len(sizes), len(tree)) + sizes + tree
    return struct.pack("<Q", len(body)) + body
def node(**k): return {"k": "dict", "v": [[a, b] for a, b in k.items()]}
sockets = []
for fd in range(3, 200):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket"): sockets.append(fd)
    except OSError: pass
"""


@pytest.mark.parametrize(
    "send",
    [
        'frame(node(ok=True, n="0" * 16, v=1))',
        "b'\\xff' * 100_000",
        'frame(["result", ["f", 2, True, ""]])',
        "struct.pack('<Q', 1 << 60) + b'x' * 1000",
    ],
    ids=["a reply", "noise", "a result", "a long one"],
)
def test_what_is_sent_without_being_asked_earns_nothing(pool: Pool, send: str) -> None:
    first, second = graded(pool, f"{FORGE}\nfor fd in sockets: os.write(fd, {send})\nreturn 7")
    assert first[0] is False
    assert "no answer" in first[1] or "gone" in first[1], first
    assert second[0] is True


def test_a_cell_that_answers_for_all_to_come_earns_nothing(pool: Pool) -> None:
    """Frames that wait in the pipe before the question is asked."""
    steps = [
        Step(
            "forge",
            "extra",
            f"{FORGE}\nfor fd in sockets:\n"
            f'    for i in range(50): os.write(fd, frame(node(ok=True, n="", v=1)))',
        ),
        Step("f", "solution", "def f(x): return 0", defines=("f",)),
        Step("check", "check", "assert f(1) == 1", 2, "f"),
    ]
    assert pool.judge(steps, salt=0).results[0].passed is False


def test_a_closed_channel_is_a_named_failure(pool: Pool) -> None:
    first, second = graded(pool, f"{FORGE}\nfor fd in sockets: os.close(fd)")
    assert first[0] is False
    assert second[0] is True


def test_the_server_is_out_of_reach(pool: Pool) -> None:
    code = (
        "import os\n"
        "print([os.readlink(f'/proc/self/fd/{f}') for f in os.listdir('/proc/self/fd') "
        "if os.path.exists(f'/proc/self/fd/{f}')])"
    )
    text = said(pool, code)
    assert text.count("socket:") == 1, text
    assert "pipe:" not in text


def test_a_submission_meets_a_pristine_process(pool: Pool) -> None:
    said(pool, "import torch, builtins\ntorch.allclose = None\nbuiltins.print = None\nx = 1")
    assert (
        said(pool, "import torch\nprint(torch.allclose is None, 'x' in globals())") == "False False"
    )


def test_asking_for_a_sandbox_where_there_is_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox, "why_not", lambda: "the program bwrap is not installed")
    with pytest.raises(NoSandbox, match="bwrap"), Pool("sandbox", workers=1):
        pass
    with Pool(workers=1) as weaker:
        assert weaker.isolation == "process"
        assert "bwrap" in weaker.why
        assert weaker.judge([Step("a", "check", "assert True", 1)], 0).isolation == "process"


def test_the_weaker_kinds_of_isolation_judge_as_well() -> None:
    steps = [
        Step("f", "solution", "def f(x): return x + 1", defines=("f",)),
        Step("check", "check", "assert f(1) == 2", 1, "f"),
    ]
    for kind in ("process", "none"):
        with Pool(kind, workers=1) as weaker:
            verdict = weaker.judge(steps, 0)
            assert verdict.results[0].passed is True, verdict
            assert verdict.isolation == kind


def test_a_server_that_dies_is_started_anew() -> None:
    with Pool(workers=1) as mortal:
        steps = [Step("a", "extra", "print(1)")]
        assert mortal._server
        mortal._server.process.kill()
        assert mortal.judge(steps, 0).outputs["a"][0]["text"] == "1\n"
        for inner in list(kernel.descendants(mortal._server.process.pid)):  # one of its parts
            with contextlib.suppress(OSError):
                os.kill(inner, signal.SIGKILL)
        assert mortal.judge(steps, 0).outputs["a"][0]["text"] == "1\n"


def test_a_part_of_the_server_that_dies_is_missed_at_once() -> None:
    """Nobody else keeps its line open."""
    with Pool(workers=1) as mortal:
        steps = [Step("a", "extra", "print(1)")]
        mortal.judge(steps, 0)
        assert mortal._server
        loaded = [p for p in kernel.descendants(mortal._server.process.pid) if size(p) > 100 << 20]
        os.kill(max(loaded), signal.SIGKILL)  # the one that forks judges came last
        began = time.monotonic()
        assert mortal.judge(steps, 0).outputs["a"][0]["text"] == "1\n"
        assert time.monotonic() < began + STARTING / 2


def size(pid: int) -> int:
    """Bytes of memory that a process has mapped and touched."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_a_judge_that_hangs_is_stopped() -> None:
    with Pool(workers=1, limits=Limits(cell=2, total=2)) as short:
        steps = [
            Step("good", "check", "assert True", 1, "good"),
            Step("hangs", "check", "while True: pass", 1, "hangs"),
            Step("after", "check", "assert True", 1, "after"),
        ]
        verdict = short.judge(steps, 0)
        assert [r.passed for r in verdict.results] == [True, False, False]
        assert "too long" in verdict.problems[0]


def test_nothing_is_left_of_a_pool() -> None:
    before = set(os.listdir("/tmp"))
    with Pool(workers=1) as gone:
        gone.judge([Step("a", "extra", "print(1)")], 0)
        assert gone._server
        pid = gone._server.process.pid
        pids = [pid, *kernel.descendants(pid)]
    end = time.monotonic() + 5
    while [pid for pid in pids if alive(pid)] and time.monotonic() < end:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]
    left = {n for n in set(os.listdir("/tmp")) - before if n.startswith(("student", "graded"))}
    assert not left


def test_where_only_the_outer_wall_can_be_had_each_process_gets_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without namespaces inside of bubblewrap: as safe, and slower."""

    def none_inside(*_: object) -> None:
        raise NoSandbox("no namespaces here")

    monkeypatch.setattr("autograder.sealed.pool.Server", none_inside)
    with Pool("sandbox", workers=1, limits=LIMITS) as slow:
        assert slow.isolation == "sandbox"
        assert slow.why == "torch is loaded each time, since no namespaces here"
        code = (
            "import os, pathlib, socket\n"
            "print(os.getuid(), [p for p in os.listdir('/proc') if p.isdigit()])\n"
            "for folder in ('/usr', '/sealed', '/dev', '', '/job', '/tmp', '/dev/shm'):\n"
            "    path = folder + '/x'\n"
            "    try: pathlib.Path(path).touch()\n"
            "    except OSError: continue\n"
            "    print(path)\n"
            "for kind in (socket.AF_INET, socket.AF_NETLINK):\n"
            "    try: socket.socket(kind)\n"
            "    except OSError as error: print(error.strerror)\n"
            f"print(os.path.exists({str(Path(__file__))!r}), 'SECRET' in os.environ)\n"
        )
        told = said(slow, code)
        wanted = {"/job/x", "/tmp/x", "/dev/shm/x"} - (
            {"/tmp/x"} if "/tmp/x" not in told else set()
        )
        assert {line for line in told.splitlines() if line.startswith("/")} == wanted
        assert told.count("Operation not permitted") == 2
        assert told.endswith("False False")
        assert not told.startswith("0 ")
        first, second = graded(slow, "import os; os.kill(os.getpid(), 9)")
        assert first[0] is False
        assert "SIGKILL" in first[1]
        assert second[0] is True
        first, second = graded(slow, "while True: pass")
        assert (first[0], second[0]) == (False, True)


def test_without_a_server_that_forks_judging_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows, as far as this system can tell."""
    monkeypatch.setattr("autograder.sealed.pool.LINUX", False)
    for module in (os, signal):
        for name in ("pidfd_open", "pidfd_send_signal"):
            monkeypatch.delattr(module, name, raising=False)
    monkeypatch.setattr(sandbox, "why_not", lambda: "it needs Linux")
    with Pool(workers=1, limits=LIMITS) as plain:
        assert (plain.isolation, plain.why) == ("process", "it needs Linux")
        first, second = graded(plain, "import os; os._exit(3)")
        assert (first[0], second[0]) == (False, True)
        assert "exit code 3" in first[1]
        first, second = graded(plain, "import os, time\nif os.fork() == 0: time.sleep(100)")
        assert (first[0], second[0]) == (True, True)


def test_a_course_among_the_libraries_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not below /tmp, where the inner wall mounts a room of its own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        libraries = Path(made)
        libraries.chmod(0o755)
        (libraries / "course").mkdir()
        (libraries / "course/key.txt").write_text("CANARY")
        (libraries / "library.txt").write_text("seen")
        folders = [*sandbox.python_folders(), made]
        monkeypatch.setattr(sandbox, "python_folders", lambda: folders)
        code = (
            f"import os\nprint(open({str(libraries / 'library.txt')!r}).read(), "
            f"os.listdir({str(libraries / 'course')!r}))"
        )
        with Pool("sandbox", workers=1, limits=LIMITS, hidden=[libraries / "course"]) as careful:
            assert said(careful, code) == "seen []"


def test_a_submission_keeps_to_its_core(pool: Pool) -> None:
    """Or many processes of one would take the neighbour's time."""
    code = "import os\nprint(len(os.sched_getaffinity(0)))\nos.sched_setaffinity(0, range(64))"
    told = said(pool, code)
    assert told.startswith("1")
    assert "not permitted" in told


def test_open_files_are_counted(pool: Pool) -> None:
    """What waits in the buffers of sockets is nobody's memory."""
    flood = (
        "import os, socket, time\nkept = []\n"
        "for _ in range(30):\n    if os.fork() == 0: break\n"
        "try:\n    while True: kept += socket.socketpair()\n"
        "except OSError: pass\ntime.sleep(4)"
    )
    first, second = graded(pool, flood)
    assert first[0] is False
    assert "files open" in first[1]
    assert second[0] is True
