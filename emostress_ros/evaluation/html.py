"""A page that stands alone: its style, its tables, and its pictures inside it."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

DISCLAIMER = (
    "An aid, never a verdict. These figures are estimates of models that were trained on actors, "
    "on pictures from the web and on a few laboratories' recordings; they are wrong often enough "
    "that nobody may be judged, refused, hired or treated by them. Ask the person."
)
STYLE = """
:root { --ink:#2b3440; --dim:#66717e; --line:#e3e8ed; --accent:#3d6fb6; }
* { box-sizing:border-box } body { margin:0; background:#f5f7f9; color:var(--ink);
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif }
main { max-width:1080px; margin:0 auto; padding:28px 20px 60px }
h1 { font-size:26px; margin:0 0 2px } h2 { font-size:19px; margin:34px 0 10px }
h3 { font-size:15px; margin:18px 0 2px } p { margin:6px 0 } .dim { color:var(--dim) }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(145px,1fr)); gap:12px;
  margin:18px 0 }
.card,section { background:#fff; border:1px solid var(--line); border-radius:10px }
.card { padding:12px 14px } .card b { display:block; font-size:22px; line-height:1.25 }
.card span { color:var(--dim); font-size:13px } section>h2 { margin-top:14px }
section { padding:6px 20px 18px; margin:14px 0 }
.note { border-left:4px solid #e9b44c; background:#fff9ec; padding:10px 14px; border-radius:6px;
  margin:12px 0 } .aid { border-left-color:var(--accent); background:#eef4fb }
img { width:100%; height:auto; display:block } table { border-collapse:collapse; width:100% }
th,td { text-align:left; padding:5px 12px 5px 0; border-bottom:1px solid var(--line);
  font-size:14px } th { color:var(--dim); font-weight:600 }
td.n,th.n { text-align:right; white-space:nowrap; font-variant-numeric:tabular-nums }
.two { display:grid; gap:0 40px;
  grid-template-columns:repeat(auto-fit,minmax(330px,1fr)); margin-bottom:12px }
nav a { margin-right:14px; color:var(--accent); text-decoration:none; font-size:14px }
code { font-size:13px } .scroll { overflow-x:auto }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page of parts that are HTML already; empty ones are left out."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><main>"
        + "\n".join(part for part in parts if part)
        + "</main></body></html>\n"
    )


def cards(entries: Iterable[tuple[str, str]]) -> str:
    """Figures to be seen first: (value, name)."""
    return '<div class="cards">' + "".join(
        f'<div class="card"><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>'
        for value, name in entries
    ) + "</div>"  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A table whose last `numbers` columns are aligned to the right."""
    first = len(head) - numbers

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if column >= first else ''}>{html.escape(text)}</{tag}>"
            for column, text in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{cells("th", head)}</tr>{body}</table></div>'


def image(png: bytes, name: str) -> str:
    """A picture inside the page."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
