"""bin/bench jobs: the table and the JSON of what was measured."""

import ast
import io
import tokenize
from collections.abc import Callable
from pathlib import Path

from bench.figures import Series
from bench.jobs.measure import IDEAL, Figures
from bench.jobs.stage import LOCKS, Contestant
from bench.machine import packages
from tests.processes import ROOT

Cell = Callable[[Contestant, Figures], str]
NOT_MEASURED = "–"
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def table(found: dict[Contestant, Figures]) -> str:
    """A Markdown table, ratios first. A ratio is to our own package on the same database."""
    rows: list[tuple[str, Cell]] = [
        ("first call leaves ÷ ours", _ratio(found, lambda one: _p50(one, "first call"))),
        ("responses a second ÷ ours", _ratio(found, _rate)),
        ("finished after a kill ÷ ours", _ratio(found, lambda one: _p50(one, "finished after a kill"))),
        ("all done ÷ ideal", lambda _, one: f"{_p50(one, 'done') / IDEAL:.2f} ×"),
        ("first call leaves, p50 / p99", lambda _, one: _milliseconds(one, "first call")),
        ("responses a second, no latency", lambda _, one: f"{_rate(one):.0f}"),
        ("kill −9, restart: finished, p50 / max", _outcome("finished after a kill")),
        ("kill −9, a second replica: finished", _outcome("taken over")),
        ("… when it is told", _outcome("taken over when told")),
        ("database gone: finished after it is back", _outcome("healed")),
        ("… after a restart", _outcome("healed by a restart")),
        ("… processes that ended by themselves", _count("ended by itself")),
        ("calls lost, of all that were due", lambda _, one: f"{one.counts['lost']:.0f} / {one.counts['calls']:,.0f}"),
        ("calls made twice", _count("twice")),
        ("repeats that a look spared (kills)", _count("repeats that a look spared")),
        ("steps shown while under way", lambda _, one: f"{one.counts['shown']:.0f} / 2"),
        ("new version: responses finished", lambda _, one: f"{one.counts['upgraded']:.0f} / 6"),
        ("… with the step that was added", lambda _, one: f"{one.counts['added']:.0f} / 6"),
        ("memory at rest", lambda _, one: f"{one.counts['memory']:.0f} MB"),
        ("packages that it would add", lambda contestant, _: str(added_packages(contestant.library))),
        ("lines of code of our own", lambda contestant, _: str(own_lines(contestant.library))),
    ]
    lines = [["", *map(str, found)], ["---", *["---:"] * len(found)]]
    lines += [[name, *(cell(contestant, one) for contestant, one in found.items())] for name, cell in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def added_packages(library: str) -> int:
    """How many packages the hub would install besides its own."""
    own = packages(ROOT / "requirements.txt")
    return 0 if library == "ours" else len(packages(LOCKS / f"{library}.txt") - own)


def own_lines(library: str) -> int:
    """Lines of code that this project would keep up for it: what stands in bench/, and the package where it is ours."""
    adapter = lines_of_code(LOCKS / f"with_{library}.py")
    package = (ROOT / "incident_central/jobs").glob("*.py") if library == "ours" else ()
    return adapter + sum(map(lines_of_code, package))


def lines_of_code(file: Path) -> int:
    """Without blank lines, comments and docstrings."""
    text = file.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


def _ratio(found: dict[Contestant, Figures], value: Callable[[Figures], float]) -> Cell:
    def cell(contestant: Contestant, figures: Figures) -> str:
        ours = found.get(Contestant("ours", contestant.database))
        if ours is None or not value(ours) or not value(figures):
            return NOT_MEASURED
        return f"{value(figures) / value(ours):.2f} ×"

    return cell


def _outcome(name: str) -> Cell:
    """Median and maximum, and how often it never came."""

    def cell(_: Contestant, figures: Figures) -> str:
        times, never = figures.times.get(name, []), figures.counts.get(f"never {name}", 0)
        said = []
        if times:
            series = Series.of(times, unit="s")
            said.append(f"{series.p50:.1f} / {series.max:.1f} s")
        if never:
            said.append(f"never: {never:.0f} of {never + len(times):.0f}")
        return "; ".join(said) or NOT_MEASURED

    return cell


def _count(name: str) -> Cell:
    return lambda _, figures: f"{figures.counts[name]:.0f}" if name in figures.counts else NOT_MEASURED


def _milliseconds(figures: Figures, name: str) -> str:
    series = Series.of(figures.times[name])
    return f"{series.p50:.1f} / {series.p99:.1f} ms"


def _p50(figures: Figures, name: str) -> float:
    return Series.of(figures.times[name], unit="s").p50 if name in figures.times else 0.0


def _rate(figures: Figures) -> float:
    return sum(figures.rates) / len(figures.rates)
