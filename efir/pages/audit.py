"""`/account/audit/`: who did what, by person, webinar and kind of deed."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.models import Person, normalize_login
from efir.audit.actions import Action
from efir.lib import ids
from efir.pages.audit_entries import AuditFilter, list_entries, load_entries
from efir.pages.audit_labels import action_label, actor_label, detail_lines

ON_A_PAGE = 50
# Nobody has it.
NOBODY_ID = 0


@never_cache
@require_safe
@capability_required(Capability.ASSIGN_ROLES)
def audit_log(request: HttpRequest) -> HttpResponse:
    """A page of deeds, the latest first."""
    given = {
        name: request.GET.get(name, "").replace("\x00", "").strip()[:254]
        for name in ("person", "webinar", "action")
    }
    page = Paginator(list_entries(_asked(given)), ON_A_PAGE).get_page(request.GET.get("page"))
    lines = [
        {
            "deed": deed,
            "action": action_label(deed.action),
            "actor": actor_label(deed),
            "details": detail_lines(deed),
        }
        for deed in load_entries(list(page.object_list))
    ]
    kept = urlencode({name: value for name, value in given.items() if value})
    context = {
        "page": page,
        "lines": lines,
        "actions": Action.choices,
        "more": f"&{kept}" if kept else "",
        **given,
    }
    return render(request, "pages/audit.html", context)


def _asked(given: dict[str, str]) -> AuditFilter:
    """What nobody and nothing fits finds nothing."""
    webinar_id = ids.parse(given["webinar"])
    person = (
        Person.objects.filter(login=normalize_login(given["person"])).first() if given["person"] else None
    )
    return AuditFilter(
        (webinar_id or NOBODY_ID) if given["webinar"] else None,
        (person.pk if person else NOBODY_ID) if given["person"] else None,
        given["action"] if given["action"] in Action.values else "",
    )
