"""`{% url %}`, `{% static %}` and reverse(), remembered: a page has some twenty addresses, and finding one took longer
than a query."""

from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.urls import reverse

register = template.Library()
register.simple_tag(lru_cache(static), name="static")


@register.simple_tag(name="url")
@lru_cache(maxsize=1024)
def address(name: str, *arguments: object) -> str:
    return reverse(name, args=arguments)
