"""Sign-up, log-in, referral, contacts, candidates, roles and passwords."""

from __future__ import annotations

import re

import pytest
from axes.utils import reset
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts import people
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.people import LoginTaken, create_person
from efir.webinars.models import Seat

pytestmark = pytest.mark.django_db
PASSWORD = "kandidat-2026"


@pytest.fixture(autouse=True)
def _nobody_is_counted():
    cache.clear()
    yield
    reset()


def sign_up(client: Client, address: str = "/signup/", **fields: str):
    given = {"name": "Ольга", "username": "olga@example.ru", "password": PASSWORD, "consent": "on"}
    return client.post(address, given | fields)


def logged_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


class TestSignUp:
    def test_makes_a_candidate_and_logs_in(self):
        client = Client()
        assert sign_up(client).url == "/account/"
        person = Person.objects.get(login="olga@example.ru")
        assert (person.role, person.email, person.invited_by) == ("candidate", "olga@example.ru", None)
        assert person.consent_at
        assert person.consent_version
        assert client.get("/account/").status_code == 200

    @pytest.mark.parametrize(
        ("typed", "login"),
        [
            ("8 (999) 123-45-67", "+79991234567"),
            ("+7 999 123 45 67", "+79991234567"),
            (" Olga@Example.RU ", "olga@example.ru"),
        ],
    )
    def test_a_login_has_one_spelling(self, typed, login):
        sign_up(Client(), username=typed)
        assert Person.objects.get().login == login

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("username", "olga"),
            ("username", "12345"),
            ("username", "olga@nowhere"),
            ("username", "ol\x00ga@example.ru"),
            ("password", "short"),
            ("password", "12345678"),
            ("name", " "),
            ("consent", ""),
        ],
    )
    def test_an_error_keeps_what_was_typed(self, field, value):
        answer = sign_up(Client(), **{"name": "Ольга Ч.", field: value})
        html = answer.content.decode()
        assert answer.status_code == 200
        assert "поправьте отмеченное" in html
        assert field == "name" or "Ольга Ч." in html
        assert not Person.objects.exists()

    def test_a_taken_login_is_said(self, make_person):
        make_person(login="+79991234567")
        answer = sign_up(Client(), username="89991234567")
        assert "уже есть" in answer.content.decode()
        assert Person.objects.count() == 1

    def test_a_race_for_one_login_is_a_taken_login(self, make_person, monkeypatch):
        make_person(login="olga@example.ru")
        monkeypatch.setattr(people.Person.objects, "filter", _first_blind(people.Person.objects.filter))
        with pytest.raises(LoginTaken):
            create_person(login="olga@example.ru", name="О", role=Role.CANDIDATE, password=None)

    def test_somebody_logged_in_goes_to_their_account(self, make_person):
        assert logged_in(make_person()).get("/signup/").url == "/account/"
        assert sign_up(logged_in(make_person())).url == "/account/"

    def test_goes_on_to_where_the_visitor_was_going(self):
        assert sign_up(Client(), next="/account/webinar_room/").url == "/account/webinar_room/"
        assert sign_up(Client(), username="b@example.ru", next="https://evil.example/").url == "/account/"

    def test_nobody_becomes_anything_else_by_asking(self, make_person):
        partner = make_person(Role.PARTNER)
        sign_up(
            Client(), role="admin", invited_by=str(partner.pk), is_superuser="1", lead_id="1", groups="admin"
        )
        person = Person.objects.get(login="olga@example.ru")
        assert (person.role, person.invited_by, person.is_superuser) == ("candidate", None, False)

    def test_too_many_from_one_address_wait(self, settings):
        settings.SIGNUP_RATE = "2/h"
        codes = [sign_up(Client(), username=f"a{n}@example.ru").status_code for n in range(3)]
        assert codes == [302, 302, 429]
        assert Client().get("/signup/").status_code == 200


def _first_blind(real):
    calls = []

    def blind(**kwargs):
        calls.append(1)
        return Person.objects.none() if len(calls) == 1 else real(**kwargs)

    return blind


