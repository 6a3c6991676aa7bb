"""Every page in every state: its path, its visitor and what they did. Tests and screenshots use this list."""

from __future__ import annotations

from tools.screenshots import actions
from tools.screenshots.state import LATE, State

ROOM, WEBINAR, SECURITY = "/account/webinar_room/", "/admin_webinar/", "/account/security/"


def _schedule() -> list[State]:
    page = "/webinars/"
    return [
        State(name="schedule-empty-guest", path=page, fixture="empty"),
        State(name="schedule-empty-candidate", path=page, fixture="empty", login="kate"),
        State(name="schedule-empty-speaker", path=page, fixture="empty", login="speaker"),
        State(name="schedule-one-guest", path=page, fixture="quiet"),
        State(name="schedule-one-seat", path=page, fixture="quiet", login="kate"),
        State(name="schedule-one-no-seat", path=page, fixture="quiet", login="kolya"),
        State(name="schedule-evening-guest", path=page),
        State(name="schedule-evening-candidate", path=page, login="kate"),
        State(name="schedule-evening-partner", path=page, login="partner"),
        State(name="schedule-invited", path=page + "?ref={ref}", fixture="quiet"),
        State(name="schedule-no-script", path=page, javascript=False),
    ]


def _entrance() -> list[State]:
    return [
        State(name="signup", path="/signup/"),
        State(name="signup-wrong", path="/signup/", action=actions.sign_up_wrong),
        State(name="signup-invited", path="/signup/?ref={ref}"),
        State(name="signup-dead-invitation", path="/signup/?ref=nosuchcode"),
        State(name="signup-for-webinar", path="/signup/?webinar={soon}&ref={ref}"),
        State(name="consent", path="/consent/"),
        State(name="login", path="/login/"),
        State(name="login-on-the-way", path="/login/?next=/account/webinar_room/"),
        State(name="login-wrong", path="/login/", action=actions.log_in_wrong),
        State(name="login-code", path="/login/", action=actions.type_guarded_password),
        State(name="login-code-wrong", path="/login/", action=actions.type_code_wrong),
        State(name="login-recovery", path="/login/", action=actions.ask_for_recovery_code),
        State(name="forgotten", path="/login/forgotten/"),
        State(name="forgotten-asked", path="/login/forgotten/", action=actions.ask_for_password),
        State(name="reset", path="{reset}"),
        State(name="reset-dead", path="/account/reset/Nw/nosuch-token/", status=404),
    ]


