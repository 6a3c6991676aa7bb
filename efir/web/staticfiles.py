"""Static files under hashed names, the imports between ES modules included."""

from __future__ import annotations

from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base
    """As collected by `collectstatic`; before that (tests), a file goes by its plain name."""

    support_js_module_import_aggregation = True
    manifest_strict = False

    def stored_name(self, name: str) -> str:
        return str(self.hashed_files.get(self.hash_key(self.clean_name(name)), name))


def collect() -> None:
    """Put the static files where they are served from."""
    call_command("collectstatic", interactive=False, verbosity=0)
