"""Every page in every state: where it is, who looks, and what they did. Tests and pictures go through this list.

A state's `path` may name words of its world (`tools.screenshots.fixtures`); `who` is a log-in there, nobody if empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tools.screenshots import actions
from tools.screenshots.actions import Act

# A Monday at 18:20 in Moscow. The clock stands, so that a page is the same each time.
NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class State:
    """One page in one state. `ready`: what is seen as soon as it is there; `status`: of the last whole page.

    `fails`: part of an address whose requests fail in this state; `exempt`: rules of axe that it is not held to.
    """

    name: str
    path: str
    who: str = ""
    world: str = "evening"
    status: int = 200
    act: Act | None = None
    ready: str = "main"
    scripts: bool = True
    fails: str = ""
    exempt: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """Whose page it is: what tests are divided by."""
        if self.name.startswith("room"):
            return "room"
        return "speaker" if self.who in ("speaker", "admin") else "people"


ROOM, WEBINAR = "/account/webinar_room/", "/admin_webinar/"


def _schedule() -> list[State]:
    page = "/webinars/"
    return [
        State(name="schedule-empty-guest", path=page, world="empty"),
        State(name="schedule-empty-candidate", path=page, world="empty", who="kate"),
        State(name="schedule-empty-speaker", path=page, world="empty", who="speaker"),
        State(name="schedule-one-guest", path=page, world="quiet"),
        State(name="schedule-one-seat", path=page, world="quiet", who="kate"),
        State(name="schedule-one-no-seat", path=page, world="quiet", who="kolya"),
        State(name="schedule-evening-guest", path=page),
        State(name="schedule-evening-candidate", path=page, who="kate"),
        State(name="schedule-evening-partner", path=page, who="partner"),
        State(name="schedule-invited", path=page + "?ref={ref}", world="quiet"),
        State(name="schedule-no-script", path=page, scripts=False),
    ]


def _entrance() -> list[State]:
    return [
        State(name="signup", path="/signup/"),
        State(name="signup-wrong", path="/signup/", act=actions.sign_up_wrong),
        State(name="signup-invited", path="/signup/?ref={ref}"),
        State(name="signup-dead-invitation", path="/signup/?ref=nosuchcode"),
        State(name="signup-for-webinar", path="/signup/?webinar={soon}&ref={ref}"),
        State(name="consent", path="/consent/"),
        State(name="login", path="/login/"),
        State(name="login-on-the-way", path="/login/?next=/account/webinar_room/"),
        State(name="login-wrong", path="/login/", act=actions.log_in_wrong),
        State(name="forgotten", path="/login/forgotten/"),
        State(name="forgotten-asked", path="/login/forgotten/", act=actions.ask_for_password),
        State(name="reset", path="{reset}"),
        State(name="reset-dead", path="/account/reset/Nw/nosuch-token/", status=404),
    ]


def _account() -> list[State]:
    page = "/account/"
    return [
        State(name="account-lead-linked", path=page, who="kate"),
        State(name="account-lead-unlinked", path=page, who="kolya"),
        State(name="account-lead-blocked", path=page, who="ksyusha"),
        State(name="account-lead-alone", path=page, who="alone"),
        State(name="account-partner", path=page, who="partner"),
        State(name="account-partner-new", path=page, who="newpartner"),
        State(name="account-leader", path=page, who="leader"),
        State(name="account-speaker", path=page, who="speaker"),
        State(name="account-admin", path=page, who="admin"),
        State(name="account-no-webinar", path=page, who="kate", world="empty"),
        State(name="account-contacts-wrong", path=page, who="kolya", act=actions.contacts_wrong),
        State(name="telegram-qr", path=page, who="kolya", act=actions.show_qr),
        State(name="contacts", path="/account/contacts/", who="kate"),
        State(name="contacts-none", path="/account/contacts/", who="alone"),
        State(name="candidate", path="/account/candidates/{person_kate}/", who="partner"),
        State(name="candidate-new", path="/account/candidates/{person_newpartner}/", who="leader"),
        State(name="candidate-unlinked", path="/account/candidates/{person_kolya}/", who="partner"),
        State(name="candidate-blocked", path="/account/candidates/{person_ksyusha}/", who="partner"),
        State(name="candidate-missed", path="/account/candidates/{person_klara}/", who="partner"),
        State(name="data", path="/account/data/", who="kate"),
        State(name="data-wrong", path="/account/data/", who="kate", act=actions.data_wrong, status=400),
        State(name="data-no-consent", path="/account/data/", who="kolya"),
        State(name="data-last-admin", path="/account/data/", who="admin"),
        State(name="consent-asked", path="/account/consent/", who="kolya"),
        State(name="audit", path="/account/audit/", who="admin"),
        State(name="audit-none", path="/account/audit/?person=nobody", who="admin"),
        State(name="password", path="/account/password/", who="kate"),
        State(name="password-wrong", path="/account/password/", who="kate", act=actions.password_wrong),
        State(name="people", path="/account/people/", who="admin"),
        State(name="people-sought", path="/account/people/?q=nobody", who="admin"),
    ]


def _room() -> list[State]:
    return [
        State(name="room-none", path=ROOM, who="kate", world="empty"),
        State(name="room-draft", path=ROOM + "{draft}/", who="speaker"),
        State(name="room-waiting", path=ROOM + "{soon}/", who="kate"),
        State(name="room-waiting-people", path=ROOM + "{soon}/", who="kate", act=actions.open_people),
        State(name="room-due", path=ROOM + "{due}/", who="kate"),
        State(name="room-delayed", path=ROOM + "{delayed}/", who="kate"),
        State(name="room-withdrawn", path=ROOM + "{withdrawn}/", who="kate"),
        State(name="room-live", path=ROOM + "{live}/", who="kate", ready="#enter-button:enabled"),
        State(
            name="room-entered",
            path=ROOM + "{live}/",
            who="kate",
            ready="#player iframe",
            act=actions.enter_air,
        ),
        State(name="room-second-tab", path=ROOM + "{live}/", who="kate", act=actions.enter_in_another_tab),
        State(name="room-started", path=ROOM + "{soon}/", who="kate", act=actions.see_it_start),
        State(name="room-partner", path=ROOM + "{live}/", who="partner", ready="#enter-button:enabled"),
        State(name="room-cta", path=ROOM + "{cta}/", who="kate", ready="#cta a"),
        State(
            name="room-cta-chat",
            path=ROOM + "{cta}/",
            who="kate",
            ready="#player iframe",
            act=actions.enter_air,
        ),
        State(name="room-cta-alone", path=ROOM + "{cta}/", who="alone", ready="#cta a"),
        State(
            name="room-hls", path=ROOM + "{hls}/", who="kate", ready="#player video", act=actions.watch_hls
        ),
        State(
            name="room-hls-late",
            path=ROOM + "{hls}/",
            who="kate",
            ready="#player video",
            act=actions.watch_before_it_comes,
            fails=actions.HLS_HOST,
        ),
        State(name="room-paused", path=ROOM + "{paused}/", who="kate"),
        State(name="room-finished-entered", path=ROOM + "{finished}/", who="kate"),
        State(name="room-finished-missed", path=ROOM + "{finished}/", who="klara"),
        State(name="room-finished-alone", path=ROOM + "{finished}/", who="alone"),
        State(name="room-finished-partner", path=ROOM + "{finished}/", who="partner"),
        State(name="room-archived", path=ROOM + "{archived}/", who="kate"),
        State(
            name="room-lost", path=ROOM + "{live}/", who="kate", act=actions.lose_connection, fails="/stream"
        ),
        # Without JavaScript a page that loads itself anew is the only way to learn of the start.
        State(
            name="room-no-script",
            path=ROOM + "{live}/",
            who="kate",
            scripts=False,
            exempt=("meta-refresh",),
        ),
        State(
            name="room-no-script-waiting",
            path=ROOM + "{soon}/",
            who="kate",
            scripts=False,
            exempt=("meta-refresh",),
        ),
    ]


def _speaker() -> list[State]:
    statuses = ("draft", "soon", "due", "delayed", "withdrawn", "live", "cta", "paused")
    over = ("fresh", "finished", "whole", "mixed", "archived")
    return [
        State(name="speaker-list-empty", path=WEBINAR, who="speaker", world="empty"),
        State(name="speaker-list", path=WEBINAR, who="speaker"),
        State(name="speaker-new", path=WEBINAR + "new/", who="speaker"),
        State(
            name="speaker-new-wrong", path=WEBINAR + "new/", who="speaker", act=actions.new_wrong, status=400
        ),
        State(
            name="speaker-new-poster-wrong",
            path=WEBINAR + "new/",
            who="speaker",
            act=actions.poster_wrong,
            status=400,
        ),
        State(
            name="speaker-copied", path=WEBINAR + "{next}/", who="speaker", world="quiet", act=actions.copy
        ),
        State(name="speaker-gear", path=WEBINAR + "new/", who="admin", act=actions.open_gear),
        *(State(name=f"speaker-{name}", path=f"{WEBINAR}{{{name}}}/", who="speaker") for name in statuses),
        State(name="speaker-stop-asked", path=WEBINAR + "{live}/", who="speaker", act=actions.ask_to_stop),
        *(State(name=f"speaker-{name}", path=f"{WEBINAR}{{{name}}}/", who="speaker") for name in over),
        State(name="admin-mixed", path=WEBINAR + "{mixed}/", who="admin"),
        State(name="admin-decide-asked", path=WEBINAR + "{mixed}/", who="admin", act=actions.ask_to_decide),
    ]


def _errors() -> list[State]:
    return [
        State(name="error-403", path=WEBINAR, who="kate", status=403),
        State(name="error-csrf", path="/login/", act=actions.log_in_without_cookies, status=403),
        State(name="error-404", path="/nowhere/", status=404),
        State(name="error-404-candidate", path="/nowhere/", who="kate", status=404),
        State(name="error-405", path="/account/telegram/link", who="kate", status=405),
        State(name="error-429", path="/login/forgotten/", act=actions.ask_too_often, status=429),
        State(name="error-500", path="/broken/", status=500),
        State(name="error-503", path="/unavailable/", status=503),
        State(name="offline", path="/offline/"),
    ]


def _demo() -> list[State]:
    return [
        State(name="demo-telegram", path="/demo/telegram/"),
        State(name="demo-components", path="/demo/components/"),
        State(name="demo-recording", path="/demo/recording/"),
    ]


CATALOGUE = (
    *_schedule(),
    *_entrance(),
    *_account(),
    *_room(),
    *_speaker(),
    *_errors(),
    *_demo(),
)
