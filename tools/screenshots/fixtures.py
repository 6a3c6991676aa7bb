"""Fill an empty database so that pages are in the states of the catalogue, through Core, the classifier and the outbox.

Each fixture returns the values for the placeholders in the catalogue's paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from uuid import uuid4

from django.conf import settings
from PIL import Image, ImageDraw

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.password_reset import one_time_link
from efir.attendance import classifier
from efir.broadcast import recordings
from efir.broadcast.models import (
    BroadcastSession,
    Container,
    LowSegment,
    Recording,
    RecordingState,
    Segment,
    SessionSource,
    SessionState,
)
from efir.demo.posters import draw_poster
from efir.hooks.actions import Context, Source
from efir.room.cta import record_press
from efir.site_settings import current
from efir.site_settings import files as logo_files
from efir.talk.models import Kind, Message
from efir.talk.moderation import moderate
from efir.talk.writing import write_message
from efir.telegram.bot import lease
from efir.telegram.outbox import enqueue
from efir.webinars import core
from efir.webinars.lifecycle import Video
from efir.webinars.models import Poster, Talk, Webinar
from efir.webinars.posters.render import render_image, render_upload
from efir.webinars.posters.store import store
from tools.screenshots.actions import HLS_HOST
from tools.screenshots.cast import PEOPLE, create_guarded_person, create_people, log_in_elsewhere
from tools.screenshots.deliveries import send_all, send_in_every_state
from tools.screenshots.held_webinars import (
    DAY,
    HOUR,
    MINUTE,
    SYSTEM,
    at_time,
    hold_webinar,
    schedule,
    start_webinar,
)
from tools.screenshots.state import NOW
from tools.screenshots.video import store_file, store_segments

SECONDS = 3  # of video
SECOND = timedelta(seconds=1)

QUESTIONS = (
    ("kate", "Сколько времени это занимает в неделю?", Kind.QUESTION),
    ("kolya", "Можно ли начать без опыта?", Kind.QUESTION),
    ("kirill", "А если я живу в маленьком городе, что-нибудь меняется?", Kind.QUESTION),
)
CHAT = (
    ("speaker", "Добрый вечер! Материалы эфира: https://example.org/materials", Kind.MESSAGE),
    ("kate", "Здравствуйте! Всё слышно.", Kind.MESSAGE),
    ("kolya", "Сколько времени это занимает в неделю?", Kind.QUESTION),
    ("partner", "Рад всех видеть, мои приглашённые уже здесь", Kind.MESSAGE),
    (
        "kostya",
        "Добрый вечер из Константинополя, то есть из Краснодара: у нас уже +25 и цветут сады",
        Kind.MESSAGE,
    ),
    ("klara", "Можно ли начать без опыта, если я раньше никогда не вела своё дело?", Kind.QUESTION),
    ("kirill", "שלום לכולם", Kind.MESSAGE),
    ("kate", "Спасибо, стало понятнее", Kind.MESSAGE),
)


def empty() -> dict[str, str]:
    """Create people and no webinar."""
    people = create_people()
    return _path_values(people)


def quiet() -> dict[str, str]:
    """Create people and one scheduled webinar, as a new speaker has it."""
    people = create_people()
    webinar = schedule("Своё дело без вложений", NOW + 40 * MINUTE, poster=_create_poster(0))
    core.book_seat(webinar.pk, people["kate"])
    return _path_values(people) | {"next": str(webinar.pk)}


def broadcast() -> dict[str, str]:
    """Create people, a scheduled webinar with its own broadcast, and two that are live, one with a lower rung."""
    people = create_people()
    own = {"video": Video.OWN, "player_url": ""}
    ahead = schedule("Своё дело без вложений", NOW + 10 * MINUTE, poster=_create_poster(0), **own)
    live = start_webinar(
        schedule("Зачем нам живые эфиры", NOW - 12 * MINUTE, poster=_create_poster(2), **own)
    )
    core.book_seat(live.pk, people["kate"])
    low = start_webinar(schedule("Первые сто клиентов", NOW - 5 * MINUTE, poster=_create_poster(3), **own))
    with at_time(NOW):
        init, names = _send_picture(low, NOW - SECONDS * SECOND, on_air=True)
        for segment, file in zip(low.segments.order_by("number"), names, strict=True):
            # Never read: the test's own server sends the picture.
            LowSegment.objects.create(
                webinar=low,
                segment=segment,
                name=f"low-{file}",
                init=init,
                size=1,
                live_number=segment.number,
                live_break=0,
            )
    return _path_values(people) | {"ahead": str(ahead.pk), "live": str(live.pk), "low": str(low.pk)}


def _send_picture(
    webinar: Webinar, starts_at: datetime, *, on_air: bool = False, **session_fields: object
) -> tuple[str, list[str]]:
    """Store some seconds of an own broadcast; return the names of the init segment and of the others."""
    session = BroadcastSession.objects.create(webinar=webinar, source=SessionSource.BROWSER, **session_fields)
    container = Container.objects.create(session=session, first_n=0, kind="mp4", resume_n=0)
    init, names = store_segments(webinar.pk, SECONDS)
    for number, file in enumerate(names):
        Segment.objects.create(
            webinar=webinar,
            session=session,
            container=container,
            number=number,
            name=file,
            init=init,
            size=1,
            starts_at=starts_at + number * SECOND,
            duration_s=1,
            media_start=number,
            frames=30,
            **({"live_number": number, "live_break": 0} if on_air else {}),
        )
    return init, names


def recorded() -> dict[str, str]:
    """Create people, and finished webinars whose recording is being prepared, ready and published."""
    people = create_people()
    over = {}
    for number, name in enumerate(("preparing", "ready", "shared")):
        titles = {
            "preparing": "Своё дело без вложений",
            "ready": "Зачем нам живые эфиры",
            "shared": "Первые сто клиентов",
        }
        starts_at = NOW - 65 * MINUTE - number * DAY
        own = {"video": Video.OWN, "player_url": "", "poster": _create_poster(number)}
        webinar = start_webinar(schedule(titles[name], starts_at, **own))
        with at_time(starts_at + HOUR):
            over[name] = core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
        sent = {"state": SessionState.ENDED, "finished": name != "preparing"}
        init, names = _send_picture(webinar, starts_at, **sent)
        if name != "preparing":
            file, size = store_file(webinar.pk, init, names)
            Recording.objects.create(
                webinar=webinar,
                token=f"{name:_<22}",
                state=RecordingState.READY,
                seconds=3540 if name == "ready" else 3600,
                missing_s=60 if name == "ready" else 0,
                ready_at=starts_at + HOUR,
                file=file,
                file_size=size,
            )
    with at_time(NOW - DAY):
        recordings.publish(over["shared"].pk, SYSTEM)
    return _path_values(people) | {name: str(webinar.pk) for name, webinar in over.items()}


def branded() -> dict[str, str]:
    """Create what `quiet` has on a site whose admin has filled in its settings."""
    values = quiet()
    picture = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((10, 10, 90, 90), fill="#d97706")
    ImageDraw.Draw(picture).rounded_rectangle((110, 30, 290, 70), 20, fill="#d97706")
    file = BytesIO()
    picture.save(file, "PNG")
    logo = render_upload(file.getvalue(), kind="logo")
    logo_files.store(logo.digest, logo.files)
    settings_of_the_site = {
        "name": "Клуб «Рассвет»",
        "logo": logo.digest,
        "accent": "#d97706",
        "organisation": "ИП Ветрова Анна Николаевна",
        "organisation_address": "Омск, ул. Ленина, 1",
        "data_contact": "data@example.org",
        "contact_name": "Анна Ветрова",
        "telegram_name": "demo_anna",
        "phone": "+70000000001",
        "offer_text": "Узнать о программе",
        "offer_url": "https://example.org/",
    }
    current.save(settings_of_the_site, SYSTEM)
    return values


def evening() -> dict[str, str]:
    """Create webinars in every status, with verdicts and messages."""
    people = create_people()
    create_guarded_person()
    log_in_elsewhere(people["speaker"])
    ahead = _scheduled_webinars(people)
    over = _finished_webinars(people)
    on_air = _live_webinars(people)
    lease.acquire(uuid4())  # as if a dispatcher ran: the clock is frozen, so the lease does not expire
    return _path_values(people) | {name: str(webinar.pk) for name, webinar in (ahead | over | on_air).items()}


FIXTURES: dict[str, Callable[[], dict[str, str]]] = {
    "empty": empty,
    "quiet": quiet,
    "broadcast": broadcast,
    "recorded": recorded,
    "branded": branded,
    "evening": evening,
}


def _path_values(people: dict[str, Person]) -> dict[str, str]:
    reset = one_time_link(people["kolya"]).removeprefix(settings.EFIR.public_url)
    ids = {f"person_{login}": str(person.pk) for login, person in people.items()}
    return ids | {"ref": people["partner"].ref_code, "reset": reset}


def _create_poster(number: int) -> Poster:
    return store(render_image(draw_poster(number)))


def _scheduled_webinars(people: dict[str, Person]) -> dict[str, Webinar]:
    soon = schedule("Своё дело без вложений", NOW + 10 * MINUTE, poster=_create_poster(0))
    for login in ("kate", "kolya", "ksyusha"):
        core.book_seat(soon.pk, people[login])
    withdrawn = schedule("Как говорить о деньгах", NOW + 2 * DAY)
    return {
        "draft": core.create({"title": "Без названия пока", "speaker_name": "Анна Ветрова"}, SYSTEM),
        "soon": soon,
        "due": schedule("Утро предпринимателя", NOW - MINUTE),
        "delayed": schedule("Ответы на вопросы", NOW - 40 * MINUTE),
        "later": schedule(
            "Первые сто клиентов", NOW + DAY, time_zone="Asia/Yekaterinburg", poster=_create_poster(1)
        ),
        "withdrawn": core.update(withdrawn.pk, {"withdrawn": True}, SYSTEM),
    }


def _live_webinars(people: dict[str, Person]) -> dict[str, Webinar]:
    chat = f"{settings.EFIR.public_url}/demo/player/"
    hls = f"https://{HLS_HOST}/live/stream.m3u8"
    live, cta, paused, by_hls = (
        start_webinar(schedule(title, NOW - 12 * MINUTE, **fields))
        for title, fields in (
            ("Зачем нам живые эфиры", {"poster": _create_poster(2)}),
            ("Первый шаг за один вечер", {"chat_url": chat}),
            ("Разбор ваших историй", {}),
            ("Эфир из студии", {"player_url": hls}),
        )
    )
    core.book_seat(live.pk, people["kate"])
    _talk(live, people, CHAT)
    core.update(paused.pk, {"talk": Talk.QUESTIONS}, SYSTEM)
    _talk(paused, people, QUESTIONS)
    with at_time(NOW - 2 * MINUTE):
        cta = core.core_webinar_set_cta_visibility(cta.pk, True, SYSTEM)
        paused = core.pause(paused.pk, SYSTEM)
    return {"live": live, "cta": cta, "paused": paused, "hls": by_hls}


def _talk(webinar: Webinar, people: dict[str, Person], lines: Sequence[tuple[str, str, Kind]]) -> None:
    """Write these lines: login, text and kind. The first question is answered, the speaker's first words are pinned."""
    context = Context(people["speaker"].pk, Source.WEB)
    for second, (login, text, kind) in enumerate(lines):
        with at_time(NOW - 10 * MINUTE + 20 * second * timedelta(seconds=1)):
            write_message(webinar.pk, people[login], text, kind, uuid4())
    with at_time(NOW - 5 * MINUTE):
        messages = Message.objects.filter(webinar=webinar)
        if question := messages.filter(kind=Kind.QUESTION).first():
            moderate(webinar.pk, question.number, "answer", context)
        if pinned := messages.filter(person=people["speaker"]).first():
            moderate(webinar.pk, pinned.number, "pin", context)


