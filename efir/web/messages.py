"""Storage of Django's messages in a cookie with the installation's prefix."""

from __future__ import annotations

from collections.abc import Hashable

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.http import HttpRequest


class HostCookieStorage(CookieStorage):
    """Django's storage under a `__Host-` name (with https), which no other host of the domain can set."""

    cookie_name = f"{settings.COOKIE_PREFIX}messages"

    @classmethod
    def read(cls, value: str) -> tuple[Hashable, ...]:
        """Return the texts of the messages in this cookie value, or () if it is not valid or the session has more.

        The value itself differs from second to second, because it is signed with its time.
        """
        request = HttpRequest()
        request.COOKIES[cls.cookie_name] = value
        messages, is_all = cls(request)._get()  # type: ignore[attr-defined]  # Django's stubs leave it out
        if not is_all:
            return ()
        return tuple(
            (each.level, each.extra_tags, type(each.message), each.message) for each in messages or ()
        )


class Storage(FallbackStorage):
    """Store messages in the cookie, or in the session if they are too long for it."""

    storage_classes = (HostCookieStorage, SessionStorage)
