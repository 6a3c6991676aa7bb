"""What a partner learns of their own people, and of nobody else's: seats, entries, decided verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.accounts.capabilities import Capability, people_who_can
from efir.accounts.models import Person
from efir.accounts.search import named, sought
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.verdict_board import Choice
from efir.web import query_with
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Seat, Webinar
from efir.webinars.programme import Programme

ON_A_PAGE = 50
WHO, SEAT, PAGE = "who", "seat", "candidates"
HERE = "#candidates"

SEATS: dict[str, tuple[Promise, str]] = {
    "": (_("все"), "total"),
    "yes": (_("с местом"), "seated"),
    "no": (_("без места"), "unseated"),
}


@dataclass(frozen=True, slots=True)
class OwnCandidates:
    """A page of the people whom a partner invited. `webinar` is the one whose seats are shown, if there is one."""

    page: Page[Person]
    webinar: Webinar | None
    choices: list[Choice]
    who: str
    seat: str
    more: str
    total: int


def ahead(programme: Programme) -> Webinar | None:
    """The webinar on air, else the next one."""
    current = programme.current(frozenset())
    return current if current and current.state in (Status.SCHEDULED, *ON_AIR) else None


def own_candidates(partner: Person, webinar: Webinar | None, query: QueryDict) -> OwnCandidates:
    """Those whom the address asks for: `who` searches, `seat` filters, `candidates` is the page."""
    everybody = Person.objects.filter(invited_by_id=partner.pk)
    has_seat = Exists(Seat.objects.filter(webinar=webinar, person=OuterRef("pk")))
    counts = {"total": everybody.count(), "seated": everybody.filter(has_seat).count()}
    counts["unseated"] = counts["total"] - counts["seated"]
    who, asked = sought(query, WHO), query.get(SEAT, "")
    seat = asked if asked in SEATS and webinar else ""
    found = everybody.filter(named(who))
    if seat:
        found = found.filter(has_seat if seat == "yes" else ~has_seat)
    others = query_with(query, **{PAGE: ""}).removeprefix("?")
    return OwnCandidates(
        page=Paginator(_told_of(found, webinar), ON_A_PAGE).get_page(query.get(PAGE)),
        webinar=webinar,
        choices=_choices(counts, seat, query) if webinar else [],
        who=who,
        seat=seat,
        more=f"&{others}{HERE}" if others else HERE,
        total=counts["total"],
    )


def _told_of(people: QuerySet[Person], webinar: Webinar | None) -> QuerySet[Person]:
    leads = people_who_can(Capability.IS_LEAD).filter(pk=OuterRef("pk"))
    seats = Seat.objects.filter(webinar=webinar, person=OuterRef("pk"))
    entries = Participation.objects.filter(webinar=webinar, person=OuterRef("pk"), is_lead=True)
    return (
        people.annotate(is_lead=Exists(leads), seated=Exists(seats), entered=Exists(entries))
        .select_related("membership__group")
        .prefetch_related(Prefetch("verdicts", told().order_by("-webinar__starts_at"), to_attr="told"))
        .order_by("-created_at", "-pk")
    )


def _choices(counts: dict[str, int], chosen: str, query: QueryDict) -> list[Choice]:
    return [
        Choice(
            label=str(label),
            count=counts[counted],
            address=(query_with(query, **{SEAT: seat, PAGE: ""}) or "?") + HERE,
            chosen=seat == chosen,
        )
        for seat, (label, counted) in SEATS.items()
    ]


def told() -> QuerySet[Verdict]:
    """What a partner learns: verdicts that are decided."""
    return Verdict.objects.exclude(attended=None).select_related("webinar", "decided_by")


def own_result(partner: Person, webinar: Webinar) -> dict[str, Any]:
    """What came of a finished webinar for the partner's own people: how many of each; `done`: all are judged."""
    mine = Verdict.objects.filter(webinar=webinar, lead__invited_by_id=partner.pk)
    return mine.aggregate(
        yes=Count("pk", filter=Q(attended=True)),
        no=Count("pk", filter=Q(attended=False)),
        held=Count("pk", filter=Q(attended=None)),
    ) | {"done": Classification.objects.filter(webinar=webinar).exclude(done_at=None).exists()}


def own_turnout(partner: Person, webinar: Webinar) -> dict[str, int]:
    """How many of the partner's own people have a seat, and how many have entered."""
    return {
        "seated": Seat.objects.filter(webinar=webinar, person__invited_by_id=partner.pk).count(),
        "entered": Participation.objects.filter(
            webinar=webinar, is_lead=True, person__invited_by_id=partner.pk
        ).count(),
    }
