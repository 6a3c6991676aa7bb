"""A partner's own people on their account page, and one candidate's verdicts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from efir.accounts.models import Person
from efir.attendance import labels as words
from efir.attendance.models import Participation, Verdict
from efir.attendance.report import partner as own
from efir.attendance.timeline import timeline_of
from efir.lib import qrcode
from efir.webinars.labels import absolute_time
from efir.webinars.models import Webinar
from efir.webinars.schedule import Schedule, seats_of

register = template.Library()


@register.filter
def told_times(verdict: Verdict) -> str:
    """The reason with the candidate's own times; who decided is not the partner's matter."""
    return "" if verdict.decided_by_id else words.explain(verdict, timeline_of(verdict.webinar))


@register.simple_tag
def qr(text: str) -> SafeString:
    """The text as a QR code to stand within the page."""
    return qrcode.svg(text)


@register.inclusion_tag("attendance/invitation.html")
def invitation(link: str) -> dict[str, Any]:
    """A text ready to send: what and when, and the partner's own link, which seats whoever signs up by it."""
    webinar = Schedule.read().ahead()
    words, by_link = _invitation_words(webinar)
    sent = _link_to(webinar, link)
    return {
        "text": f"{words} {by_link}\n{sent}",
        # Whoever shares it puts the address where they like: nothing announces it.
        "share": urlencode({"url": sent, "text": words}),
        "link": link,
        "sent": sent,
        "words": words,
    }


def _link_to(webinar: Webinar | None, link: str) -> str:
    """The link that books the seat which the text promises; the plain one, where there is no webinar."""
    return link if webinar is None else f"{link}&{urlencode({'webinar': webinar.pk})}"


def _invitation_words(webinar: Webinar | None) -> tuple[str, str]:
    """What it is about; and what stands before the link."""
    if webinar is None or webinar.starts_at is None:
        words = _("Приглашаю на живые вебинары: можно задать вопросы и узнать, как всё устроено.")
        return words, _("Регистрация по ссылке:")
    about = {"title": webinar.title, "moment": absolute_time(webinar.starts_at, webinar.zone)}
    words = _("Приглашаю на живой вебинар «%(title)s»: %(moment)s.") % about
    return words, _("Место бронируется по ссылке:")


@register.inclusion_tag("attendance/own_evening.html", takes_context=True)
def own_evening_panel(context: Context) -> dict[str, Any]:
    """The next webinar (or the one on air) and the one just over, as far as one's own people are concerned."""
    partner, programme = context["request"].user, Schedule.read()
    webinar, over = programme.ahead(), own.last_finished(programme)
    return {
        "webinar": webinar,
        "turnout": own.partner_turnout(partner, webinar) if webinar else None,
        "over": over,
        "result": own.own_result(partner, over) if over else None,
        "invited": Person.objects.filter(invited_by_id=partner.pk).count(),
    }


@register.inclusion_tag("attendance/own_candidates.html", takes_context=True)
def own_candidates_panel(context: Context) -> dict[str, Any]:
    """The people whom this partner invited, each with their role, their seat and their latest verdict."""
    request = context["request"]
    found = own.own_candidates(request.user, Schedule.read(), request.GET)
    return {"found": found, "page": found.page}


@register.inclusion_tag("attendance/candidate_verdicts.html")
def candidate_verdicts(candidate: Person) -> dict[str, Any]:
    """Every verdict on one candidate, the latest first, and how they stand to what is on air or comes next."""
    webinar = Schedule.read().ahead()
    entries = Participation.objects.filter(webinar=webinar, person=candidate, is_lead=True)
    return {
        "verdicts": own.visible_verdicts().filter(lead=candidate).order_by("-webinar__starts_at"),
        "webinar": webinar,
        "entered": webinar is not None and webinar.is_on_air and entries.exists(),
        "seated": webinar is not None and webinar.pk in seats_of(candidate.pk),
    }


@register.simple_tag
def what_to_say(candidate: Person) -> str:
    """With what to begin, by what came of their latest webinar."""
    verdict = own.visible_verdicts().filter(lead=candidate).order_by("-webinar__starts_at").first()
    if verdict is None:
        return _("Напишите или позвоните: познакомьтесь и напомните о ближайшем вебинаре.")
    if verdict.attended:
        return _("Напишите или позвоните: спросите, остались ли вопросы.")
    return _("Напишите или позвоните: спросите, как дела, и позовите на следующий вебинар.")