class TestSeatAtSignUp:
    def test_the_webinar_that_brought_them_has_a_seat(self, make_webinar):
        webinar = make_webinar()
        assert (
            f'name="webinar" value="{webinar.pk}"'
            in Client().get(f"/signup/?webinar={webinar.pk}").content.decode()
        )
        sign_up(Client(), webinar=str(webinar.pk))
        assert Seat.objects.get().person.login == "olga@example.ru"

    @pytest.mark.parametrize("state", ["draft", "finished", "archived"])
    def test_a_closed_one_costs_nobody_the_account(self, make_webinar, state):
        sign_up(Client(), webinar=str(make_webinar(state).pk))
        assert Person.objects.filter(login="olga@example.ru").exists()
        assert not Seat.objects.exists()

    @pytest.mark.parametrize("asked", ["999", "01", "x", "9" * 30, "-1"])
    def test_a_wrong_number_costs_nobody_the_account(self, asked):
        assert sign_up(Client(), webinar=asked).status_code == 302


class TestReferral:
    @pytest.fixture
    def partners(self, make_person):
        return make_person(Role.PARTNER), make_person(Role.LEADER)

    def invited_by(self) -> Person | None:
        return Person.objects.get(login="olga@example.ru").invited_by

    @pytest.mark.parametrize("page", ["/webinars/", "/signup/"])
    def test_a_code_is_kept_until_sign_up(self, partners, page):
        client = Client()
        answer = client.get(f"{page}?ref={partners[0].ref_code}")
        cookie = answer.cookies["efir_ref"]
        assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 90 * 24 * 3600)
        sign_up(client)
        assert self.invited_by() == partners[0]

    def test_the_last_valid_one_wins(self, partners):
        client = Client()
        client.get(f"/webinars/?ref={partners[0].ref_code}")
        client.get(f"/webinars/?ref={partners[1].ref_code.upper()}")
        client.get("/webinars/?ref=nobody")
        sign_up(client)
        assert self.invited_by() == partners[1]

    def test_the_address_wins_over_the_cookie(self, partners):
        client = Client()
        client.get(f"/webinars/?ref={partners[0].ref_code}")
        sign_up(client, f"/signup/?ref={partners[1].ref_code}")
        assert self.invited_by() == partners[1]

    def test_an_invalid_address_leaves_the_cookie(self, partners):
        client = Client()
        client.get(f"/webinars/?ref={partners[0].ref_code}")
        sign_up(client, "/signup/?ref=nobody")
        assert self.invited_by() == partners[0]

    @pytest.mark.parametrize("code", ["", "nobody", "\x00", "x" * 500, "код"])
    def test_a_code_that_is_none_is_ignored(self, code):
        client = Client()
        assert "efir_ref" not in client.get("/webinars/", {"ref": code}).cookies
        sign_up(client, ref=code)
        assert self.invited_by() is None

    def test_a_candidates_code_does_not_count(self, make_person):
        client = Client()
        client.get(f"/webinars/?ref={make_person().ref_code}")
        sign_up(client)
        assert self.invited_by() is None

    def test_the_chain_is_not_rewritten_later(self, partners):
        client = Client()
        sign_up(client, ref=partners[0].ref_code)
        client.get(f"/webinars/?ref={partners[1].ref_code}")
        client.post("/account/contact_details", {"email": "", "phone": "", "telegram_name": ""})
        assert self.invited_by() == partners[0]


class TestLogIn:
    @pytest.mark.parametrize("typed", ["89991234567", "+7 (999) 123-45-67", "8 999 123 45 67"])
    def test_8_and_plus_7_are_one_number(self, make_person, typed):
        make_person(login="+79991234567", password=PASSWORD)
        assert Client().post("/login/", {"username": typed, "password": PASSWORD}).status_code == 302

    def test_an_unknown_login_and_a_wrong_password_look_alike(self, make_person):
        make_person(login="olga@example.ru", password=PASSWORD)
        pages = [
            re.sub(
                r'value="[^"]*"',
                "",
                Client().post("/login/", {"username": name, "password": "wrong"}).content.decode(),
            )
            for name in ("olga@example.ru", "nobody@example.ru")
        ]
        assert pages[0] == pages[1]

    def test_the_session_is_a_new_one_after_logging_in(self, make_person):
        client = Client()
        client.get("/webinars/")
        person = make_person(password=PASSWORD)
        session = client.session
        session["kept"] = "1"
        session.save()
        before = session.session_key
        client.cookies["sessionid"] = before
        client.post("/login/", {"username": person.login, "password": PASSWORD})
        assert client.session.session_key != before

    def test_too_many_wrong_passwords_wait_whatever_the_spelling(self, make_person):
        make_person(login="+79991234567", password=PASSWORD)
        spellings = ["89991234567", "+79991234567"] * 5
        codes = [
            Client().post("/login/", {"username": each, "password": "wrong"}).status_code
            for each in spellings
        ]
        assert codes[-1] == 429
        answer = Client().post("/login/", {"username": "89991234567", "password": PASSWORD})
        assert answer.status_code == 429
        assert "Подождите" in answer.content.decode()

    def test_no_address_of_another_site_follows(self, make_person):
        person = make_person(password=PASSWORD)
        answer = Client().post(
            "/login/", {"username": person.login, "password": PASSWORD, "next": "//evil.example/"}
        )
        assert answer.url == "/account/"

    def test_logging_out_needs_the_token(self, make_person):
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_person())
        answer = client.post("/logout/")
        assert answer.status_code == 403
        assert "Форма устарела" in answer.content.decode()