def _account() -> list[State]:
    page = "/account/"
    return [
        State(name="account-lead-linked", path=page, login="kate"),
        State(name="account-lead-unlinked", path=page, login="kolya"),
        State(name="account-lead-blocked", path=page, login="ksyusha"),
        State(name="account-lead-alone", path=page, login="alone"),
        State(name="account-partner", path=page, login="partner"),
        State(name="account-partner-new", path=page, login="newpartner"),
        State(name="account-leader", path=page, login="leader"),
        State(name="account-speaker", path=page, login="speaker"),
        State(name="account-admin", path=page, login="admin"),
        State(name="account-no-webinar", path=page, login="kate", fixture="empty"),
        State(name="account-contacts-wrong", path=page, login="kolya", action=actions.change_contacts_wrong),
        State(name="telegram-qr", path=page, login="kolya", action=actions.show_qr),
        State(name="password-again", path=page, login=LATE, action=actions.show_qr, status=403),
        State(
            name="password-again-wrong", path=page, login=LATE, action=actions.type_password_wrong, status=403
        ),
        State(name="account-chat-moved", path=page, login="klara"),
        State(name="contacts", path="/account/contacts/", login="kate"),
        State(name="contacts-none", path="/account/contacts/", login="alone"),
        State(name="candidate", path="/account/candidates/{person_kate}/", login="partner"),
        State(name="candidate-new", path="/account/candidates/{person_newpartner}/", login="leader"),
        State(name="candidate-unlinked", path="/account/candidates/{person_kolya}/", login="partner"),
        State(name="candidate-blocked", path="/account/candidates/{person_ksyusha}/", login="partner"),
        State(name="candidate-missed", path="/account/candidates/{person_klara}/", login="partner"),
        State(name="data", path="/account/data/", login="kate"),
        State(
            name="data-wrong",
            path="/account/data/",
            login="kate",
            action=actions.export_data_wrong,
            status=400,
        ),
        State(name="data-no-consent", path="/account/data/", login="kolya"),
        State(name="data-last-admin", path="/account/data/", login="admin"),
        State(name="consent-asked", path="/account/consent/", login="kolya"),
        State(name="site-first", path="/account/site/", login="admin", fixture="empty"),
        State(name="site", path="/account/site/", login="admin", fixture="branded"),
        State(name="branded-schedule", path="/webinars/", fixture="branded"),
        State(name="branded-consent", path="/consent/", fixture="branded"),
        State(name="branded-offline", path="/offline/", fixture="branded"),
        State(name="branded-contacts", path="/account/contacts/", login="alone", fixture="branded"),
        State(name="own-webinars", path="/account/webinars/", login="kate"),
        State(name="own-webinars-none", path="/account/webinars/", login="newpartner"),
        State(name="own-seat", path="/account/seats/{soon}/", login="kate"),
        State(
            name="own-seat-reminded",
            path="/account/seats/{soon}/",
            login="kate",
            action=actions.ask_to_remind,
        ),
        State(name="audit", path="/account/audit/", login="admin"),
        State(name="audit-filtered", path="/account/audit/?person=speaker&since=2020-01-01", login="admin"),
        State(name="audit-none", path="/account/audit/?person=nobody", login="admin"),
        State(name="password", path="/account/password/", login="kate"),
        State(
            name="password-wrong",
            path="/account/password/",
            login="kate",
            action=actions.change_password_wrong,
        ),
        State(name="security", path=SECURITY, login="kate"),
        State(name="security-off", path=SECURITY, login="speaker"),
        State(name="security-on", path=SECURITY, login=actions.GUARDED),
        State(name="second-factor", path=SECURITY, login="speaker", action=actions.begin_second_factor),
        State(
            name="second-factor-off",
            path=SECURITY,
            login=actions.GUARDED,
            action=actions.ask_to_switch_off,
            status=403,
        ),
        State(
            name="recovery-codes", path=SECURITY, login=actions.GUARDED, action=actions.show_recovery_codes
        ),
        State(name="people", path="/account/people/", login="admin"),
        State(
            name="people-second-factor",
            path="/account/people/",
            login="admin",
            action=actions.ask_to_reset_second_factor,
            status=403,
        ),
        State(name="people-role", path="/account/people/", login="admin", action=actions.choose_role),
        State(name="people-search", path="/account/people/?q=nobody", login="admin"),
    ]


