"""The ASGI application: the edge in front of Django."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "efir.settings")
django.setup()

from efir.edge.application import make_application  # noqa: E402  # after setup

application = make_application()
