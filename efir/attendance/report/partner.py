"""The partner's part of `/account/`: seats, entries and decided verdicts of the people they invited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeAlias

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.accounts.capabilities import Capability, people_who_can
from efir.accounts.models import Person, role_label
from efir.attendance.models import Participation, Verdict
from efir.attendance.report.call_brief import CallBrief, asked, briefs_of, pressed
from efir.attendance.report.panels import is_classified
from efir.lib.compiled_query import CompiledQuery, Parameter
from efir.lib.filters import FilterLink, ListAddress
from efir.lib.text import clean_query, words_contained
from efir.webinars.models import Seat, Webinar
from efir.webinars.schedule import Schedule

PAGE_SIZE = 20
# Size of the cache of compiled queries: some pages of each filter, and the latest searches.
QUERIES = 100

LEAD = OuterRef("pk")
WEBINAR_ID, FINISHED_ID = (Parameter(name, Webinar, "id") for name in ("webinar_id", "finished_id"))
HELD = "held"  # the name of the number of held verdicts; it is not a filter of the list

Condition: TypeAlias = Any  # a Q, an Exists or a negated one: Django has no type for a condition

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


# Instead of subqueries that find nothing.
NO = Value(False)
NO_OUTCOMES: dict[str, Any] = {"awaits_verdict": NO}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the list. `verdict` is the latest decided one; `awaits_verdict` is about the webinar just finished.

    `telegram_reachable`: whether the bot can write to the person; None if they have not linked Telegram.
    """

    pk: int
    name: str
    role: str | None
    is_lead: bool
    seated: bool
    entered: bool
    awaits_verdict: bool
    telegram_reachable: bool | None
    verdict: Verdict | None

    @property
    def role_label(self) -> str:
        return role_label(self.role or "")


@dataclass(frozen=True, slots=True)
class PartnerWebinar:
    """The state of a partner's candidates for the current or next webinar, and for the one that has just finished."""

    invited: int
    webinar: Webinar | None
    turnout: dict[str, int]
    finished: Webinar | None
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CandidateList:
    """A page of a partner's candidates, and the counts of all of them.

    `webinar` is the one whose seats are shown, `finished` the one that has just finished, if there are such. `briefs`:
    verdict id → what to know before a call, for the verdicts on `finished`; `in_call_order`: those to call first come
    first. `evening` is None if there is nobody, or no webinar to speak of.
    """

    page: Page[Candidate]
    webinar: Webinar | None
    finished: Webinar | None
    evening: PartnerWebinar | None
    briefs: Mapping[int, CallBrief]
    in_call_order: bool
    choices: list[FilterLink]
    who: str
    show: str
    more: str
    total: int


class Webinars(NamedTuple):
    """The webinars that the list is about. For the same webinars, all partners' lists use the same queries."""

    ahead: bool
    on_air: bool
    finished: bool


def list_candidates(partner: Person, schedule: Schedule, query: QueryDict) -> CandidateList:
    """Return the people that the address asks for: `who` searches, `show` filters, `candidates` is the page."""
    address = ListAddress(query, "show", "candidates", "#candidates")
    webinar, finished = schedule.ahead(), last_finished(schedule)
    webinars = Webinars(webinar is not None, bool(webinar and webinar.is_on_air), finished is not None)
    ids = {
        "partner_id": partner.pk,
        "webinar_id": webinar and webinar.pk,
        "finished_id": finished and finished.pk,
    }
    counted = _counted(webinars)
    offered = [name for name in counted if name in FILTERS]
    who, show = clean_query(query, "who"), address.chosen(offered)
    ((_group, *numbers),) = _counts_query(webinars).rows(**ids)
    counts = dict(zip(counted, numbers, strict=True))
    number_found = _number_query(webinars, show, who).rows(**ids)[0][1] if who else counts[show]
    # The range stands for the rows, of which only one page is read.
    page = Paginator(range(number_found), PAGE_SIZE).get_page(address.page_number)
    rows = _rows_query(webinars, show, who, page.number).rows(**ids) if number_found else []
    verdict_ids = [row[-1] for row in rows if row[-1]]
    verdicts = decided_verdicts().in_bulk(verdict_ids) if verdict_ids else {}
    people = [Candidate(*[*row[:-1], verdicts.get(row[-1])]) for row in rows]
    choices = [(name, FILTERS[name], counts[name]) for name in offered]
    return CandidateList(
        page=Page(people, page.number, page.paginator),  # type: ignore[arg-type]  # counts rows, not the range
        webinar=webinar,
        finished=finished,
        evening=_partner_webinar(counts, webinar, finished),
        briefs=_briefs(people, finished),
        in_call_order=show in OF_FINISHED,
        choices=address.links(choices, show) if len(choices) > 1 else [],
        who=who,
        show=show,
        more=address.pager_suffix,
        total=counts[""],
    )


def _conditions(webinars: Webinars) -> dict[str, Condition]:
    """Return the condition of each number: those of the filters that are offered, and the held verdicts."""
    conditions: dict[str, Condition] = {"": Q()}
    if webinars.ahead:
        conditions |= {"seat": _seated(), "no_seat": ~_seated()}
    if webinars.on_air:
        conditions |= {"entered": _entered(), "missing": _seated() & ~_entered()}
    if webinars.finished:
        conditions |= {"asked": asked(FINISHED_ID, LEAD), "pressed": pressed(FINISHED_ID, LEAD)}
        conditions |= {"attended": _verdicts(attended=True), "absent": _verdicts(attended=False)}
        conditions |= {HELD: _verdicts(attended=None)}
    return conditions