def _room() -> list[State]:
    return [
        State(name="room-none", path=ROOM, login="kate", fixture="empty"),
        State(name="room-draft", path=ROOM + "{draft}/", login="speaker"),
        State(name="room-waiting", path=ROOM + "{soon}/", login="kate"),
        State(name="room-waiting-people", path=ROOM + "{soon}/", login="kate", action=actions.open_people),
        State(name="room-due", path=ROOM + "{due}/", login="kate"),
        State(name="room-delayed", path=ROOM + "{delayed}/", login="kate"),
        State(name="room-withdrawn", path=ROOM + "{withdrawn}/", login="kate"),
        State(name="room-live", path=ROOM + "{live}/", login="kate", ready="#enter-button:enabled"),
        State(
            name="room-entered",
            path=ROOM + "{live}/",
            login="kate",
            ready="#player iframe",
            action=actions.enter_broadcast,
        ),
        State(
            name="room-second-tab", path=ROOM + "{live}/", login="kate", action=actions.enter_in_another_tab
        ),
        State(name="room-started", path=ROOM + "{soon}/", login="kate", action=actions.announce_start),
        State(
            name="room-talk-speaker", path=ROOM + "{live}/", login="speaker", action=actions.open_talk_menu
        ),
        State(name="room-partner", path=ROOM + "{live}/", login="partner", ready="#enter-button:enabled"),
        State(name="room-cta", path=ROOM + "{cta}/", login="kate", ready="#cta button"),
        State(
            name="room-cta-chat",
            path=ROOM + "{cta}/",
            login="kate",
            ready="#player iframe",
            action=actions.enter_broadcast,
        ),
        State(name="room-cta-alone", path=ROOM + "{cta}/", login="alone", ready="#cta button"),
        State(
            name="room-hls",
            path=ROOM + "{hls}/",
            login="kate",
            ready="#player video",
            action=actions.watch_hls,
        ),
        State(
            name="room-hls-late",
            path=ROOM + "{hls}/",
            login="kate",
            ready="#player video",
            action=actions.watch_before_stream_exists,
            failing_url=actions.HLS_HOST,
        ),
        State(
            name="room-own",
            path=ROOM + "{live}/",
            login="kate",
            fixture="broadcast",
            ready="#player video",
            action=actions.watch_own,
        ),
        State(
            name="room-own-sound",
            path=ROOM + "{live}/",
            login="kate",
            fixture="broadcast",
            ready="#player.sound-only video",
            action=actions.listen_to_own,
        ),
        State(
            name="room-own-smaller",
            path=ROOM + "{low}/",
            login="kate",
            fixture="broadcast",
            ready="#small-picture[aria-pressed=true]",
            action=actions.watch_own_smaller,
        ),
        State(
            name="room-own-waiting",
            path=ROOM + "{live}/",
            login="kate",
            fixture="broadcast",
            ready="#player-says:not(:empty)",
            action=actions.watch_own_in_vain,
            failing_url="/video/",
        ),
        State(
            name="room-no-picture",
            path=ROOM + "{live}/",
            login="kate",
            ready="#no-picture:not([hidden])",
            action=actions.miss_the_picture,
        ),
        State(name="room-paused", path=ROOM + "{paused}/", login="kate"),
        State(name="room-finished-entered", path=ROOM + "{finished}/", login="kate"),
        State(name="room-finished-missed", path=ROOM + "{finished}/", login="klara"),
        State(name="room-finished-alone", path=ROOM + "{finished}/", login="alone"),
        State(name="room-finished-partner", path=ROOM + "{finished}/", login="partner"),
        State(name="room-archived", path=ROOM + "{archived}/", login="kate"),
        State(
            name="room-lost",
            path=ROOM + "{live}/",
            login="kate",
            action=actions.lose_connection,
            failing_url="/stream",
        ),
        # Without JavaScript, reloading the page is the only way to notice the start.
        State(
            name="room-no-script",
            path=ROOM + "{live}/",
            login="kate",
            javascript=False,
            exempt=("meta-refresh",),
        ),
        State(
            name="room-no-script-waiting",
            path=ROOM + "{soon}/",
            login="kate",
            javascript=False,
            exempt=("meta-refresh",),
        ),
        State(
            name="room-no-script-refused",
            path=ROOM + "{live}/?mine=1",
            login="kate",
            javascript=False,
            action=actions.send_a_link,
            ready="#talk-says",
            status=403,
        ),
    ]


