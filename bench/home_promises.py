"""What is promised of the list and of one incident, line by line, beside what was measured. Times are medians."""

import statistics

from bench.figures import Measured, Row
from bench.home import Plan


def rows(measured: Measured, plan: Plan) -> list[Row]:
    small, large = f"{plan.sizes[0]:,}", f"{plan.sizes[-1]:,}"
    found = []
    for database, deep in (("SQLite", 2.0), ("PostgreSQL", 1.5)):
        if f"{database}, {large}: home" in measured.series:
            found += _of_one(measured, plan, database, small, large, deep)
    found.append(Row("calls outside for all pages", measured.numbers["calls"], "", at_most=0))
    original = measured.series["original"].p50
    ours = measured.series[f"SQLite, {large}: home"].p50
    found.append(Row("home: original’s pattern ÷ ours", original / ours, "×"))
    found.append(Row("the original’s pattern", original, "ms"))
    return found


def _of_one(measured: Measured, plan: Plan, database: str, small: str, large: str, deep: float) -> list[Row]:
    name, series = f"{database}, {large}", measured.series
    p50 = {told: one.p50 for told, one in series.items()}
    ratios = {
        told: p50[f"{name}: in turns: {told}"] / p50[f"{name}: beside: {told}"]
        for told in (one.removeprefix(f"{name}: in turns: ") for one in p50 if one.startswith(f"{name}: in turns: "))
    }
    filtered = {told: p50[f"{name}: {told}"] for told in ratios if told != "home"}
    furthest, worst = max(filtered, key=ratios.__getitem__), max(filtered, key=filtered.__getitem__)
    words = {told: ms for told, ms in p50.items() if told.startswith(f"{name}: word")}
    home = p50[f"{name}: home"]
    last = f"{database}: page {plan.page:,} ÷ page 1"
    return [
        Row(f"{database}: home with {large} ÷ with {small}", ratios["home"], "×", at_most=1.3),
        Row(f"{database}: median filter ÷ home with {small}", statistics.median(ratios.values()), "×", at_most=1.3),
        Row(f"{database}: slowest filter ({furthest}) ÷ home with {small}", ratios[furthest], "×", at_most=1.3),
        Row(last, p50[f"{name}: last page"] / p50[f"{name}: first page"], "×", at_most=deep),
        Row(f"{database}: home with {large}", home, "ms", at_most=5),
        Row(f"{database}: home again, nothing written since", p50[f"{name}: home again"], "ms"),
        Row(f"{database}: median of filters and pairs", statistics.median(filtered.values()), "ms", at_most=5),
        Row(f"{database}: slowest ({worst})", filtered[worst], "ms", at_most=5),
        Row(f"{database}: slowest words", max(words.values()), "ms", at_most=30),
        Row(f"{database}: details, 50 entries", p50[f"{name}: 50 entries"], "ms", at_most=4),
        Row(f"{database}: details again, nothing written since", p50[f"{name}: 50 entries again"], "ms"),
        Row(f"{database}: details, 5,000 entries", p50[f"{name}: 5000 entries"], "ms", at_most=20),
        Row(f"{database}: pages a second, 8 clients", measured.numbers[f"{name}: pages a second"], "", at_least=250),
        *(
            Row(f"{database}: change to page, by {way}", series[f"{database}: change by {way}"].max, "s", bound)
            for way, bound in (("webhook", 2), ("poll", 20))
            if way in plan.changes
        ),
        *(
            Row(
                f"{database}: acknowledged to {place}, by webhook",
                series[f"{database}: acknowledged {told}"].max,
                "s",
                2,
            )
            for place, told in (("home", "on home"), ("channel", "in the channel"))
        ),
        Row(f"{database}: a webhook is answered within, p50", series[f"{database}: webhook"].p50, "ms"),
        Row(f"{database}: a webhook is answered within, p99", series[f"{database}: webhook"].p99, "ms", at_most=200),
        Row(f"{database}: processor a page", measured.numbers[f"{name}: processor a page"], "ms"),
        Row(f"{database}: an answer without any work (the floor)", p50[f"{name}: nothing"], "ms"),
        Row(f"{database}: a page without anything of its own", p50[f"{name}: empty"], "ms"),
    ]
