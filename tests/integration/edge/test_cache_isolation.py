"""The cache gives nobody another person's page, seat, token or language, even during changes.

Each person must get the page that Django renders for them.
"""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest
from django.middleware.csrf import _does_token_match

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.roles import assign_role
from efir.accounts.services import close_account
from efir.lib.concurrency import in_thread
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.edge import token_of

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="\w{64}"')


class Browser:
    """Somebody's session (none for a guest), form secret and language."""

    def __init__(self, number, language, client=None):
        self.client, self.language = client, language
        self.key = client.key if client else ""
        self.secret = LETTERS[number % len(LETTERS)] * 32

    async def ask(self, get, path, query=b""):
        """Ask for a page by `get`, `Site.get` or `Site.plain`; check its language and token, and return its text."""
        cookies = f"csrftoken={self.secret}; django_language={self.language}"
        answer = await get(path, self.key, query=query, cookies=cookies)
        if answer.status != 200:
            return f"{answer.status} {answer.headers.get('location', '')}"
        text = answer.text
        assert f'<html lang="{self.language}"' in text
        if TOKEN.search(text):
            assert _does_token_match(token_of(text), self.secret)
        return TOKEN.sub("", text)


@pytest.fixture
def hall(make_person, make_webinar, visitor):
    """Return three webinars and 50 browsers: people of all roles with some of the seats, and guests."""
    webinars = [
        make_webinar("live", title="Эфир"),
        make_webinar(title="Первый"),
        make_webinar(title="Второй"),
    ]
    inviter = make_person(Role.PARTNER, name="Анна")
    browsers = []
    for number, (role, language, seats) in enumerate(
        itertools.product(Role, ("ru", "en"), ((), (0,), (1,), (0, 2)))
    ):
        client = visitor(role, invited_by=inviter if number % 2 else None)
        for seat in seats:
            core.book_seat(webinars[seat].pk, client.person)
        browsers.append(Browser(number, language, client))
    browsers += [Browser(number, language) for number, language in enumerate(("ru", "en") * 5, 40)]
    return webinars, browsers, inviter


@pytest.mark.slow
def test_fifty_people_at_once_get_their_own_pages(run, hall):
    webinars, browsers, inviter = hall
    room = f"/account/webinar_room/{webinars[0].pk}/"
    pages = [("/webinars/", b""), ("/webinars/", f"ref={inviter.ref_code}".encode()), (room, b"")]
    forms = [("/signup/", f"ref={inviter.ref_code}".encode()), ("/login/", f"next={room}".encode())]
    changing, steady = browsers[::8], [browser for browser in browsers if browser not in browsers[::8]]

    async def scenario(site):
        async with site.running():
            asked = [
                (browser, page)
                for browser in steady
                for page in (pages[:2] if browser.client is None else pages)
            ]
            own = {
                (browser, page): await browser.ask(site.plain, page[0])
                for browser, page in asked
                if not page[1]
            }
            expected = [own[browser, (page[0], b"")] for browser, page in asked]

            async def hammer(browser, page, text):
                for _ in range(ROUNDS):
                    assert await browser.ask(site.get, *page) == text

            async def change(browser):
                for role in itertools.islice(itertools.cycle(Role), ROUNDS):
                    await in_thread(assign_role, browser.client.person, role)
                    person = await in_thread(Person.objects.get, pk=browser.client.person.pk)
                    await in_thread(core.book_seat, webinars[1].pk, person)
                    for path in ("/webinars/", room):
                        assert await browser.ask(site.get, path) == await browser.ask(site.plain, path)

            await asyncio.gather(
                *(hammer(browser, page, text) for (browser, page), text in zip(asked, expected, strict=True)),
                *(change(browser) for browser in changing if browser.client),
                *(_fill_in(site, browser, *form) for browser in browsers for form in forms),
            )
            return site.by_django, len(set(expected)), len(asked)

    by_django, kinds, asked = run(scenario)
    assert kinds > 20
    assert by_django < asked * ROUNDS / 2  # the cache was at work


async def _fill_in(site, browser, path, query):
    """Open a form as a guest with this browser's language and secret."""
    guest = Browser(0, browser.language)
    guest.secret = browser.secret
    text = await guest.ask(site.get, path, query)
    assert ("Анна" in text) == (path == "/signup/")


@pytest.fixture
def changes(make_webinar, visitor):
    """Return a browser, its pages, and the changes after each of which its next answer must be true."""
    first, second = make_webinar(title="Первый"), make_webinar(title="Второй")
    admin = visitor(Role.ADMIN)  # the last admin keeps the role
    client = visitor()
    browser = Browser(0, "ru", client)

    def book(webinar):
        core.book_seat(webinar.pk, Person.objects.get(pk=client.person.pk))

    def speak(language):
        browser.language = language

    steps = [
        lambda: book(first),
        lambda: assign_role(client.person, Role.SPEAKER),
        lambda: speak("en"),
        lambda: core.update(first.pk, {"title": "Новый"}, SYSTEM),
        lambda: core.core_webinar_set_status(first.pk, "start", SYSTEM),
        lambda: book(second),
        lambda: core.core_webinar_set_status(second.pk, "start", SYSTEM),
        lambda: speak("ru"),
        lambda: assign_role(client.person, Role.CANDIDATE),
        lambda: core.core_webinar_set_status(first.pk, "stop", SYSTEM),
        lambda: assign_role(client.person, Role.ADMIN),
        lambda: assign_role(client.person, Role.PARTNER),
        lambda: core.core_webinar_set_status(second.pk, "stop", SYSTEM),
        lambda: close_account(Person.objects.get(pk=client.person.pk), SYSTEM),
    ]
    pages = ["/webinars/", "/account/webinar_room/", f"/account/webinar_room/{first.pk}/"]
    return admin, browser, pages, steps


def test_response_after_each_change_is_current(run, changes):
    _, browser, pages, steps = changes

    async def scenario(site):
        async with site.running():
            seen = []
            for step in [lambda: None, *steps]:
                await in_thread(step)
                for path in pages:
                    first, second = [await browser.ask(site.get, path) for _ in range(2)]
                    assert first == second == await browser.ask(site.plain, path), (len(seen), path)
                seen.append(first)
            return seen

    assert len(set(run(scenario))) > len(steps) / 2


def test_log_out_ends_the_page_of_a_person(run, make_webinar, visitor):
    make_webinar()
    client = visitor(Role.SPEAKER)

    async def scenario(site):
        async with site.running():
            before = (await site.get("/webinars/", client.key)).text
            await in_thread(client.post, "/logout/")
            return before, (await site.get("/webinars/", client.key)).text

    before, after = run(scenario)
    assert "/admin_webinar/" in before
    assert "/admin_webinar/" not in after
    assert "/login/" in after


def test_change_during_rendering_does_not_poison_the_cache(run, make_webinar, visitor):
    make_webinar()
    speaker, turncoat = visitor(Role.SPEAKER), visitor(Role.SPEAKER)

    async def scenario(site):
        cache = site.handler("webinars/")._cache
        original = cache._django

        async def demote_first(scope, receive, send):
            cache._django = original
            # As if in another process: the hub of this one does not run, and hears of nothing.
            await in_thread(assign_role, turncoat.person, Role.CANDIDATE)
            await original(scope, receive, send)

        cache._django = demote_first
        return [(await site.get("/webinars/", each.key)).text for each in (turncoat, speaker)]

    mine, theirs = run(scenario)
    assert "/admin_webinar/" not in mine
    assert "/admin_webinar/" in theirs
