"""The page of a sweep: one file with everything inside, which needs no server and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any
from urllib.parse import quote

FIGURES = ("similarity", "rating", "loss", "seconds")


def page(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The whole document; what stands in rows is text, whatever it looks like."""
    template = resources.files(__package__).joinpath("page.html").read_text("utf-8")
    parts = {
        "title": escape(title),
        "policy": _policy(template),
        "cards": "\n".join(map(_card, rows)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _policy(template: str) -> str:
    """What the page may do: show the pictures that it holds, and run this script and no other."""
    hashes = {
        kind: base64.b64encode(
            hashlib.sha256(re.findall(rf"<{kind}>(.*?)</{kind}>", template, re.DOTALL)[0].encode()).digest()
        )
        for kind in ("style", "script")
    }
    sources = "; ".join(f"{kind}-src 'sha256-{digest.decode()}'" for kind, digest in hashes.items())
    return f"default-src 'none'; img-src data:; {sources}"


def _card(row: Mapping[str, Any]) -> str:
    choices = {"status": row["status"], **row["parameters"]}
    figures = {figure: row[figure] for figure in FIGURES if row.get(figure) is not None}
    lines = "".join(_entry(key, value, " data-choice") for key, value in choices.items())
    lines += "".join(_entry(key, value) for key, value in figures.items())
    picture = ""
    if row.get("thumbnail"):
        image = f'<img src="{escape(row["thumbnail"])}" alt="{escape(row["name"])}" loading="lazy">'
        picture = f'<a href="{escape(quote(row["picture"]))}">{image}</a>'
    error = f'<p class="error">{escape(row["error"])}</p>' if row.get("error") else ""
    return f'<article>{picture}<h2 data-key="name">{escape(row["name"])}</h2>{error}<dl>{lines}</dl></article>'


def _entry(key: str, value: object, marks: str = "") -> str:
    return f'<dt>{escape(key)}</dt><dd data-key="{escape(key)}"{marks}>{escape(_shown(value))}</dd>'


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
