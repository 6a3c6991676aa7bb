"""Create sample people and webinars with the product's own functions and a moved clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.services import create_person
from efir.attendance import classifier
from efir.config import ConfigError
from efir.demo.posters import draw_poster
from efir.demo.site import fake_botapi, fake_botapi_file
from efir.demo.texts import SampleTexts, sample_texts
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.room.cta import record_press
from efir.room.models import Opening
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.server.models import DemoMark
from efir.site_settings import current
from efir.talk.models import Kind
from efir.talk.writing import write_message
from efir.telegram.models import TelegramChat
from efir.triggers import registry
from efir.webinars import core
from efir.webinars.lifecycle import Video
from efir.webinars.models import Webinar
from efir.webinars.posters.render import render_image
from efir.webinars.posters.store import store
from efir.webinars.selectors import on_air, upcoming

PASSWORD = "efir-demo"  # noqa: S105  # printed at every start
FIRST_CHAT_ID = 1001


# Login: (role, inviter).
PEOPLE: dict[str, tuple[Role, str | None]] = {
    "admin": (Role.ADMIN, None),
    "speaker": (Role.SPEAKER, None),
    "leader": (Role.LEADER, None),
    "partner": (Role.PARTNER, "leader"),
    "partner2": (Role.PARTNER, "leader"),
    "candidate1": (Role.CANDIDATE, "partner"),
    "candidate2": (Role.CANDIDATE, "partner"),
    "candidate3": (Role.CANDIDATE, "partner"),
    "candidate4": (Role.CANDIDATE, "partner2"),
    "candidate5": (Role.CANDIDATE, "partner2"),
    "candidate6": (Role.CANDIDATE, "partner2"),
}
WITHOUT_CHAT = {"candidate3", "candidate6"}
SEATS_YESTERDAY = ("candidate1", "candidate2", "candidate3", "candidate4", "candidate5")
# Login: the minutes of yesterday's sixty between which the person was in the room. The others did not come.
PRESENT_YESTERDAY = {
    "candidate1": (-5, 60),
    "candidate2": (2, 25),
    "candidate4": (0, 60),
    "candidate6": (10, 60),
}
# Login: the minutes between which the person watched.
WATCHED_YESTERDAY = {
    "candidate1": (0, 60),
    "candidate2": (3, 25),
    "candidate4": (48, 60),
}
# Came with the others; their process died in this minute, so their verdict waits for the admin.
LOST_YESTERDAY = {"candidate5": 40}
# Questions that nobody answered, with their minute, and who pressed the call-to-action.
ASKED_YESTERDAY = {"candidate2": 15}
PRESSED_AFTER = timedelta(minutes=35)
PRESSED_YESTERDAY = ("candidate1",)
SEATS_NEXT = ("candidate1", "candidate2", "candidate3", "candidate4", "candidate6")
NEXT_IN = timedelta(minutes=10)
LATER_IN = (timedelta(days=1), timedelta(days=3))
LENGTH = timedelta(minutes=60)
# The contact of people whom nobody invited.
CONTACT = {"telegram_name": "demo_speaker", "phone": "+70000000001"}


def prepare(*, reset: bool, language: str) -> None:
    """Seed an empty database, keep a seeded one, and print the logins. There is always a webinar that begins soon.

    language: of the sample data, `ru` or `en`; a seeded database keeps its language.

    Raises ConfigError if the database has other data.
    """
    if Person.objects.exists() and not DemoMark.objects.exists():
        raise ConfigError(
            "the database has people who are not the demo's. Use a separate place for the demo: set EFIR_DATA_DIR "
            "(and EFIR_DATABASE_URL, if it is set)."
        )
    if reset:
        with registry.disabled():
            call_command("flush", interactive=False, verbosity=0)
        fake_botapi_file().unlink(missing_ok=True)
    kept = DemoMark.objects.exists()
    with transaction.atomic():
        if not kept:
            seed(language)
            DemoMark.objects.create(seeded_at=clock.now())
        now = clock.now()
        near = upcoming().filter(starts_at__gt=now, starts_at__lt=now + timedelta(hours=1), withdrawn=False)
        if not on_air().exists() and not near.exists():
            _add_next_webinar({person.login: person for person in Person.objects.filter(login__in=PEOPLE)})
    if botapi := fake_botapi():
        for chat in TelegramChat.objects.select_related("person"):
            if chat.chat_id not in botapi.chats:
                botapi.people.add(chat.chat_id, chat.person.name, chat.person.login)
    _print_welcome(kept=kept)


def seed(language: str) -> None:
    """Make the people, yesterday's webinar with its verdicts, and the coming webinars."""
    now, texts = clock.now(), sample_texts(language)
    # Empty means the site's default, Russian; a browser may ask for another language.
    language = "en" if language == "en" else ""
    people = _create_people(texts, language, now)
    speaker = people["speaker"]
    site = CONTACT | {"contact_name": speaker.name, "language": language}
    current.save(site, Context(people["admin"].pk, Source.WEB))
    _hold_yesterdays_webinar(texts, people, now)
    _add_next_webinar(people)
    for title, wait in zip(texts.later, LATER_IN, strict=True):
        _publish_webinar(title, now + wait, speaker)


