"""Webinars of a WordPress export: by Core's transitions, at their own times, and without any consequence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from efir.accounts.capabilities import Role
from efir.attendance import classifier
from efir.audit.models import AuditEntry
from efir.hooks.models import JournalEntry
from efir.importing.models import ImportedRecord
from efir.ops.verify import verify
from efir.server.archiving import archive_settled
from efir.telegram.models import OutboxMessage
from efir.webinars.models import LedgerEntry, Webinar
from tests.support.wordpress import PLAYER, post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _now(clock):
    """It is 19:00 in Moscow on 23 November 2026."""


def steps(webinar):
    return [
        (entry.from_status, entry.to_status, entry.source, entry.at)
        for entry in LedgerEntry.objects.filter(webinar=webinar).order_by("pk")
    ]


def test_past_webinar_is_archived_at_its_own_times(run_import, clock):
    content = "<!-- wp:paragraph --><p>О&nbsp;деле &amp; людях.</p><p>Вопросы — <a href='https://example.org/q'>сюда</a></p>"
    done = run_import([post(7, "Как &amp; зачем", content=content, stream_src=PLAYER)])
    webinar = Webinar.objects.get()
    assert (done.code, done.counts["webinars"]) == (0, {"imported": 1})
    assert (webinar.title, webinar.status) == ("Как & зачем", "archived")
    assert webinar.description == "О деле & людях.\n\nВопросы — сюда (https://example.org/q)"
    assert webinar.player_url.startswith("https://www.youtube")
    assert steps(webinar) == [
        ("draft", "scheduled", "cli", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("scheduled", "live", "cli", datetime(2026, 2, 1, 16, tzinfo=UTC)),
        ("live", "finished", "cli", datetime(2026, 2, 1, 17, tzinfo=UTC)),
        ("finished", "archived", "cli", clock.moment),
    ]
    assert (webinar.started_at, webinar.finished_at) == (steps(webinar)[1][3], steps(webinar)[2][3])
    assert {entry.at for entry in AuditEntry.objects.filter(webinar_id=webinar.pk)} == {clock.moment}


def test_webinar_ahead_stays_scheduled(run_import):
    run_import([post(8, start="25.12.2026 19:30", state="scheduled", stream_src=PLAYER, cta_text="Приду")])
    webinar = Webinar.objects.get()
    assert (webinar.status, webinar.video, webinar.cta_text) == ("scheduled", "embed", "Приду")
    assert webinar.starts_at == datetime(2026, 12, 25, 16, 30, tzinfo=UTC)
    assert webinar.started_at is None


def test_draft_stays_a_draft(run_import):
    done = run_import(
        [post(9, status="draft", start="", date="0000-00-00 00:00:00", state="scheduled", stream_src=PLAYER)]
    )
    assert (done.code, Webinar.objects.get().status) == (0, "draft")


def test_private_post_does_not_become_public(run_import):
    run_import(
        [post(1, status="private"), post(2, status="private", state="scheduled", start="2026-12-01 19:00")]
    )
    assert set(Webinar.objects.values_list("status", flat=True)) == {"draft"}


def test_nothing_comes_out_of_an_import(run_import, make_person, clock):
    make_person(Role.CANDIDATE)
    run_import(
        [
            post(1),
            post(2, start="2026-11-23 17:30"),
            post(3, state="scheduled", start="2026-12-01 19:00", stream_src=PLAYER),
        ]
    )
    clock.move(40 * 24 * 3600)
    assert classifier.classify_due() is False
    assert archive_settled() == 0
    assert (JournalEntry.objects.count(), OutboxMessage.objects.count()) == (0, 0)
    assert list(verify(with_media=False))[-1].startswith("OK")


def test_pages_show_an_imported_webinar(run_import, as_role):
    run_import(
        [post(1, "Первый эфир", video="https://x.org/1")],
        mapping={"meta": {"recording": "_core_webinar_video"}},
    )
    webinar = Webinar.objects.get()
    page = as_role(Role.SPEAKER).get(f"/admin_webinar/{webinar.pk}/", HTTP_ACCEPT="text/html")
    assert (page.status_code, "Первый эфир" in page.content.decode()) == (200, True)
    assert as_role(Role.CANDIDATE).get(f"/account/webinar_room/{webinar.pk}/").status_code == 200
    assert as_role(Role.CANDIDATE).get("/webinars/").status_code == 200


def test_verify_finds_a_message_of_an_imported_webinar(run_import, make_person, clock):
    run_import([post(1)])
    person, webinar = make_person(), Webinar.objects.get()
    OutboxMessage.objects.create(
        webinar=webinar,
        lead=person,
        person=person,
        kind="candidate_followup",
        state="queued",
        priority=1,
        created_at=clock.moment,
        cause_at=clock.moment,
        due_at=clock.moment,
    )
    found = [issue for issue in verify(with_media=False) if getattr(issue, "part", "") == "import"]
    assert [issue.ids for issue in found] == [{"webinar": webinar.pk}]


def test_recording_comes_over_where_it_is_mapped(run_import):
    mapping = {
        "meta": {
            "recording": "_core_webinar_video",
            "speaker": "_core_webinar_host",
            "length_min": "_core_webinar_min",
        }
    }
    url = "https://video.example.org/1"
    run_import([post(1, video=url, host="Анна", min="90"), post(2, video="javascript:1")], mapping=mapping)
    first, second = Webinar.objects.order_by("pk")
    assert (first.recording_url, first.speaker_name, first.length_min) == (url, "Анна", 90)
    assert (second.recording_url, second.status) == ("", "archived")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"start": "завтра в семь"}, "start_unreadable"),
        ({"start": ""}, "start_missing"),
        ({"start": "11/25/2026 7pm"}, "start_unreadable"),
        ({"start": "1999-01-01 10:00"}, "start_unreadable"),
        ({"start": "2026-02-01"}, "start_unreadable"),
        ({"start": "1 февраля 2026"}, "start_unreadable"),
        ({"start": "30 февраля 2026 в 19:00"}, "start_unreadable"),
        ({"start": "1 февраля в 19:00"}, "start_unreadable"),
        ({"start": "2026-02-01 19:00 МСК МСК"}, "start_unreadable"),
        ({"title": " "}, "title_length"),
        ({"title": "ы" * 201}, "title_length"),
        ({"content": "ы" * 20_001}, "text_length"),
        ({"content": "ы" * 200_001}, "text_length"),
        ({"state": "planned"}, "status_unknown"),
        ({"state": "live", "start": "2026-11-23 18:45"}, "on_air"),
        ({"state": "ended", "start": "2026-12-23 18:45"}, "ended_ahead"),
    ],
)
def test_webinar_that_cannot_be_read_is_left_out(run_import, given, reason):
    title = given.pop("title", "Эфир")
    done = run_import([post(1, title, **given), post(2)])
    assert (done.code, done.reasons) == (1, [("refused", reason)])
    assert done.findings[0]["line"] == 10
    assert ImportedRecord.objects.get().foreign_id == "2"


def test_deleted_post_is_left_out_without_an_error(run_import):
    done = run_import([post(1, status="trash"), post(2)])
    assert (done.code, done.reasons) == (0, [("note", "deleted")])
    assert ImportedRecord.objects.get().foreign_id == "2"


def test_time_that_the_zone_leaves_out_is_refused(run_import):
    done = run_import([post(1, start="2026-03-29 02:30")], mapping={"time_zone": "Europe/Berlin"})
    assert done.reasons == [("refused", "start_unreadable")]


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("1 февраля 2026 г. в 19:05", ""),
        ("1 Февраля 2026, 19:05", ""),
        ("01 февраля 2026 года 16:05", "UTC"),
        ("1.02.2026 19:05 МСК", "Asia/Omsk"),
        ("2026-02-01T16:05:00Z", "Asia/Omsk"),
        ("2026-02-01T22:05:00+06:00", ""),
    ],
)
def test_time_in_words_or_with_a_zone_is_read(run_import, text, zone):
    assert run_import([post(1, start=text)], mapping={"time_zone": zone}).findings == []
    assert Webinar.objects.get().starts_at == datetime(2026, 2, 1, 16, 5, tzinfo=UTC)


def test_own_form_of_time_is_read(run_import):
    run_import([post(1, start="02/01/2026 7:05 PM")], mapping={"date_formats": ["%m/%d/%Y %I:%M %p"]})
    assert Webinar.objects.get().starts_at == datetime(2026, 2, 1, 16, 5, tzinfo=UTC)


def test_unsupported_values_are_noted(run_import):
    done = run_import(
        [
            post(1, state="live", poster_url="https://x.org/p.png", cta_link="https://x.org"),
            post(2, state="scheduled", start="2026-12-01 19:00", chat_src="https://x.org/chat"),
            post(3, state="scheduled", start="2026-12-01 19:00", stream_src="https://x.org/player"),
        ]
    )
    assert done.code == 0
    assert [reason for _, reason in done.reasons] == [
        *("not_ended", "poster_left", "cta_link_left"),
        *("player_missing", "chat_unusable", "player_unusable"),
    ]
    assert [webinar.status for webinar in Webinar.objects.order_by("pk")] == [
        "archived",
        "scheduled",
        "scheduled",
    ]


def test_second_import_adds_only_what_is_new(run_import):
    run_import([post(1)])
    done = run_import([post(1, "Новое имя"), post(2), post(2)])
    assert done.counts["webinars"] == {"known": 1, "imported": 1, "refused": 1}
    assert list(Webinar.objects.order_by("pk").values_list("title", flat=True)) == ["Эфир", "Эфир"]


def test_dry_run_writes_nothing_and_tells_the_same(run_import):
    posts = [post(1), post(2, start="?")]
    dry = run_import(posts, dry_run=True)
    assert Webinar.objects.count() == 0
    done = run_import(posts)
    assert (dry.code, dry.findings) == (done.code, done.findings)
    assert dry.counts == done.counts | {"dry_run": True}


def test_another_site_is_refused_until_it_is_named(run_import):
    run_import([post(1)], site="https://www.Old.example.org/blog/")
    assert run_import([post(2)], site="http://old.example.org/blog").counts["webinars"] == {"imported": 1}
    done = run_import([post(3)], site="https://new.example.org")
    assert (done.code, done.error) == (1, "another_source")
    done = run_import([post(1)], site="https://new.example.org", mapping={"source": "old.example.org/blog"})
    assert done.counts["webinars"] == {"known": 1}
