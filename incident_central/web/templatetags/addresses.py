"""`{% url %}` and reverse(), remembered: a page has some twenty addresses, and finding one took longer than a query."""

from functools import lru_cache

from django import template
from django.urls import reverse

register = template.Library()


@register.simple_tag(name="url")
@lru_cache(maxsize=1024)
def address(name: str, *arguments: object) -> str:
    return reverse(name, args=arguments)
