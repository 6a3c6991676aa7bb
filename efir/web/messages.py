"""Sentences for a person's next page, in a cookie that has the installation's prefix, too."""

from __future__ import annotations

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class HostCookieStorage(CookieStorage):
    """Django's, under a name that only this host can set where it is reached by https."""

    cookie_name = f"{settings.COOKIE_PREFIX}messages"


class Storage(FallbackStorage):
    """What is too long for a cookie goes into the session."""

    storage_classes = (HostCookieStorage, SessionStorage)
