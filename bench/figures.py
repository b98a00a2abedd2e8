"""What was measured, what is promised of it, and the table that says whether it holds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Series:
    """Everything measured of one kind, in one unit."""

    unit: str
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float], *, unit: str = "ms") -> "Series":
        """Seconds become milliseconds where the unit says so. Raises ValueError where nothing was measured."""
        factor = 1000 if unit == "ms" else 1
        found = tuple(sorted(value * factor for value in values))
        if not found:
            raise ValueError("nothing was measured")
        return cls(unit, found)

    def percentile(self, percent: int) -> float:
        """By nearest rank: a value that was really measured."""
        return self.values[max(0, math.ceil(len(self.values) * percent / 100) - 1)]

    @property
    def p50(self) -> float:
        return self.percentile(50)

    @property
    def p99(self) -> float:
        return self.percentile(99)

    @property
    def max(self) -> float:
        return self.values[-1]

    def as_json(self) -> dict[str, object]:
        percentiles = {f"p{percent}": round(self.percentile(percent), 3) for percent in PERCENTILES}
        ends = {"min": round(self.values[0], 3), "max": round(self.max, 3)}
        return {"unit": self.unit, "count": len(self.values), **percentiles, **ends}


@dataclass
class Measured:
    """Series by what they are of, and single numbers."""

    series: dict[str, Series] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One line of the table. Without a bound it is published and not judged."""

    what: str
    measured: float
    unit: str  # "×" for a ratio
    at_most: float | None = None
    at_least: float | None = None
    original: float | None = None  # the same of the original's order of calls

    @property
    def holds(self) -> bool | None:
        if self.at_most is None and self.at_least is None:
            return None
        most = math.inf if self.at_most is None else self.at_most
        return (self.at_least or 0) <= self.measured <= most

    def as_json(self) -> dict[str, object]:
        bounds = {"at_most": self.at_most, "at_least": self.at_least}
        return {
            "what": self.what,
            "measured": round(self.measured, 3),
            "unit": self.unit,
            **bounds,
            "holds": self.holds,
            "original": None if self.original is None else round(self.original, 3),
        }


def table(rows: Sequence[Row]) -> str:
    """A Markdown table, ratios first."""
    head = ["", "measured", "bound", "holds", "original’s order"]
    lines = [head, *(_cells(row) for row in sorted(rows, key=lambda row: row.unit != "×"))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    shown = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    shown.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in shown)


def _cells(row: Row) -> list[str]:
    bound = ""
    if row.at_most is not None:
        bound = f"≤ {_shown(row.at_most, row.unit)}"
    elif row.at_least is not None:
        bound = f"≥ {_shown(row.at_least, row.unit)}"
    holds = {True: "yes", False: "NO", None: ""}[row.holds]
    return [
        row.what,
        _shown(row.measured, row.unit),
        bound,
        holds,
        "" if row.original is None else _shown(row.original, row.unit),
    ]


def _shown(value: float, unit: str) -> str:
    digits = 2 if unit in ("×", "s") else 0 if unit == "" or value >= 100 else 1
    return f"{value:,.{digits}f} {unit}".strip()
