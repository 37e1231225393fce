"""The whole class at one look: a page for the browser; `report.summary` is for the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

Row = tuple[str, Mapping[str, tuple[float, float]]]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; width: 100%; }
.scroll { overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
td a { color: inherit; }
td:last-child { white-space: nowrap; }
.full { background: #d9f2e3; } .part { background: #fff3d1; } .none { background: #fbdfdd; }
.bar { display: inline-block; height: .8em; background: #4a6fa5; margin-right: .5em; }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #181818; } th, td { border-color: #444; }
  .full { background: #1d4a30; } .part { background: #5a4a14; } .none { background: #5c2522; }
}
"""


def page(
    path: Path,
    title: str,
    rows: Sequence[Row],
    sentences: Iterable[tuple[str, int]],
    notes: Sequence[str] = (),
    links: Mapping[tuple[str, str], str] | None = None,
) -> None:
    """Write the class as a page that needs nothing else: no script, no network."""
    columns, links = _columns(rows), links or {}
    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in ["student", *columns, "all"])
    body = "".join(_row(name, points, columns, links) for name, points in rows)
    counted = list(sentences)
    most = max((count for _, count in counted), default=1)
    bars = "".join(
        f'<tr><td>{escape(text)}</td><td><span class="bar" '
        f'style="width:{8 * count / most:.2f}em"></span>{count}</td></tr>'
        for text, count in counted
    )
    paragraphs = "".join(f"<p>{escape(note)}</p>" for note in notes)
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><body><main><h1>{escape(title)}</h1>{paragraphs}"
        '<div class="scroll"><table><caption>Points by notebook; each cell opens the feedback '
        f"that the student reads</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        "</table></div><div class=scroll><table><caption>What the class misunderstood</caption>"
        '<thead><tr><th scope="col">what its author should read</th>'
        f'<th scope="col">students</th></tr></thead><tbody>{bars}</tbody></table></div></main>\n',
        encoding="utf-8",
    )


def _row(
    name: str,
    points: Mapping[str, tuple[float, float]],
    columns: Sequence[str],
    links: Mapping[tuple[str, str], str],
) -> str:
    cells = [f'<th scope="row">{escape(name)}</th>']
    for column in columns:
        earned, of = points.get(column, (0, 0))
        colour = "full" if earned == of else "part" if earned else "none"
        text = _of((earned, of))
        if link := links.get((name, column)):
            text = f'<a href="{escape(link, quote=True)}">{text}</a>'
        cells.append(f'<td class="{colour}">{text}</td>')
    return f"<tr>{''.join(cells)}<td>{_of(_sum(points))}</td></tr>"


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(column for _, points in rows for column in points))


def _sum(points: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    return sum(e for e, _ in points.values()), sum(o for _, o in points.values())


def _of(points: tuple[float, float]) -> str:
    return f"{points[0]:g} / {points[1]:g}"
