"""The feedback page: what a student reads, safe whatever they wrote, and readable by everyone."""

import base64
from pathlib import Path
from typing import Any

import pytest
from submissions import course
from submissions.course import ASSIGNMENT, NOTEBOOK, Handed
from test_attacks import Active

from autograder.grading import gradebook, report, submission
from autograder.grading.gradebook import Mark
from autograder.results import Result
from autograder.sealed import Verdict

EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\x00\u202e'\"&"
TOLD = {"key": "k", "notebook": EVIL, "seed": 0}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return course.write(tmp_path)


def graded(
    handed: Handed, outputs: list[dict[str, Any]], message: str = EVIL, problem: str = ""
) -> dict[str, Any]:
    path = handed.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    facts = gradebook.released(path, gradebook.settings(handed.root, ASSIGNMENT))
    template = submission.template(path, facts.notebook, facts.shown)
    read = submission.read(handed.write().path(), template)
    results = tuple(
        Result(EVIL if n == 1 else slot.id, slot.points, n != 1, message if n == 1 else "")
        for n, slot in enumerate(template.checks)
    )
    names = {s.id: outputs for s in read.steps if s.kind in ("solution", "extra")}
    verdict = Verdict(results, names, "sandbox", 0.1, (problem,) * bool(problem))
    return report.autograded(template, read, verdict, facts.checksums, TOLD)


MARKS = {
    "bn_visible": Mark(1.0, None, None, waiting=False),
    "bn_hidden": Mark(0.0, 2.0, 0.5, waiting=False, comment=f"Nearly. {EVIL}"),
    "drop_visible": Mark(1.0, None, None, waiting=False),
    "drop_hidden": Mark(3.0, None, None, waiting=False),
    "essay": Mark(None, None, None, waiting=True),
}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_that_a_student_writes_becomes_part_of_the_page(root: Path, tmp_path: Path) -> None:
    handed = Handed(root, "eve").set("bn", EVIL).set("essay", EVIL)
    handed.insert(EVIL)
    html = {"text/html": EVIL, "image/svg+xml": f"<svg>{EVIL}</svg>", "text/plain": EVIL}
    outputs = [
        {"output_type": "stream", "name": EVIL, "text": EVIL},
        {"output_type": "error", "ename": EVIL, "evalue": EVIL, "traceback": [EVIL, EVIL]},
        {"output_type": "display_data", "data": html, "metadata": {"x": EVIL}},
        {"output_type": "display_data", "data": {"image/png": EVIL}, "metadata": {}},
        {"output_type": "display_data", "data": {"application/javascript": "alert(1)"}},
    ]
    notebook = graded(handed, outputs, problem=EVIL)
    page = report.page(EVIL, EVIL, notebook, MARKS)
    assert Active.of(write(tmp_path, page)) == []
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\x00" not in page
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    kept = str(notebook["cells"])
    assert "text/html" not in kept
    assert "javascript" not in kept
    assert "svg" not in kept


def test_the_page_says_what_was_wanted_what_came_and_what_waits(root: Path) -> None:
    message = "When asked:\n  wanted 1,\n  got 2.\nThink: why?"
    page = report.page("ada", ASSIGNMENT, graded(Handed(root, "ada"), [], message), MARKS)
    assert "7.5 of 10 points" in page
    for line in ("When asked:", "wanted 1,", "got 2.", "Think: why?"):
        assert line in page
    assert "1 answer still waits for a reader" in page
    assert "2.5 of 3" in page, "a person's score and extra credit"
    assert "read by a person" in page
    assert "return x * 0 + 7" in page, "their own code"
    assert "in a sandbox" in page


def test_the_page_can_be_heard_and_held(root: Path) -> None:
    """What a screen reader and a phone need."""
    picture = base64.b64encode(b"\x89PNG").decode()
    outputs = [{"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}}]
    page = report.page("ada", ASSIGNMENT, graded(Handed(root, "ada"), outputs), MARKS)
    for need in (
        '<html lang="en">', 'name="viewport"', "<title>", "<h1>", "<main>", "<caption>",
        "scope='col'", "scope='row'", "alt='Picture drawn by bn'", "tabindex='0'",
    ):  # fmt: skip
        assert need in page
    assert ">passed<" in page, "outcomes are words, not colours alone"


def test_outputs_are_cut_to_size(root: Path) -> None:
    flood = [{"output_type": "stream", "name": "stdout", "text": "x" * 10**6}] * 1000
    kept = report.clean(flood)
    assert len(kept) == report.OUTPUTS
    assert all(len(o["text"]) < report.LONGEST + 100 for o in kept)


def test_a_page_without_a_verdict_says_why(root: Path) -> None:
    handed = Handed(root, "cut")
    handed.raw("{")
    path = root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    facts = gradebook.released(path, gradebook.settings(root, ASSIGNMENT))
    template = submission.template(path, facts.notebook, facts.shown)
    read = submission.read(handed.path(), template)
    page = report.page("cut", "x", report.autograded(template, read, None, {}, TOLD), {})
    assert "stops in the middle" in page
    assert "Your code was not run." in page
