"""Times as people read them. Moments are aware datetimes; clocks are in the hub's time zone."""

import math
from datetime import datetime, timedelta

from django import template
from django.utils import timezone

register = template.Library()


@register.filter
def age(moment: datetime) -> str:
    """How long ago, roughly: 40 s, 55 min, 2 h 13 min, 3 days."""
    return rough(timezone.now() - moment)


@register.filter
def ago(moment: datetime) -> str:
    return f"{age(moment)} ago"


@register.filter
def exact_since(later: datetime, earlier: datetime) -> str:
    """From `earlier` to `later`, with seconds while it is under an hour: 2 min 17 s."""
    passed = max(later - earlier, timedelta())
    minutes, seconds = divmod(round(passed.total_seconds()), 60)
    if minutes >= 60:
        return rough(passed)
    if minutes == 0:
        return f"{seconds} s" if seconds else "under 1 s"
    return f"{minutes} min {seconds:02} s"


@register.filter
def clock(moment: datetime) -> str:
    """03:22, and the day before it where it is not today."""
    local, today = timezone.localtime(moment), timezone.localdate()
    return f"{local:%H:%M}" if local.date() == today else f"{_day(local)}, {local:%H:%M}"


@register.filter
def clock_with_seconds(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M:%S}"


@register.filter
def bare_clock(moment: datetime) -> str:
    """03:22, where the day stands elsewhere."""
    return f"{timezone.localtime(moment):%H:%M}"


@register.filter
def day(moment: datetime) -> str:
    """23 Nov, and the year where it is another one."""
    return _day(timezone.localtime(moment))


@register.filter
def day_and_clock(moment: datetime) -> str:
    """23 Nov, 03:22:04"""
    return f"{day(moment)}, {clock_with_seconds(moment)}"


@register.filter
def hand_over(moment: datetime) -> str:
    """When somebody's turn ends: 09:00, tomorrow 09:00, Mon 09:00, 30 Nov, 09:00."""
    local, today = timezone.localtime(moment), timezone.localdate()
    days = (local.date() - today).days
    if days == 0:
        return f"{local:%H:%M}"
    if days == 1:
        return f"tomorrow {local:%H:%M}"
    return f"{local:%a %H:%M}" if 0 < days < 7 else f"{_day(local)}, {local:%H:%M}"


@register.filter
def seconds_left(moment: datetime) -> int:
    """Whole seconds until then; 0 once it is over."""
    return max(math.ceil((moment - timezone.now()).total_seconds()), 0)


def rough(passed: timedelta) -> str:
    seconds = max(int(passed.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60:02} min"
    return "1 day" if days == 1 else f"{days} days"


def _day(local: datetime) -> str:
    year = "" if local.year == timezone.localdate().year else f" {local.year}"
    return f"{local.day} {local:%b}{year}"
