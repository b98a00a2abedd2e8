"""The WSGI application that `incident-central serve` runs."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
