"""The partner's part of `/account/`: seats, entries and decided verdicts of the people they invited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page
from django.db.models import Count, Exists, F, FloatField, OuterRef, Q, QuerySet, Subquery, Value
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.accounts.capabilities import Capability, people_who_can
from efir.accounts.models import Person
from efir.attendance.models import Participation, Verdict
from efir.attendance.report.call_brief import CallBrief, asked, briefs_of, pressed
from efir.attendance.report.panels import is_classified
from efir.lib.filters import FilterLink, ListAddress
from efir.lib.pagination import KeyPaginator
from efir.lib.text import clean_query, words_contained
from efir.webinars.models import Seat, Webinar
from efir.webinars.schedule import Schedule

PAGE_SIZE = 20

# Each filter of the list; which of them are offered depends on the webinars there are.
FILTERS: dict[str, Promise] = {
    "": _("все"),
    "seat": _("с местом"),
    "no_seat": _("без места"),
    "entered": _("вошли в эфир"),
    "missing": _("с местом, ещё не вошли"),
    "attended": _("участие засчитано"),
    "absent": _("не засчитано"),
    "asked": _("спросили и ждут ответа"),
    "pressed": _("нажали кнопку связи"),
}
# The filters about the webinar that has just finished, and the order of their lists: whom to call first.
OF_FINISHED = frozenset({"asked", "pressed", "attended", "absent"})
CALL_ORDER = (
    "-asked_finished",
    "-pressed_finished",
    "-attended_finished",
    F("present_finished_s").desc(nulls_last=True),
    "search_name",
    "pk",
)


@dataclass(frozen=True, slots=True)
class CandidateList:
    """A page of the people whom a partner invited.

    `webinar` is the one whose seats are shown, `finished` the one that has just finished, if there are such. `briefs`:
    verdict id → what to know before a call, for the verdicts on `finished`.
    """

    page: Page[Person]
    webinar: Webinar | None
    finished: Webinar | None
    briefs: Mapping[int, CallBrief]
    choices: list[FilterLink]
    who: str
    show: str
    more: str
    total: int


@dataclass(frozen=True, slots=True)
class PartnerEvening:
    """How a partner's own people stand to the current or next webinar, and to the one that has just finished."""

    invited: int
    webinar: Webinar | None
    turnout: dict[str, int]
    finished: Webinar | None
    result: dict[str, Any]


# Instead of subqueries that find nothing: composing one costs half a millisecond.
NO = Value(False)
NO_OUTCOMES: dict[str, Any] = {
    "attended_finished": NO,
    "absent_finished": NO,
    "asked_finished": NO,
    "pressed_finished": NO,
    "present_finished_s": Value(None, output_field=FloatField()),
    "awaits_verdict": NO,
}


def list_candidates(partner: Person, schedule: Schedule, query: QueryDict) -> CandidateList:
    """Return the people that the address asks for: `who` searches, `show` filters, `candidates` is the page."""
    address = ListAddress(query, "show", "candidates", "#candidates")
    webinar, finished = schedule.ahead(), last_finished(schedule)
    people = Person.objects.filter(invited_by_id=partner.pk)
    annotated = _annotate(people, webinar, finished)
    filters = _filters(webinar, finished)
    who, show = clean_query(query, "who"), address.chosen(filters)
    order = CALL_ORDER if show in OF_FINISHED else ("-created_at", "-pk")
    found = annotated.filter(words_contained(who, "search_name"), filters[show]).order_by(*order)
    rows: QuerySet[Person] = (
        _annotate(Person.objects.all(), webinar, finished)
        .annotate(telegram_reachable=F("telegramchat__reachable"), latest_verdict_id=_latest_verdict_id())
        .select_related("membership__group")
    )
    counts = annotated.aggregate(**{f"n_{name}": Count("pk", filter=each) for name, each in filters.items()})
    choices = [(name, FILTERS[name], counts[f"n_{name}"]) for name in filters]
    paginator = KeyPaginator(found, PAGE_SIZE, rows)
    if not who:
        paginator.count = counts[f"n_{show}"]  # saves the paginator's own query
    page = paginator.get_page(address.page_number)
    _attach_verdicts(page)
    return CandidateList(
        page=page,
        webinar=webinar,
        finished=finished,
        briefs=_briefs(page, finished),
        choices=address.links(choices, show) if len(choices) > 1 else [],
        who=who,
        show=show,
        more=address.pager_suffix,
        total=counts["n_"],
    )


