"""What grading a notebook came to: nbgrader's `autograded/` notebook, and the student's page.

The page is made of the autograded notebook and the gradebook alone, so that it can be made again
when a person has added a score or a comment. It holds no script and loads nothing; everything in
it that a student may have written is escaped.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import Any

from autograder.grading.gradebook import Mark
from autograder.grading.submission import Cell, Submission, Template, is_base64
from autograder.results import Result
from autograder.sealed import Verdict

LONGEST = 20_000  # characters of one output
PICTURE = 4 << 20  # characters of one picture
OUTPUTS = 100  # of one cell
ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
NEVER_SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")


def autograded(
    template: Template,
    submission: Submission,
    verdict: Verdict | None,
    checksums: Mapping[str, str],
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """The notebook that formgrader and feedback read: the student's work, and each check's end."""
    checks = [step.id for step in submission.steps if step.kind == "check"]
    results = dict(zip(checks, verdict.results, strict=True)) if verdict else {}
    outputs = verdict.outputs if verdict else {}
    cells = []
    if submission.problem:
        text = f"**This notebook could not be graded.** {submission.problem}"
        cells.append(_cell("problem", "markdown", text))
    for cell in submission.cells:
        slot = cell.slot
        result = results.get(slot.id) if slot else None
        made = _cell(cell.id, cell.kind, _source(cell), attachments=cell.attachments)
        if cell.kind == "code":
            keys = (slot.id, f"{slot.id}-changed") if slot else (cell.id,)
            failed = [_output(result)] if result and not result.passed else []
            made["outputs"] = failed or clean(o for key in keys for o in outputs.get(key, ()))
        role = slot.role if slot else "extra"
        made["metadata"]["autograder"] = {"role": role, **_judged(result)}
        if slot and slot.marked:
            made["metadata"]["nbgrader"] = {
                "grade": False,
                "locked": False,
                "solution": False,
                "task": False,
                **slot.marks,
                "schema_version": 3,
                "cell_type": slot.kind,
                "checksum": checksums.get(slot.id, ""),
            }
        cells.append(made)
    metadata = {
        **{k: v for k, v in template.metadata.items() if k in ("kernelspec", "language_info")},
        "autograder": {
            "repairs": list(submission.repairs),
            "problem": submission.problem,
            "problems": list(verdict.problems) if verdict else [],
            "isolation": verdict.isolation if verdict else "",
            **told,
        },
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def clean(outputs: Iterable[Any]) -> list[dict[str, Any]]:
    """Outputs as text and pictures: nothing that a browser would run."""
    kept: list[dict[str, Any]] = []
    for output in outputs:
        kind = output.get("output_type")
        if kind == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            kept.append(
                {"output_type": kind, "name": name, "text": _cut(_joined(output.get("text")))}
            )
        elif kind == "error":
            lines = [_joined(line) for line in output.get("traceback") or ()]
            kept.append(
                {
                    "output_type": kind,
                    "ename": _cut(_joined(output.get("ename"))),
                    "evalue": _cut(_joined(output.get("evalue"))),
                    "traceback": _cut("\n".join(lines)).splitlines(),
                }
            )
        elif kind in ("display_data", "execute_result"):
            data: dict[str, str] = {}
            for mime, value in (output.get("data") or {}).items():
                text = _joined(value)
                if mime in ("image/png", "image/jpeg") and len(text) <= PICTURE and is_base64(text):
                    data[mime] = text
                elif mime == "text/plain":
                    data[mime] = _cut(text)
            if data:
                kept.append({"output_type": "display_data", "data": data, "metadata": {}})
        if len(kept) == OUTPUTS:
            break
    return kept


def page(
    student: str, assignment: str, notebook: Mapping[str, Any], marks: Mapping[str, Mark]
) -> str:
    """The feedback on one notebook, as a student reads it."""
    told = notebook["metadata"]["autograder"]
    name = told["notebook"]
    cells = notebook["cells"]
    earned = sum(m.score for m in marks.values())
    of = sum(_worth(c) for c in cells)
    waiting = [i for i, m in marks.items() if m.waiting]
    total = f"{_number(earned)} of {_number(of)} points"
    head = f"<p class='total'><strong>{total}</strong>"
    if waiting:
        head += (
            f"<br>{len(waiting)} answer{'s' * (len(waiting) > 1)} still "
            f"wait{'s' * (len(waiting) == 1)} for a reader."
        )
    parts = [
        "<!doctype html>\n",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_text(f'{name}: {total}')}</title><style>{STYLE}</style></head><body>",
        f"<header><p><bdi>{_text(assignment)}</bdi> · <bdi>{_text(student)}</bdi></p>",
        f"<h1><bdi>{_text(name)}</bdi></h1>{head}</p></header><main>",
        *_notes(told),
        *_checks(cells, marks),
        *_work(cells, marks),
        f"</main><footer><p>{_text(_isolated(told['isolation']))}</p></footer></body></html>\n",
    ]
    return "".join(parts)


def summary(outcomes: Sequence[Any], seconds: float) -> str:
    """The run at one look: a line for each notebook, and what most students lost."""
    lines = []
    for notebook in sorted({o.notebook for o in outcomes}):
        of = [o for o in outcomes if o.notebook == notebook]
        scored = [o for o in of if o.state in ("graded", "unchanged")]
        counts = Counter(o.state for o in of)
        told = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
        mean = sum(o.earned for o in scored) / len(scored) if scored else 0.0
        average = f"; {mean:.1f} of {_number(of[0].points)} points on average" if scored else ""
        lines.append(f"{notebook}: {told}{average}")
        lost = Counter(r.aspect for o in scored for r in o.results if r.points and not r.passed)
        for aspect, times in lost.most_common(3):
            lines.append(f"  {times} of {len(scored)} lost: {plain(aspect)}")
    waiting = sum(o.waiting for o in outcomes)
    if waiting:
        lines.append(f"{waiting} answers wait for a person: nbgrader formgrader shows them.")
    failed = sum(o.failed for o in outcomes)
    if failed:
        lines.append(f"{failed} could not be graded; each is named above.")
    lines.append(f"{len(outcomes)} notebooks in {seconds:.1f} s.")
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text that a terminal shows and does not obey: students choose file names."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in ANSI.sub("", text))


def _notes(told: Mapping[str, Any]) -> Iterator[str]:
    if told["problem"]:
        yield "<section aria-labelledby='unread'><h2 id='unread'>Not graded</h2>"
        yield f"<p>{_text(told['problem'])}</p></section>"
    listed = [*told["problems"], *told["repairs"]]
    if listed and not told["problem"]:
        items = "".join(f"<li>{_text(note)}</li>" for note in listed)
        yield "<section aria-labelledby='notes'><h2 id='notes'>What you should know</h2>"
        yield f"<ul>{items}</ul></section>"


def _checks(cells: Sequence[Mapping[str, Any]], marks: Mapping[str, Mark]) -> Iterator[str]:
    rows = [row for cell in cells if (row := _row(cell, marks))]
    if rows:
        yield "<section aria-labelledby='checks'><h2 id='checks'>Aspect by aspect</h2>"
        yield "<table><caption>What was looked at, and the points for it</caption><thead><tr>"
        yield "<th scope='col'>aspect</th><th scope='col'>outcome</th>"
        yield f"<th scope='col'>points</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        yield "</section>"


def _row(cell: Mapping[str, Any], marks: Mapping[str, Mark]) -> str:
    graded = cell["metadata"].get("nbgrader", {})
    judged = cell["metadata"].get("autograder", {})
    if not (graded.get("grade") or graded.get("task")):
        return ""
    mark = marks.get(graded["grade_id"], Mark(None, None, None, waiting=False))
    worth = _worth(cell)
    by_hand = mark.manual is not None
    if not worth and judged.get("passed") is not False:
        return ""
    if mark.waiting and not by_hand and mark.auto is None:
        state, word = "waits", "waits for a reader"
    elif by_hand:
        state = "passed" if mark.score >= worth else "partly" if mark.score else "failed"
        word = "read by a person"
    elif judged.get("passed") or (worth and mark.score >= worth):
        state, word = "passed", "passed"
    else:
        state, word = "failed", "not yet"
    aspect = judged.get("aspect") or graded["grade_id"]
    message = "" if state == "passed" else _message(judged.get("message", ""))
    comment = f"<p class='comment'>{_lines(mark.comment)}</p>" if mark.comment else ""
    points = f"{_number(mark.score)} of {_number(worth)}" if worth else "–"
    return (
        f"<tr class='{state}'><th scope='row'><bdi>{_text(aspect)}</bdi>{message}{comment}</th>"
        f"<td>{word}</td><td>{points}</td></tr>"
    )


def _message(text: str) -> str:
    """When, wanted, got, think: each on a line of its own."""
    return f"<p class='message'>{_lines(text)}</p>" if text else ""


def _work(cells: Sequence[Mapping[str, Any]], marks: Mapping[str, Mark]) -> Iterator[str]:
    shown = "".join(_handed_in(cell, marks, n) for n, cell in enumerate(cells, 1))
    if shown:
        yield "<section aria-labelledby='work'><h2 id='work'>What you handed in</h2>"
        yield f"{shown}</section>"


def _handed_in(cell: Mapping[str, Any], marks: Mapping[str, Mark], number: int) -> str:
    role = cell["metadata"].get("autograder", {}).get("role")
    if role not in ("solution", "answer", "extra", "open", "prose"):
        return ""
    marked = cell["metadata"].get("nbgrader", {})
    if role == "prose" and marked.get("locked"):
        return ""
    source = cell["source"]
    if not source.strip() and not cell.get("outputs"):
        return ""
    name = marked.get("grade_id") or f"cell {number}"
    kind = "Code" if cell["cell_type"] == "code" else "Text"
    label = _text(f"{kind} of {name}")
    body = (
        f"<pre tabindex='0' role='region' aria-label='{label}'><code>{_text(source)}</code></pre>"
    )
    for output in cell.get("outputs", ()):
        body += _shown(output, name)
    mark = marks.get(marked.get("grade_id", ""))
    if mark and mark.comment and role == "solution":
        body += f"<p class='comment'>{_lines(mark.comment)}</p>"
    return f"<section><h3><bdi>{_text(name)}</bdi></h3>{body}</section>"


def _shown(output: Mapping[str, Any], name: str) -> str:
    kind = output["output_type"]
    label = _text(f"Output of {name}")
    if kind == "stream":
        text = output["text"]
    elif kind == "error":
        text = "\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}"
        label = _text(f"Error in {name}")
    else:
        for mime in ("image/png", "image/jpeg"):
            if picture := output["data"].get(mime):
                packed = "".join(picture.split())
                alt = _text(f"Picture drawn by {name}")
                return f"<p><img alt='{alt}' src='data:{mime};base64,{packed}'></p>"
        text = output["data"].get("text/plain", "")
    if not text.strip():
        return ""
    return (
        f"<pre class='output' tabindex='0' role='region' aria-label='{label}'>{_text(text)}</pre>"
    )


def _isolated(isolation: str) -> str:
    return {
        "sandbox": "Your code ran in a sandbox, apart from the checks.",
        "process": "Your code ran in a process of its own, apart from the checks.",
        "none": "Your code ran without isolation.",
    }.get(isolation, "Your code was not run.")


def _cell(
    identity: str, kind: str, source: str, attachments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": identity, "metadata": {}, "source": source}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    elif attachments:
        cell["attachments"] = dict(attachments)
    return cell


def _source(cell: Cell) -> str:
    """Graders see the mark scheme of a task; hidden checks stay in `source/`."""
    return cell.slot.source if cell.slot and cell.slot.role == "task" else cell.source


def _judged(result: Result | None) -> dict[str, Any]:
    if result is None:
        return {}
    return {"aspect": result.aspect, "passed": result.passed, "message": result.message}


def _output(result: Result) -> dict[str, Any]:
    """A check that failed, as nbgrader knows failures: an error in the output of its cell."""
    lines = _cut(result.message).splitlines()
    return {
        "output_type": "error",
        "ename": "Mistake",
        "evalue": _cut(result.message),
        "traceback": lines,
    }


def _worth(cell: Mapping[str, Any]) -> float:
    marks = cell["metadata"].get("nbgrader", {})
    graded = marks.get("grade") or marks.get("task")
    return float(marks.get("points") or 0) if graded else 0.0


def _joined(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(v for v in value if isinstance(v, str))
    return str(value or "").encode("utf-8", "replace").decode()


def _cut(text: str) -> str:
    text = NEVER_SHOWN.sub("", ANSI.sub("", text))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut off here."


def _text(text: str) -> str:
    return escape(NEVER_SHOWN.sub("", ANSI.sub("", str(text))), quote=True)


def _lines(text: str) -> str:
    return "<br>".join(_text(line.strip()) for line in text.strip().splitlines())


def _number(value: float) -> str:
    return f"{value:g}"


STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 52rem; padding: 1rem;
       color: #1a1a1a; background: #fff; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: .2rem 0; } h2 { font-size: 1.25rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin-bottom: .3rem; }
.total { font-size: 1.2rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: .4rem 0; color: #555; }
th, td { text-align: left; vertical-align: top; padding: .5rem; border-bottom: 1px solid #ccc; }
tbody th { font-weight: 600; border-left: .4rem solid #777; }
td { white-space: nowrap; }
thead th { overflow-wrap: normal; }
.passed th { border-left-color: #1b7f3b; } .failed th { border-left-color: #b3261e; }
.partly th { border-left-color: #8a6100; }
.message, .comment { font-weight: 400; margin: .3rem 0 0; }
.comment { border-left: 3px solid #4a6fa5; padding-left: .6rem; }
pre { background: #f4f4f4; padding: .7rem; overflow-x: auto; margin: .3rem 0; max-height: 40rem;
      font: .875rem/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: normal; }
pre.output { background: none; border: 1px solid #ddd; }
pre:focus-visible { outline: 2px solid #4a6fa5; }
img { max-width: 100%; height: auto; background: #fff; }
footer { margin-top: 2rem; color: #555; font-size: .875rem; }
@media (max-width: 34rem) { th, td { padding: .4rem .3rem; } pre { padding: .4rem; } }
@media (prefers-color-scheme: dark) {
  body { color: #e8e8e8; background: #161616; } pre { background: #242424; }
  pre.output, th, td { border-color: #444; } caption, footer { color: #aaa; }
  .passed th { border-left-color: #5dc482; } .failed th { border-left-color: #f0837b; }
}
@media print { pre { max-height: none; white-space: pre-wrap; } }
"""
# No script, no frame, no form, no request: the only style is ours, the only pictures are inside.
POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
