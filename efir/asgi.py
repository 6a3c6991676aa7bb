"""The ASGI application: what many ask at once first, Django for the rest."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "efir.settings")
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402  # after setup

from efir.edge.application import EdgeApplication  # noqa: E402

application = EdgeApplication(get_asgi_application())
