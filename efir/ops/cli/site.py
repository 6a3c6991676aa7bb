"""`efir site`: show and change the site's own settings."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.ops.cli.output import fail, print_lines
from efir.ops.cli.parser import SITE_SETTINGS
from efir.pages.site_form import SiteForm
from efir.site_settings import current
from efir.site_settings.models import SiteSettings


def show(options: argparse.Namespace) -> int:
    """Print the settings."""
    return print_lines([_as_json(current.current())])


def change(options: argparse.Namespace) -> int:
    """Change the settings that were named. One that cannot be used leaves all as they are."""
    site = current.current()
    names = [name.replace("-", "_") for name in SITE_SETTINGS]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    data: dict[str, Any] = {name: getattr(site, name) for name in names} | given
    if options.no_logo:
        data["logo_removed"] = "1"
    uploads = {}
    if options.logo:
        uploads["logo"] = SimpleUploadedFile(options.logo.name, options.logo.read_bytes())
    form = SiteForm(data, uploads, site=site)
    if not form.is_valid():
        reasons = (f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
        return fail("site_settings_invalid", "; ".join(reasons))
    return print_lines([_as_json(current.save(form.changes(), Context(None, Source.CLI)))])


def _as_json(site: SiteSettings) -> dict[str, Any]:
    names = [name.replace("-", "_") for name in SITE_SETTINGS]
    changed_at = clock.iso(site.changed_at) if site.changed_at else None
    return {**{name: getattr(site, name) for name in names}, "logo": site.logo, "changed_at": changed_at}