class TestContacts:
    def test_a_candidate_sees_their_inviters(self, make_person):
        partner = make_person(Role.PARTNER, name="Павел Партнёр", login="+79990000001")
        page = logged_in(make_person(invited_by=partner)).get("/account/contacts/").content.decode()
        assert "Павел Партнёр" in page
        assert "tel:+79990000001" in page

    def test_without_an_inviter_a_sentence_says_so(self, make_person):
        assert "без приглашения" in logged_in(make_person()).get("/account/contacts/").content.decode()

    def test_ones_own_are_saved_in_one_spelling(self, make_person):
        person = make_person()
        fields = {"email": "a@example.ru", "phone": "8 999 123 45 67", "telegram_name": "@anna_p"}
        logged_in(person).post("/account/contact_details", fields | {"lead_id": "1", "name": "Другая"})
        person.refresh_from_db()
        assert (person.phone, person.telegram_name, person.email) == (
            "+79991234567",
            "anna_p",
            "a@example.ru",
        )
        assert person.name != "Другая"

    @pytest.mark.parametrize(("field", "value"), [("phone", "abc"), ("telegram_name", "имя"), ("email", "x")])
    def test_wrong_ones_are_kept_to_be_put_right(self, make_person, field, value):
        person = make_person()
        page = logged_in(person).post("/account/contact_details", {field: value}).content.decode()
        assert f'value="{value}"' in page
        person.refresh_from_db()
        assert getattr(person, field) == ""


class TestCandidates:
    def test_a_partner_sees_their_own(self, make_person):
        partner = make_person(Role.PARTNER)
        mine = make_person(invited_by=partner, name="Моя Кандидатка", login="mine@example.ru")
        client = logged_in(partner)
        assert "Моя Кандидатка" in client.get("/account/").content.decode()
        assert "mine@example.ru" in client.get(f"/account/candidates/{mine.pk}/").content.decode()
        assert f"/signup/?ref={partner.ref_code}" in client.get("/account/").content.decode()

    def test_another_ones_candidate_and_nobody_look_alike(self, make_person):
        other = make_person(invited_by=make_person(Role.PARTNER), name="Чужая Кандидатка")
        for role in (Role.PARTNER, Role.LEADER, Role.SPEAKER, Role.ADMIN):
            client = logged_in(make_person(role))
            assert client.get(f"/account/candidates/{other.pk}/").status_code == 404
            assert "Чужая Кандидатка" not in client.get("/account/").content.decode()

    def test_a_candidate_sees_none(self, make_person):
        person = make_person()
        assert logged_in(person).get(f"/account/candidates/{person.pk}/").status_code == 403
        assert person.ref_code not in logged_in(person).get("/account/").content.decode()

    @pytest.mark.parametrize("spelling", ["0{}", "{}x", "+{}", "{}.0", "-{}", "٣"])
    def test_one_id_has_one_spelling(self, make_person, spelling):
        partner = make_person(Role.PARTNER)
        mine = make_person(invited_by=partner)
        address = f"/account/candidates/{spelling.format(mine.pk)}/"
        assert logged_in(partner).get(address).status_code == 404


