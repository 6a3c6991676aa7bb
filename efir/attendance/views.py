"""`POST /admin_webinar/<id>/verdicts/<lead_id>`: a held verdict is decided by a person."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _

from efir.accounts.capabilities import Capability
from efir.attendance.classifier import decide
from efir.webinars.controls import Done, acting, asked_for, control


@control(Capability.DECIDE_VERDICT)
def decide_verdict(request: HttpRequest, webinar_id: int, lead_id: int) -> Done:
    """The event goes out once, with who decided; asked again, it is answered as done."""
    verdict = decide(webinar_id, lead_id, asked_for(request, "attended"), acting(request))
    body = {
        "webinar_id": webinar_id,
        "lead_id": lead_id,
        "attended": verdict.attended,
        "reason": verdict.reason,
        "rule": verdict.rule,
    }
    return Done(_("Решено."), body)
