"""The files of the logo in the database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction

from efir.lib import clock
from efir.site_settings.logo import ID, NAMES
from efir.site_settings.models import LogoFile, SiteSettings

# A form that is sent again after an error in another field still finds its logo.
KEEP_UNUSED_FOR = timedelta(days=1)


def store(digest: str, files: Mapping[str, bytes]) -> None:
    """Store the files of a logo, and delete those that have not been in use for a day."""
    with transaction.atomic():
        used = SiteSettings.objects.values("logo")
        old = LogoFile.objects.filter(stored_at__lt=clock.now() - KEEP_UNUSED_FOR)
        old.exclude(digest__in=used).exclude(digest=digest).delete()
        for name, content in files.items():
            LogoFile.objects.update_or_create(
                digest=digest, name=name, defaults={"content": content, "stored_at": clock.now()}
            )


def read_file(digest: str, name: str) -> bytes | None:
    """Return the bytes of one file; None if there is no such file."""
    if name not in NAMES or not re.fullmatch(ID, digest):
        return None
    found = LogoFile.objects.filter(digest=digest, name=name).values_list("content", flat=True).first()
    return bytes(found) if found is not None else None
