"""When a clock somewhere next shows an hour of a day of the week."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEK = timedelta(days=7)


def next_time(weekday: int, hour: int, zone: str, *, after: datetime) -> datetime:
    """When that clock next says so. An hour that summer time leaves out comes an hour later; of two, the first."""
    today = after.astimezone(ZoneInfo(zone)).date()
    day = today + timedelta(days=(weekday - today.weekday()) % 7)
    moment = _moment(day, hour, zone)
    return moment if moment > after else _moment(day + WEEK, hour, zone)


def _moment(day: date, hour: int, zone: str) -> datetime:
    return datetime.combine(day, time(hour), ZoneInfo(zone)).astimezone(UTC)