@cache
def _counted(webinars: Webinars) -> tuple[str, ...]:
    """Return the names of the numbers, in the order of `_counts_query`."""
    return tuple(_conditions(webinars))


@cache
def _counts_query(webinars: Webinars) -> CompiledQuery:
    counts = [Count("pk", filter=condition) for condition in _conditions(webinars).values()]
    # Grouped by a constant, so that the whole list is one group.
    return CompiledQuery(
        lambda: _own().values_list(Value(1)).annotate(**{f"n_{at}": each for at, each in enumerate(counts)})
    )


@lru_cache(maxsize=QUERIES)
def _number_query(webinars: Webinars, show: str, who: str) -> CompiledQuery:
    """Return the query of how many people a search finds."""
    return CompiledQuery(
        lambda: _found(webinars, show, who).values_list(Value(1)).annotate(number=Count("pk"))
    )


@lru_cache(maxsize=QUERIES)
def _rows_query(webinars: Webinars, show: str, who: str, page: int) -> CompiledQuery:
    """Return the query of the rows of one page: the fields of `Candidate`, and the id of the verdict."""

    def compose() -> QuerySet[Person, tuple[Any, ...]]:
        order = CALL_ORDER if show in OF_FINISHED else ("-created_at", "-pk")
        of_finished = _outcomes() if webinars.finished else NO_OUTCOMES
        in_order = _found(webinars, show, who)
        if show in OF_FINISHED:
            in_order = in_order.annotate(**of_finished)
        # The keys are ordered and cut first, so that the database calculates the columns for one page alone.
        keys = in_order.order_by(*order).values("pk")[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        return (
            Person.objects.filter(pk__in=keys)
            .annotate(
                is_lead=Exists(people_who_can(Capability.IS_LEAD).filter(pk=LEAD)),
                seated=_seated() if webinars.ahead else NO,
                entered=_entered() if webinars.ahead else NO,
                verdict_id=_latest_verdict_id(),
                **of_finished,
            )
            .order_by(*order)
            .values_list(
                *("pk", "name", "membership__group__name", "is_lead", "seated", "entered", "awaits_verdict"),
                *("telegramchat__reachable", "verdict_id"),
            )
        )

    return CompiledQuery(compose)


def _own() -> QuerySet[Person]:
    return Person.objects.filter(invited_by_id=Parameter("partner_id", Person, "id"))


def _found(webinars: Webinars, show: str, who: str) -> QuerySet[Person]:
    return _own().filter(_conditions(webinars)[show], words_contained(who, "search_name"))


def _outcomes() -> dict[str, Any]:
    """Return the annotations of a person about the webinar that has just finished."""
    took_part = _entered(FINISHED_ID) | _seated(FINISHED_ID)
    return {
        "attended_finished": _verdicts(attended=True),
        "asked_finished": asked(FINISHED_ID, LEAD),
        "pressed_finished": pressed(FINISHED_ID, LEAD),
        "present_finished_s": Subquery(_of_finished().values("present_s")[:1]),
        "awaits_verdict": took_part & ~Exists(_of_finished()),
    }


def _seated(webinar_id: Parameter = WEBINAR_ID) -> Exists:
    return Exists(Seat.objects.filter(person=LEAD, webinar_id=webinar_id))


def _entered(webinar_id: Parameter = WEBINAR_ID) -> Exists:
    return Exists(Participation.objects.filter(person=LEAD, is_lead=True, webinar_id=webinar_id))


def _of_finished() -> QuerySet[Verdict]:
    return Verdict.objects.filter(webinar_id=FINISHED_ID, lead=LEAD)


def _verdicts(*, attended: bool | None) -> Exists:
    return Exists(_of_finished().filter(attended=attended))


def _latest_verdict_id() -> Subquery:
    decided = Verdict.objects.filter(lead=LEAD).exclude(attended=None)
    return Subquery(decided.order_by("-webinar__starts_at", "-pk").values("pk")[:1])


def _briefs(people: list[Candidate], finished: Webinar | None) -> dict[int, CallBrief]:
    """Return the briefs of the people on the page who have a decided verdict on the webinar that has just finished."""
    if finished is None:
        return {}
    decided = decided_verdicts().filter(webinar=finished, lead__in=[person.pk for person in people])
    return briefs_of(list(decided))


def last_finished(schedule: Schedule) -> Webinar | None:
    """Return the webinar that finished last within the last 24 hours."""
    return next(iter(schedule.just_finished), None)


def decided_verdicts() -> QuerySet[Verdict]:
    """Return the verdicts that partners may see: the decided ones."""
    return Verdict.objects.exclude(attended=None).select_related("webinar", "decided_by")


def _partner_webinar(
    counts: dict[str, int], webinar: Webinar | None, finished: Webinar | None
) -> PartnerWebinar | None:
    if not counts[""] or not (webinar or finished):
        return None
    return PartnerWebinar(
        invited=counts[""],
        webinar=webinar,
        turnout={"seated": counts["seat"], "entered": counts.get("entered", 0)} if webinar else {},
        finished=finished,
        result={
            "counted": counts["attended"],
            "missed": counts["absent"],
            "held": counts[HELD],
            "done": is_classified(finished),
        }
        if finished
        else {},
    )