def _create_people(texts: SampleTexts, language: str, now: datetime) -> dict[str, Person]:
    """Create everybody, by login, and the chats of those who have linked one."""
    people: dict[str, Person] = {}
    for number, (login, (role, inviter)) in enumerate(PEOPLE.items()):
        person = people[login] = create_person(
            login=login,
            name=texts.names[login],
            role=role,
            password=PASSWORD,
            invited_by=people[inviter] if inviter else None,
            consented=True,
            language=language,
        )
        # A reserved domain, and telephone numbers that are not assigned.
        person.email, person.phone = f"{login}@example.org", f"+7000000{number:04}"
        person.telegram_name = f"demo_{login}"
        person.save(update_fields=["email", "phone", "telegram_name"])
    for number, login in enumerate(login for login in PEOPLE if login not in WITHOUT_CHAT):
        TelegramChat.objects.create(person=people[login], chat_id=FIRST_CHAT_ID + number, linked_at=now)
    return people


def _hold_yesterdays_webinar(texts: SampleTexts, people: dict[str, Person], now: datetime) -> None:
    """Hold a webinar with questions, presses and somebody lost, up to its verdicts and its recording."""
    speaker = people["speaker"]
    context = Context(speaker.pk, Source.WEB)
    start = now - timedelta(days=1)
    stop = start + LENGTH
    with clock.stopped_at(start - timedelta(days=1)):
        webinar = _publish_webinar(texts.yesterday, start, speaker)
        for login in SEATS_YESTERDAY:
            core.book_seat(webinar.pk, people[login])
    with clock.stopped_at(start):
        core.core_webinar_set_status(webinar.pk, "start", context)
    for login, minute in ASKED_YESTERDAY.items():
        with clock.stopped_at(start + timedelta(minutes=minute)):
            write_message(webinar.pk, people[login], texts.question, Kind.QUESTION, uuid4())
    with clock.stopped_at(start + PRESSED_AFTER):
        webinar = core.core_webinar_set_cta_visibility(webinar.pk, True, context)
        for login in PRESSED_YESTERDAY:
            record_press(webinar, people[login])
    with clock.stopped_at(stop):
        recorder = RecorderRow(uuid4(), start - timedelta(hours=1), stop, closed_at=stop)

        def rows(minutes: dict[str, tuple[int, int]]) -> tuple[IntervalRow, ...]:
            return tuple(
                IntervalRow(
                    recorder.id,
                    webinar.pk,
                    people[login].pk,
                    start + timedelta(minutes=began),
                    start + timedelta(minutes=ended),
                )
                for login, (began, ended) in minutes.items()
            )

        write(Pending((recorder,), rows(PRESENT_YESTERDAY), rows(WATCHED_YESTERDAY)))
        for login, minute in LOST_YESTERDAY.items():
            died = RecorderRow(uuid4(), start - timedelta(hours=1), start + timedelta(minutes=minute))
            write(Pending((died,), (IntervalRow(died.id, webinar.pk, people[login].pk, start),)))
        for login, (minute, _) in WATCHED_YESTERDAY.items():
            opened_at = start + timedelta(minutes=minute)
            Opening.objects.create(webinar=webinar, person=people[login], opened_at=opened_at)
        core.core_webinar_set_status(webinar.pk, "stop", context)
        core.publish_recording(webinar.pk, f"{settings.EFIR.public_url}/demo/recording/", context)
    with clock.stopped_at(stop + timedelta(seconds=settings.EFIR.settle_s + 1)):
        while classifier.classify_due():
            pass


def _add_next_webinar(people: dict[str, Person]) -> None:
    start, texts = clock.now() + NEXT_IN, sample_texts(current.current().language)
    webinar = _publish_webinar(texts.next, start, people["speaker"], video=Video.OWN)
    for login in SEATS_NEXT:
        core.book_seat(webinar.pk, people[login])
    write_message(webinar.pk, people["speaker"], texts.greeting, Kind.MESSAGE, uuid4())


def _publish_webinar(
    title: str, starts_at: datetime, speaker: Person, *, video: Video = Video.EMBED
) -> Webinar:
    context = Context(speaker.pk, Source.WEB)
    webinar = core.create(
        {
            "title": title,
            "description": sample_texts(current.current().language).description,
            "speaker_name": speaker.name,
            "starts_at": starts_at.replace(second=0, microsecond=0),
            "length_min": LENGTH // timedelta(minutes=1),
            "video": video,
            "player_url": "" if video is Video.OWN else f"{settings.EFIR.public_url}/demo/player/",
            "poster": store(render_image(draw_poster(Webinar.objects.count()))),
        },
        context,
    )
    return core.publish(webinar.pk, context)


def _print_welcome(*, kept: bool) -> None:
    address = settings.EFIR.public_url
    pages = {
        "Расписание · schedule": "/webinars/",
        "Комната · room": "/account/webinar_room/",
        "Ведущий · speaker": "/admin_webinar/",
        "Тестовая картинка · picture": "/demo/picture/",
        "Telegram для демо · chats": "/demo/telegram/",
        "Оформление · components": "/demo/components/",
        "Войти · log in": "/login/",
    }
    print("\nЭфир, демо · Efir, the demo\n")
    for name, path in pages.items():
        print(f"  {name:<28} {address}{path}")
    print(f"\n  {', '.join(PEOPLE)}")
    print(f"  Пароль у всех · everybody's password: {PASSWORD}\n")
    if kept:
        print("  Данные прошлого раза на месте · data kept. Начать заново · start over: make demo RESET=1\n")
    print("  Остановить · stop: Ctrl-C\n", flush=True)
