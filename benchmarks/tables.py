"""Tables of figures: as Markdown, as JSON, and two of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

RATIOS = {"over own"}
"""Columns that say what clipig adds to the work of a model; less is better."""

Cell = float | str | None
Rows = dict[str, dict[str, Cell]]


@dataclass
class Table:
    """Figures by row and column; the unit of a figure is the end of its column's name.

    Every row has the same columns. None is what could not be measured.
    """

    name: str
    about: str
    rows: Rows = field(default_factory=dict)

    def markdown(self) -> str:
        return f"## {self.name}\n\n{self.about}\n\n{_grid(self.rows, _text)}\n"


def to_json(machine: Mapping[str, Any], tables: list[Table]) -> dict[str, Any]:
    """`{"machine": {...}, "tables": [{"name", "about", "rows": {row: {column: figure}}}]}`."""
    return {"machine": dict(machine), "tables": [asdict(table) for table in tables]}


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The tables that are in both, with the figures of `now` and, behind them, how many times those of `before`."""
    lines = [
        f"- {key}: {before['machine'].get(key)} -> {value}"
        for key, value in now["machine"].items()
        if value != before["machine"].get(key)
    ]
    earlier = {table["name"]: table["rows"] for table in before["tables"]}
    for table in now["tables"]:
        old = earlier.get(table["name"], {})
        rows = {
            name: {column: _ratio(old[name].get(column), figure) for column, figure in row.items()}
            for name, row in table["rows"].items()
            if name in old
        }
        if rows:
            lines += ["", f"## {table['name']}", "", _grid(rows, str)]
    return "\n".join(lines)


def worse(before: Mapping[str, Any], now: Mapping[str, Any], tolerance: float) -> list[str]:
    """The ratios of `now` that are more than `tolerance` times those of `before`; seconds are not looked at.

    A ratio compares two things that one run measured in turns, so it means something on another machine, too.
    """
    known = dict(_ratios(before))
    return [
        f"{', '.join(place)} is {ratio:.3f}, and was {known[place]:.3f}"
        for place, ratio in _ratios(now)
        if place in known and ratio > tolerance * known[place]
    ]


def _ratios(figures: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], float]]:
    """The ratios among figures, by table, row and column."""
    for table in figures["tables"]:
        for name, row in table["rows"].items():
            yield from (((table["name"], name, column), row[column]) for column in RATIOS & row.keys())


def _ratio(before: Cell, now: Cell) -> str:
    if not isinstance(before, float | int) or not isinstance(now, float | int) or not before:
        return _text(now)
    return f"{_text(now)} (x{now / before:.2f})"


def _grid(rows: Mapping[str, Mapping[str, Any]], text: Callable[[Any], str]) -> str:
    columns = list(next(iter(rows.values()), {}))
    lines = [["", *columns], *([name, *(text(row.get(column)) for column in columns)] for name, row in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    aligned = [
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        for line in lines
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [aligned[0], rule, *aligned[1:]])


def _text(cell: Cell) -> str:
    """Three significant digits, never as a power of ten."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    return f"{float(f'{cell:.3g}'):,.10f}".rstrip("0").rstrip(".")