def _speaker() -> list[State]:
    statuses = ("draft", "soon", "due", "delayed", "withdrawn", "live", "cta", "paused")
    over = ("fresh", "finished", "whole", "mixed", "archived")
    return [
        State(name="speaker-list-empty", path=WEBINAR, login="speaker", fixture="empty"),
        State(name="speaker-list", path=WEBINAR, login="speaker"),
        State(name="speaker-new", path=WEBINAR + "new/", login="speaker"),
        State(
            name="speaker-new-wrong",
            path=WEBINAR + "new/",
            login="speaker",
            action=actions.create_webinar_wrong,
            status=400,
        ),
        State(name="draft-delete", path=WEBINAR + "{draft}/", login="speaker", action=actions.ask_to_delete),
        State(name="player-trial-own", path=WEBINAR + "new/", login="speaker", action=actions.try_player),
        State(
            name="player-trial",
            path=WEBINAR + "{live}/",
            login="speaker",
            action=actions.try_player,
            ready="iframe",
        ),
        State(
            name="player-trial-wrong",
            path=WEBINAR + "new/",
            login="speaker",
            action=actions.try_wrong_player,
            status=400,
        ),
        State(
            name="speaker-new-poster-wrong",
            path=WEBINAR + "new/",
            login="speaker",
            action=actions.upload_poster_wrong,
            status=400,
        ),
        State(
            name="speaker-copied",
            path=WEBINAR + "{next}/",
            login="speaker",
            fixture="quiet",
            action=actions.copy_webinar,
        ),
        State(name="speaker-own", path=WEBINAR + "{ahead}/", login="speaker", fixture="broadcast"),
        State(
            name="speaker-obs",
            path=WEBINAR + "{ahead}/",
            login="speaker",
            fixture="broadcast",
            action=actions.show_stream_key,
            ready="#key-field:not([hidden])",
        ),
        *(
            State(
                name=f"speaker-recording-{name}",
                path=f"{WEBINAR}{{{name}}}/",
                login="speaker",
                fixture="recorded",
            )
            for name in ("preparing", "ready", "shared")
        ),
        *(
            State(
                name=f"studio-{name}",
                path=WEBINAR + f"{{{webinar}}}/studio/",
                login="speaker",
                fixture="broadcast",
                ready=ready,
                action=action,
                failing_url="/broadcast",
            )
            for name, webinar, action, ready in (
                ("closed", "ahead", None, "#begin-button:enabled"),
                ("signal", "ahead", actions.open_studio, "#signal[data-state=on]"),
                ("live", "live", actions.open_studio, "#signal[data-state=on]"),
                (
                    "denied",
                    "ahead",
                    actions.open_studio_without_devices,
                    "[data-trouble^=camera]:not([hidden])",
                ),
                ("taken", "ahead", actions.open_taken_studio, "dialog[open]"),
                ("superseded", "live", actions.lose_the_broadcast, "#take-back:not([hidden])"),
            )
        ),
        State(name="speaker-gear", path=WEBINAR + "new/", login="admin", action=actions.open_advanced_fields),
        *(State(name=f"speaker-{name}", path=f"{WEBINAR}{{{name}}}/", login="speaker") for name in statuses),
        State(
            name="speaker-stop-asked", path=WEBINAR + "{live}/", login="speaker", action=actions.ask_to_stop
        ),
        *(State(name=f"speaker-{name}", path=f"{WEBINAR}{{{name}}}/", login="speaker") for name in over),
        State(name="admin-mixed", path=WEBINAR + "{mixed}/", login="admin"),
        State(
            name="admin-decide-asked",
            path=WEBINAR + "{mixed}/",
            login="admin",
            action=actions.ask_to_resolve_verdict,
        ),
    ]


def _recordings() -> list[State]:
    shared, gone = f"/recordings/{'shared':_<22}/", f"/recordings/{'gone':_<22}/"
    return [
        State(name="recording", path=shared, fixture="recorded", ready="#player"),
        State(name="recording-gone", path=gone, fixture="recorded", status=404),
    ]


def _errors() -> list[State]:
    return [
        State(name="error-403", path=WEBINAR, login="kate", status=403),
        State(name="error-csrf", path="/login/", action=actions.log_in_without_cookies, status=403),
        State(name="error-404", path="/nowhere/", status=404),
        State(name="error-404-candidate", path="/nowhere/", login="kate", status=404),
        State(name="error-405", path="/account/telegram/link", login="kate", status=405),
        State(name="error-429", path="/login/forgotten/", action=actions.ask_too_often, status=429),
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
    *_recordings(),
    *_errors(),
    *_demo(),
)
