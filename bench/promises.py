"""What is promised of speed, line by line, beside what was measured. Times are medians where nothing else is said."""

from bench.figures import Measured, Row
from bench.stage import PAGERDUTY, SLACK

CALL = SLACK * 1000  # ms
RESPONSE = (PAGERDUTY + 2 * SLACK) * 1000  # ms: one call to PagerDuty and two to Slack


def rows(measured: Measured) -> list[Row]:
    """Ratios first."""
    return [*_ratios(measured), *_times(measured), *_storms(measured), *_on_postgresql(measured), *_machine(measured)]


def _ratios(measured: Measured) -> list[Row]:
    ms = {name: one.p50 for name, one in measured.series.items()}
    idle, first = ms["idle: leaves"], ms["original: leaves"]
    hung = max(1.1, (idle + 2) / idle)  # 1.1 ×, or 2 ms more where that is more
    link, done = ms["original: linked"] / CALL, ms["original: done"] / RESPONSE
    new = {"connect": "60 ms a connection", "original": "60 ms a connection, original"}
    new_link, new_done = ms[f"{new['original']}: linked"] / CALL, ms[f"{new['original']}: done"] / RESPONSE
    return [
        Row("page leaves: original ÷ ours", first / idle, "×"),
        Row("page leaves: Slack hung ÷ idle", ms["Slack hung: leaves"] / idle, "×", at_most=hung),
        Row("channel link ÷ one Slack call", ms["idle: linked"] / CALL, "×", at_most=1.15, original=link),
        Row("the same with PagerDuty hung", ms["PagerDuty hung: linked"] / CALL, "×", at_most=1.15),
        Row("all done ÷ (PagerDuty + 2 Slack calls)", ms["idle: done"] / RESPONSE, "×", at_most=1.2, original=done),
        Row("all done: ten responders ÷ one", ms["ten on call: done"] / ms["one on call: done"], "×", at_most=1.15),
        Row("channels opened ÷ allowed by Slack", measured.numbers["channels opened ÷ allowed"], "×", at_least=0.9),
        Row("+60 ms a connection: channel link", ms[f"{new['connect']}: linked"] / CALL, "×", original=new_link),
        Row("+60 ms a connection: all done", ms[f"{new['connect']}: done"] / RESPONSE, "×", original=new_done),
    ]


def _times(measured: Measured) -> list[Row]:
    series = measured.series
    idle, hung, original = series["idle: leaves"], series["Slack hung: leaves"], series["original: leaves"]
    new, new_original = series["60 ms a connection: leaves"], series["60 ms a connection, original: leaves"]
    away = "everything hung"
    return [
        Row("page leaves, idle", idle.p50, "ms", at_most=10, original=original.p50),
        Row("page leaves, idle, p99", idle.p99, "ms", at_most=50, original=original.p99),
        Row("page leaves, Slack hung", hung.p50, "ms", at_most=max(idle.p50 * 1.1, idle.p50 + 2)),
        Row("page leaves, Slack hung, p99", hung.p99, "ms"),
        Row("+60 ms a connection: page leaves", new.p50, "ms", original=new_original.p50),
        Row("answer, every outside service hung", series[f"{away}: answered"].p50, "ms", at_most=15),
        Row("… and the page that it leads to", series[f"{away}: shown"].p50, "ms"),
        Row("answer, idle", series["idle: answered"].p50, "ms", original=series["original: answered"].p50),
    ]


def _storms(measured: Measured) -> list[Row]:
    def latest(name: str) -> float:
        return measured.series[f"{name}: accepted"].max / 1000

    return [
        Row("20 in one second: last page accepted", latest("second"), "s", at_most=2),
        Row("200 in a minute: last page accepted", latest("minute"), "s", at_most=5),
        Row("20 in one second, limits on", latest("second, limits on"), "s", at_most=2),
        Row("200 in a minute, limits on", latest("minute, limits on"), "s", at_most=5),
        Row("lost or doubled in all storms", measured.numbers["lost or doubled"], "", at_most=0),
    ]


def _on_postgresql(measured: Measured) -> list[Row]:
    if "idle on PostgreSQL: leaves" not in measured.series:
        return []
    series = measured.series
    return [
        Row("PostgreSQL: page leaves, idle", series["idle on PostgreSQL: leaves"].p50, "ms", at_most=10),
        Row("PostgreSQL: page leaves, idle, p99", series["idle on PostgreSQL: leaves"].p99, "ms", at_most=50),
        Row("PostgreSQL: channel link ÷ one Slack call", series["idle on PostgreSQL: linked"].p50 / CALL, "×", 1.15),
        Row(
            "PostgreSQL: all done ÷ (PagerDuty + 2 Slack)", series["idle on PostgreSQL: done"].p50 / RESPONSE, "×", 1.2
        ),
        Row("PostgreSQL: memory at rest, web and worker apart", measured.numbers["memory at rest, apart"], "MB"),
    ]


def _machine(measured: Measured) -> list[Row]:
    numbers = measured.numbers
    rates = [(name, value) for name, value in numbers.items() if name.startswith("responses a second")]
    used = [(name, value) for name, value in numbers.items() if name.startswith("processor a response")]
    start = measured.series["start to first page"]
    return [
        *(Row(name, value, "a second") for name, value in rates),
        *(Row(name, value, "ms") for name, value in used),
        Row("memory at rest", max(numbers["memory at rest"], numbers["memory at rest after all that"]), "MB", 120),
        Row("memory in the storm", numbers["memory in the storm"], "MB", at_most=170),
        Row("start to first page", start.p50, "s", at_most=1.5),
        Row("installed packages", numbers["installed packages"], "", at_most=40),
        Row("the disk keeps 4 kB (no commit is faster)", measured.series["disk keeps 4 kB"].p50, "ms"),
    ]