def _filters(webinar: Webinar | None, finished: Webinar | None) -> dict[str, Q]:
    filters = {"": Q()}
    if webinar:
        filters |= {"seat": Q(seated=True), "no_seat": Q(seated=False)}
    if webinar and webinar.is_on_air:
        filters |= {"entered": Q(entered=True), "missing": Q(seated=True, entered=False)}
    if finished:
        filters |= {"asked": Q(asked_finished=True), "pressed": Q(pressed_finished=True)}
        filters |= {"attended": Q(attended_finished=True), "absent": Q(absent_finished=True)}
    return filters


def _annotate(
    people: QuerySet[Person], webinar: Webinar | None, finished: Webinar | None
) -> QuerySet[Person, Person]:
    leads = people_who_can(Capability.IS_LEAD).filter(pk=OuterRef("pk"))
    return people.annotate(
        is_lead=Exists(leads),
        seated=Exists(_seats(webinar)) if webinar else NO,
        entered=Exists(_entries(webinar)) if webinar else NO,
        **(_outcomes(finished) if finished else NO_OUTCOMES),
    )


def _outcomes(finished: Webinar) -> dict[str, Any]:
    """Return the annotations of a person about the webinar that has just finished."""
    verdicts = Verdict.objects.filter(webinar=finished, lead=OuterRef("pk"))
    took_part = Exists(_entries(finished)) | Exists(_seats(finished))
    return {
        "attended_finished": Exists(verdicts.filter(attended=True)),
        "absent_finished": Exists(verdicts.filter(attended=False)),
        "asked_finished": asked(finished.pk, OuterRef("pk")),
        "pressed_finished": pressed(finished.pk, OuterRef("pk")),
        "present_finished_s": Subquery(verdicts.values("present_s")[:1]),
        "awaits_verdict": took_part & ~Exists(verdicts),
    }


def _seats(webinar: Webinar) -> QuerySet[Seat]:
    return Seat.objects.filter(person=OuterRef("pk"), webinar=webinar)


def _entries(webinar: Webinar) -> QuerySet[Participation]:
    return Participation.objects.filter(person=OuterRef("pk"), is_lead=True, webinar=webinar)


def _latest_verdict_id() -> Subquery:
    decided = Verdict.objects.filter(lead=OuterRef("pk")).exclude(attended=None)
    return Subquery(decided.order_by("-webinar__starts_at", "-pk").values("pk")[:1])


def _attach_verdicts(page: Page[Person]) -> None:
    """Give each person on the page their latest decided verdict as `verdict`, or None."""
    ids = [person.latest_verdict_id for person in page]  # type: ignore[attr-defined]  # an annotation
    verdicts = decided_verdicts().in_bulk([each for each in ids if each])
    for person, verdict_id in zip(page, ids, strict=True):
        person.verdict = verdicts.get(verdict_id)  # type: ignore[attr-defined]  # for the template


def _briefs(page: Page[Person], finished: Webinar | None) -> dict[int, CallBrief]:
    """Return the briefs of the people on the page who have a decided verdict on the webinar that has just finished."""
    if finished is None:
        return {}
    decided = decided_verdicts().filter(webinar=finished, lead__in=[person.pk for person in page])
    return briefs_of(list(decided))


def last_finished(schedule: Schedule) -> Webinar | None:
    """Return the webinar that finished last within the last 24 hours."""
    return next(iter(schedule.just_finished), None)


def decided_verdicts() -> QuerySet[Verdict]:
    """Return the verdicts that partners may see: the decided ones."""
    return Verdict.objects.exclude(attended=None).select_related("webinar", "decided_by")


def partner_evening(partner: Person, schedule: Schedule) -> PartnerEvening | None:
    """Return the partner's figures; None if they invited nobody or there is no webinar to speak of."""
    webinar, finished = schedule.ahead(), last_finished(schedule)
    invited = Person.objects.filter(invited_by_id=partner.pk).count()
    if not invited or not (webinar or finished):
        return None
    return PartnerEvening(
        invited=invited,
        webinar=webinar,
        turnout=_turnout(partner, webinar) if webinar else {},
        finished=finished,
        result=_result(partner, finished) if finished else {},
    )


def _turnout(partner: Person, webinar: Webinar) -> dict[str, int]:
    entries = Participation.objects.filter(webinar=webinar, is_lead=True)
    return {
        "seated": Seat.objects.filter(webinar=webinar, person__invited_by_id=partner.pk).count(),
        "entered": entries.filter(person__invited_by_id=partner.pk).count(),
    }


def _result(partner: Person, webinar: Webinar) -> dict[str, Any]:
    own = Verdict.objects.filter(webinar=webinar, lead__invited_by_id=partner.pk)
    counts = own.aggregate(
        counted=Count("pk", filter=Q(attended=True)),
        missed=Count("pk", filter=Q(attended=False)),
        held=Count("pk", filter=Q(attended=None)),
    )
    return counts | {"done": is_classified(webinar)}
