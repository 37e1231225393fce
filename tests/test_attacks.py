"""Every odd submission, through the real command: fair points, no leak, no damage, nothing left.

Each family is graded in one run, between an honest student who comes first and one who comes last,
with a listener on this machine, canaries in everything that is secret, and points given by hand.
"""

import base64
import contextlib
import ctypes
import html.parser
import json
import os
import re
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from submissions import (  # noqa: F401
    cheats,
    course,
    data,
    files,
    honest,
    machinery,
    processes,
    sly,
    structure,
)
from submissions.course import ASSIGNMENT, CANARIES, KNOWN, PORT, Handed

from autograder.grading import gradebook
from autograder.sealed import sandbox

FIRST, LAST = "alice", "zoe"
FAMILIES = sorted({odd.family for odd in KNOWN.values()})
SECONDS = 300
PR_SET_CHILD_SUBREAPER = 36


@pytest.mark.skipif(bool(sandbox.why_not()), reason=f"no sandbox: {sandbox.why_not()}")
@pytest.mark.parametrize("family", FAMILIES)
def test_everybody_gets_what_is_fair_and_nothing_else_happens(family: str, tmp_path: Path) -> None:
    odd = [o for o in KNOWN.values() if o.family == family]
    root = course.write(tmp_path / "course")
    Handed(root, FIRST).right().write()
    zoe = Handed(root, LAST).right()
    zoe.append("drop", f"# {course.OTHER}").write()
    # The points that a person gave before, and a secret in the gradebook.
    assert grade(root)[0] == 0
    with Gradebook(f"sqlite:///{root}/gradebook.db", gradebook.COURSE) as book:
        book.find_student(LAST).last_name = course.BOOK
        given = book.find_grade("essay", "hw", ASSIGNMENT, FIRST)
        given.manual_score, given.needs_manual_grade = 1.5, False
        book.db.commit()
    for one in odd:
        one.hand_in(root, one.name)
    before = snapshot(root)
    with listener() as caught, adopted() as children:
        code, told, run = grade(root, "--time-limit", "60")
        left = children()
    wrong: list[Any] = []
    points = {s["student"]: s for s in run["submissions"]}
    for one in odd:
        got = points[one.name]
        if one.fair is None:
            fine = got["state"] == "unread" and got["problems"]
        else:
            fine = got["state"] == "graded" and one.fair[0] <= got["earned"] <= one.fair[1]
        if not fine:
            wrong.append((one.name, one.fair, got))
    assert not wrong
    assert code == (1 if any(one.fair is None for one in odd) else 0), told
    assert (points[FIRST]["earned"], points[LAST]["earned"]) == (9.5, 8)
    assert given_by_hand(root) == [1.5]
    assert snapshot(root) == before, "what was handed in and the course stay as they were"
    assert not caught, "nothing was sent anywhere"
    assert not left, "nothing is left running"
    for page in root.glob("feedback/*/*/*"):
        assert not leaks(page, own=page.parent.parent.name), page
        if page.suffix == ".html":
            assert Active.of(page) == [], page


def grade(root: Path, *words: str) -> tuple[int, str, dict[str, Any]]:
    """The real command, capped from outside."""
    report = root / "run.json"
    done = subprocess.run(
        ["timeout", "-k", "5", str(SECONDS), sys.executable, "-m", "autograder", "--course",
         str(root), "grade", ASSIGNMENT, "--workers", "2", "--json", str(report), *words],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "SECRET_TOKEN": course.ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_few_processes,
    )  # fmt: skip
    assert report.is_file(), done.stdout
    run = json.loads(report.read_text())
    report.unlink()
    return done.returncode, done.stdout, run


def _few_processes() -> None:
    """A limit from outside for who is not root; root's are the sandbox's own."""
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    limit = 4000 if most == resource.RLIM_INFINITY else min(most, 4000)
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, most))


def snapshot(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for part in ("source", "submitted")
        for path in sorted((root / part).rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def given_by_hand(root: Path) -> list[float]:
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as db:
        found = db.execute("select manual_score from grade where manual_score is not null")
        return [score for (score,) in found]


@contextlib.contextmanager
def listener() -> Iterator[list[str]]:
    """What a submission says to a port of this machine."""
    caught: list[str] = []
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):  # another worker of the tests listens there already
        server.bind(("127.0.0.1", PORT))
        server.listen()

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = server.accept()
                caught.append(peer.recv(1000).decode(errors="replace"))

    threading.Thread(target=listen, daemon=True).start()
    yield caught
    server.close()


@contextlib.contextmanager
def adopted() -> Iterator[Any]:
    """Processes that outlive their parents become ours, and are seen."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)

    def children() -> list[str]:
        deadline = time.monotonic() + 5
        while True:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            tasks = Path("/proc/self/task").glob("*/children")
            found = [pid for task in tasks for pid in task.read_text().split()]
            if not found or time.monotonic() > deadline:
                return [Path(f"/proc/{p}/cmdline").read_bytes().decode() for p in found]
            time.sleep(0.1)

    yield children
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


def leaks(path: Path, own: str) -> list[str]:
    """The canaries in a file that a student gets; what left the process in base64 is opened."""
    text = path.read_bytes().decode(errors="replace")
    for packed in re.findall(r"LOOT:[\w-]+:([A-Za-z0-9+/=]+)", text):
        with contextlib.suppress(ValueError):
            text += base64.b64decode(packed).decode(errors="replace")
    return [c for c in CANARIES if c in text and not (c == course.OTHER and own == LAST)]


class Active(html.parser.HTMLParser):
    """Whatever in a page could run, or ask for something elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def of(cls, path: Path) -> list[str]:
        parser = cls()
        parser.feed(path.read_text(encoding="utf-8"))
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "form", "link", "base", "svg", "a"):
            self.found.append(tag)
        for name, value in attrs:
            outside = name in ("src", "href") and not (value or "").startswith("data:image/")
            if name.startswith("on") or outside or name == "style":
                self.found.append(f"{tag} {name}={value}")