class TestPeople:
    def test_the_admin_gives_a_role(self, make_person):
        person = make_person()
        client = logged_in(make_person(Role.ADMIN))
        assert client.post(f"/account/people/{person.pk}/role", {"role": "partner"}).status_code == 200
        assert Person.objects.get(pk=person.pk).role == "partner"

    def test_nobody_changes_their_own(self, make_person):
        admin = make_person(Role.ADMIN)
        answer = logged_in(admin).post(f"/account/people/{admin.pk}/role", {"role": "candidate"})
        assert (answer.status_code, answer.json()["error"]) == (409, "own_role")
        assert Person.objects.get(pk=admin.pk).role == "admin"

    @pytest.mark.parametrize("role", ["moderator", "", "Admin"])
    def test_there_are_no_other_roles(self, make_person, role):
        client = logged_in(make_person(Role.ADMIN))
        assert client.post(f"/account/people/{make_person().pk}/role", {"role": role}).status_code == 400

    @pytest.mark.parametrize("role", [Role.CANDIDATE, Role.PARTNER, Role.LEADER, Role.SPEAKER])
    def test_nobody_else_may(self, make_person, role):
        person, client = make_person(), logged_in(make_person(role))
        for action in ("role", "password_reset"):
            assert client.post(f"/account/people/{person.pk}/{action}", {"role": "admin"}).status_code == 403
        assert client.post("/account/people/", {"name": "x"}).status_code == 403
        assert Person.objects.get(pk=person.pk).role == "candidate"

    def test_people_are_found_by_a_part_of_name_or_login(self, make_person):
        make_person(name="Ольга Новикова", login="olga@example.ru")
        make_person(name="Игорь", login="+79991234567")
        client = logged_in(make_person(Role.ADMIN, name="Мария"))
        for sought, found in {
            "новикова": "Ольга",
            "8999123": "",
            "89991234567": "Игорь",
            "OLGA": "Ольга",
        }.items():
            page = client.get("/account/people/", {"q": sought}).content.decode()
            assert not found or found in page
            assert "Мария</td>" not in page

    def test_the_admin_adds_somebody_with_a_link_for_the_password(self, make_person):
        partner = make_person(Role.PARTNER, login="partner@example.ru")
        client = logged_in(make_person(Role.ADMIN))
        fields = {"name": "Новая", "login": "new@example.ru", "role": "speaker", "inviter": partner.login}
        page = client.post("/account/people/", fields).content.decode()
        added = Person.objects.get(login="new@example.ru")
        assert (added.role, added.invited_by, added.has_usable_password()) == ("speaker", partner, False)
        assert "/account/reset/" in page
        assert "уже есть" in client.post("/account/people/", fields).content.decode()


class TestPasswordReset:
    @pytest.fixture
    def link(self, make_person):
        self.person = make_person(password=PASSWORD)
        self.earlier = logged_in(self.person)
        client = logged_in(make_person(Role.ADMIN))
        page = client.post(f"/account/people/{self.person.pk}/password_reset").content.decode()
        return re.search(r"http://[^\"/]+(/account/reset/[^\"]+)", page)[1]

    def test_the_link_sets_a_password_once_and_ends_the_sessions(self, link):
        fields = {"new_password1": "sovsem-novyj-7", "new_password2": "sovsem-novyj-7"}
        assert Client().get(link).status_code == 200
        assert Client().post(link, fields).url == "/login/"
        assert self.earlier.get("/account/").status_code == 302
        answer = Client().post("/login/", {"username": self.person.login, "password": "sovsem-novyj-7"})
        assert answer.url == "/account/"
        assert Client().post(link, fields).status_code == 404
        assert Client().get(link).status_code == 404

    def test_a_forged_link_opens_nothing(self, link):
        for forged in (link[:-2] + "x/", "/account/reset/MQ/abc/", "/account/reset/%00/abc-def/"):
            assert Client().get(forged).status_code == 404

    def test_opening_the_link_writes_nothing(self, link):
        with CaptureQueriesContext(connection) as queries:
            Client().get(link)
        assert all(query["sql"].startswith("SELECT") for query in queries)

    def test_ones_own_password_is_changed_with_the_old_one(self, make_person):
        client, other = logged_in(person := make_person(password=PASSWORD)), logged_in(person)
        fields = {"new_password1": "sovsem-novyj-7", "new_password2": "sovsem-novyj-7"}
        assert client.post("/account/password/", fields | {"old_password": "wrong"}).status_code == 200
        assert client.post("/account/password/", fields | {"old_password": PASSWORD}).url == "/account/"
        assert client.get("/account/").status_code == 200
        assert other.get("/account/").status_code == 302