def _finished_webinars(people: dict[str, Person]) -> dict[str, Webinar]:
    candidates = [login for login, (_, role, *_rest) in PEOPLE.items() if role is Role.CANDIDATE]
    archived = hold_webinar("Что было осенью", NOW - 45 * DAY, people, {"kate": (0, 60)}, seats=["kate"])
    send_all()
    with at_time(NOW - DAY):
        archived = core.archive(archived.pk, SYSTEM)
    finished = hold_webinar(
        "Знакомство с делом",
        NOW - DAY,
        people,
        {"kate": (-5, 60), "kirill": (2, 25), "partner": (0, 60)},
        seats=["kate", "kirill", "klara"],
    )
    with at_time(NOW - DAY + 70 * MINUTE):
        core.publish_recording(finished.pk, f"{settings.EFIR.public_url}/demo/recording/", SYSTEM)
    send_all()
    mixed = hold_webinar(
        "Вечер вопросов",
        NOW - 8 * DAY,
        people,
        {
            "kate": (-5, 60),
            "kirill": (2, 25),
            "klara": (0, 60),
            "kostya": (10, 60),
            "kolya": (3, 20),
            "alone": (0, 30),
        },
        seats=candidates,
        watched={"klara": (48, 60), "kostya": None},
        died={"kolya": 20, "alone": 30},
    )
    send_in_every_state(mixed)
    with at_time(NOW - DAY):
        classifier.resolve_verdict(
            mixed.pk, people["kolya"].pk, False, Context(people["admin"].pk, Source.WEB)
        )
    enqueue.expire()
    whole = _eventful_webinar(people)
    send_all()
    fresh = hold_webinar(
        "Час с командой", NOW - 60.4 * MINUTE, people, {"kate": (0, 60)}, seats=["kate"], judged=False
    )
    return {"archived": archived, "mixed": mixed, "finished": finished, "fresh": fresh, "whole": whole}


def _eventful_webinar(people: dict[str, Person]) -> Webinar:
    """Hold a webinar with a pause, the call-to-action shown twice, and people who leave at each step."""
    start = NOW - 3 * DAY
    seen = {"kate": (-5, 60), "klara": (0, 60), "kirill": (2, 25), "kolya": (0, 45), "alone": (12, 60)}
    steps = {
        20: lambda pk: core.pause(pk, SYSTEM),
        26: lambda pk: core.resume(pk, SYSTEM),
        30: lambda pk: core.core_webinar_set_cta_visibility(pk, True, SYSTEM),
        33: lambda pk: record_press(Webinar.objects.get(pk=pk), people["kate"]),
        38: lambda pk: core.core_webinar_set_cta_visibility(pk, False, SYSTEM),
        50: lambda pk: core.core_webinar_set_cta_visibility(pk, True, SYSTEM),
        52: lambda pk: record_press(Webinar.objects.get(pk=pk), people["klara"]),
    }
    seats = ["kate", "klara", "kirill", "kolya", "ksyusha", "kostya"]
    return hold_webinar("От вопроса до решения", start, people, seen, seats=seats, steps=steps)
