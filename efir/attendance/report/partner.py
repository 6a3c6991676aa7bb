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
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.report.verdict_list import Choice
from efir.lib.text import clean_query, name_contains
from efir.web.shortcuts import update_query
from efir.webinars.models import Seat, Webinar
from efir.webinars.schedule import Schedule

ON_A_PAGE = 20
WHO, SHOW, PAGE = "who", "show", "candidates"
HERE = "#candidates"

# Whom the list can show, where there is a webinar of that kind.
SHOWN: dict[str, Promise] = {
    "": _("все"),
    "seat": _("с местом"),
    "no_seat": _("без места"),
    "entered": _("вошли в эфир"),
    "missing": _("с местом, ещё не вошли"),
    "attended": _("участие засчитано"),
    "absent": _("не засчитано"),
}


@dataclass(frozen=True, slots=True)
class OwnCandidates:
    """A page of the people whom a partner invited.

    `webinar` is the one whose seats are shown, `over` the one just finished, if there are such.
    """

    page: Page[Person]
    webinar: Webinar | None
    over: Webinar | None
    choices: list[Choice]
    who: str
    show: str
    more: str
    total: int


def last_finished(programme: Schedule) -> Webinar | None:
    """The webinar that has finished last, if that was lately."""
    return next(iter(programme.just_finished), None)


def own_candidates(partner: Person, programme: Schedule, query: QueryDict) -> OwnCandidates:
    """Those whom the address asks for: `who` searches, `show` filters, `candidates` is the page."""
    webinar, over = programme.ahead(), last_finished(programme)
    everybody = _told_of(Person.objects.filter(invited_by_id=partner.pk), webinar, over)
    kinds = _kinds(webinar, over)
    who, asked = clean_query(query, WHO), query.get(SHOW, "")
    show = asked if asked in kinds else ""
    others = update_query(query, **{PAGE: ""}).removeprefix("?")
    found = everybody.filter(name_contains(who), kinds[show])
    return OwnCandidates(
        page=Paginator(_in_order(found), ON_A_PAGE).get_page(query.get(PAGE)),
        webinar=webinar,
        over=over,
        choices=_choices(everybody, kinds, show, query) if len(kinds) > 1 else [],
        who=who,
        show=show,
        more=f"&{others}{HERE}" if others else HERE,
        total=everybody.count(),
    )


def _kinds(webinar: Webinar | None, over: Webinar | None) -> dict[str, Q]:
    """Whom the list can show now: the filter of each."""
    kinds = {"": Q()}
    if webinar:
        kinds |= {"seat": Q(seated=True), "no_seat": Q(seated=False)}
    if webinar and webinar.is_on_air:
        kinds |= {"entered": Q(entered=True), "missing": Q(seated=True, entered=False)}
    if over:
        kinds |= {"attended": Q(attended_over=True), "absent": Q(absent_over=True)}
    return kinds


def _told_of(
    people: QuerySet[Person], webinar: Webinar | None, over: Webinar | None
) -> QuerySet[Person, Person]:
    leads = people_who_can(Capability.IS_LEAD).filter(pk=OuterRef("pk"))
    seats = Seat.objects.filter(person=OuterRef("pk"))
    entries = Participation.objects.filter(person=OuterRef("pk"), is_lead=True)
    verdicts = Verdict.objects.filter(webinar=over, lead=OuterRef("pk"))
    came_over = Exists(entries.filter(webinar=over)) | Exists(seats.filter(webinar=over))
    return people.annotate(
        is_lead=Exists(leads),
        seated=Exists(seats.filter(webinar=webinar)),
        entered=Exists(entries.filter(webinar=webinar)),
        attended_over=Exists(verdicts.filter(attended=True)),
        absent_over=Exists(verdicts.filter(attended=False)),
        is_counted=came_over & ~Exists(verdicts),
    )


def _in_order(people: QuerySet[Person]) -> QuerySet[Person]:
    return (
        people.select_related("membership__group")
        .prefetch_related(
            Prefetch("verdicts", visible_verdicts().order_by("-webinar__starts_at"), to_attr="told")
        )
        .order_by("-created_at", "-pk")
    )


def _choices(everybody: QuerySet[Person], kinds: dict[str, Q], chosen: str, query: QueryDict) -> list[Choice]:
    counts = everybody.aggregate(
        **{f"of_{kind}": Count("pk", filter=condition) for kind, condition in kinds.items()}
    )
    return [
        Choice(
            label=str(SHOWN[kind]),
            count=counts[f"of_{kind}"],
            address=(update_query(query, **{SHOW: kind, PAGE: ""}) or "?") + HERE,
            chosen=kind == chosen,
        )
        for kind in kinds
    ]


def visible_verdicts() -> QuerySet[Verdict]:
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


def partner_turnout(partner: Person, webinar: Webinar) -> dict[str, int]:
    """How many of the partner's own people have a seat, and how many have entered."""
    return {
        "seated": Seat.objects.filter(webinar=webinar, person__invited_by_id=partner.pk).count(),
        "entered": Participation.objects.filter(
            webinar=webinar, is_lead=True, person__invited_by_id=partner.pk
        ).count(),
    }
