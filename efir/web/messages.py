"""Storage of Django's messages in a cookie with the installation's prefix."""

from __future__ import annotations

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class HostCookieStorage(CookieStorage):
    """Django's storage under a `__Host-` name (with https), which no other host of the domain can set."""

    cookie_name = f"{settings.COOKIE_PREFIX}messages"


class Storage(FallbackStorage):
    """Store messages in the cookie, or in the session if they are too long for it."""

    storage_classes = (HostCookieStorage, SessionStorage)
