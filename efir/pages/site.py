"""`/account/site/`: the site's own settings, asked first on a fresh installation."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.recent_login import recent_login_required
from efir.accounts.sessions import request_context
from efir.pages.site_form import GROUPS, SiteForm
from efir.site_settings import colour, current
from efir.web.shortcuts import redirect_with_message


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_SITE)
@recent_login_required
def site_settings(request: HttpRequest) -> HttpResponse:
    """Show the settings in groups, each with its purpose; POST saves them all."""
    site = current.current()
    form = SiteForm(request.POST or None, request.FILES or None, site=site)
    if request.method == "POST" and form.is_valid():
        saved = current.save(form.changes(), request_context(request))
        return redirect_with_message(
            request, "/account/site/", _("Настройки сохранены."), warning=_colour_warning(saved.accent)
        )
    groups = [
        (key, label, purpose, [form[name] for name in names if name != "logo_removed" or site.logo])
        for key, label, purpose, names in GROUPS
    ]
    context: dict[str, Any] = {"form": form, "groups": groups, "is_first": site.changed_at is None}
    if site.accent:
        context["themes"] = [colour.light_theme(site.accent), colour.dark_theme(site.accent)]
    status = 400 if form.is_bound and form.errors else 200
    return render(request, "pages/site.html", context, status=status)


def _colour_warning(accent: str) -> str:
    """Return a warning if the colour had to be changed to be readable, or an empty string."""
    if not accent:
        return ""
    light, dark = colour.light_theme(accent).accent, colour.dark_theme(accent).accent
    if accent in (light, dark) and light == dark:
        return ""
    return _("Чтобы текст читался, цвет на светлых страницах будет %(light)s, на тёмных — %(dark)s.") % {
        "light": light,
        "dark": dark,
    }
