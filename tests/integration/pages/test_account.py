"""The account page: contacts, the next webinar, the people one has invited."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.webinars import core

pytestmark = pytest.mark.django_db


def logged_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


class TestContacts:
    def test_candidate_sees_the_inviters_contacts(self, make_person):
        partner = make_person(Role.PARTNER, name="Павел Партнёр", login="+79990000001")
        page = logged_in(make_person(invited_by=partner)).get("/account/contacts/").content.decode()
        assert "Павел Партнёр" in page
        assert "tel:+79990000001" in page

    def test_page_says_that_there_is_no_inviter(self, make_person):
        page = logged_in(make_person()).get("/account/contacts/").content.decode()
        assert "Кому задать вопрос" in page
        assert "Кто вас пригласил" not in page

    def test_contacts_are_normalized(self, make_person):
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
    def test_invalid_contacts_stay_in_the_form(self, make_person, field, value):
        person = make_person()
        page = logged_in(person).post("/account/contact_details", {field: value}).content.decode()
        assert f'value="{value}"' in page
        person.refresh_from_db()
        assert getattr(person, field) == ""

    def test_errors_are_listed_with_links_to_the_fields(self, make_person):
        client = logged_in(make_person())
        page = client.post("/account/contact_details", {"phone": "abc"}).content.decode()
        alert = page.split('role="alert"')[1].split("</div>")[0]
        assert 'href="#id_phone"' in alert
        assert "#id_email" not in alert
        assert client.get("/account/contact_details").url == "/account/"

    def test_advice_is_hidden_without_contacts(self, make_person):
        asked = "Напишите или позвоните"
        silent, open_one = make_person(Role.PARTNER), make_person(Role.PARTNER, login="+79990000001")
        for partner, has in ((silent, False), (open_one, True)):
            candidate = make_person(invited_by=partner)
            page = logged_in(candidate).get("/account/contacts/").content.decode()
            assert (asked in page) == has
            assert (
                asked in logged_in(partner).get(f"/account/candidates/{candidate.pk}/").content.decode()
            ) is False
            warned = "не указан ни один контакт" in logged_in(partner).get("/account/").content.decode()
            assert warned != has

    def test_hint_says_who_sees_the_contacts(self, make_person):
        alone = logged_in(make_person()).get("/account/").content.decode()
        invited = (
            logged_in(make_person(invited_by=make_person(Role.PARTNER))).get("/account/").content.decode()
        )
        assert ("Это видит только тот, кто вас пригласил" in invited, "никому не показываются" in alone) == (
            True,
            True,
        )
        assert "Это видит только тот" not in alone


class TestWebinarCard:
    def test_shows_the_next_webinar_and_the_seat(self, clock, make_person, make_webinar):
        person = make_person()
        client = logged_in(person)
        assert "ни в эфире, ни в расписании" in client.get("/account/").content.decode()
        webinar = make_webinar(title="Ближний")
        page = client.get("/account/").content.decode()
        assert "Ближний" in page
        assert "сегодня в 20:00 МСК" in page
        assert f'action="/webinars/{webinar.pk}/seat"' in page
        assert "идёт прямо сейчас" not in page
        core.book_seat(webinar.pk, person)
        assert "место забронировано" in client.get("/account/").content.decode()

    def test_shows_the_live_webinar_and_no_finished_one(self, make_person, make_webinar):
        client = logged_in(make_person())
        make_webinar("finished", title="Прошлый")
        assert "Прошлый" not in client.get("/account/").content.decode()
        make_webinar("live")
        assert "идёт прямо сейчас" in client.get("/account/").content.decode()


class TestCandidates:
    def test_partner_sees_own_candidates(self, make_person):
        partner = make_person(Role.PARTNER)
        mine = make_person(invited_by=partner, name="Моя Кандидатка", login="mine@example.ru")
        client = logged_in(partner)
        assert "Моя Кандидатка" in client.get("/account/").content.decode()
        assert "mine@example.ru" in client.get(f"/account/candidates/{mine.pk}/").content.decode()
        assert f"/signup/?ref={partner.ref_code}" in client.get("/account/").content.decode()

    def test_invited_person_with_another_role_has_a_badge(self, make_person):
        partner = make_person(Role.PARTNER)
        make_person(invited_by=partner)
        client = logged_in(partner)
        listed = client.get("/account/").content.decode().split('id="candidates"')[1]
        assert "Приглашённые" in listed
        assert "кандидат</span>" not in listed
        make_person(Role.LEADER, invited_by=partner)
        listed = client.get("/account/").content.decode().split('id="candidates"')[1]
        assert '<span class="badge">лидер</span>' in listed

    def test_foreign_candidate_is_404(self, make_person):
        other = make_person(invited_by=make_person(Role.PARTNER), name="Чужая Кандидатка")
        for role in (Role.PARTNER, Role.LEADER, Role.SPEAKER, Role.ADMIN):
            client = logged_in(make_person(role))
            assert client.get(f"/account/candidates/{other.pk}/").status_code == 404
            assert "Чужая Кандидатка" not in client.get("/account/").content.decode()

    def test_candidate_sees_no_candidates(self, make_person):
        person = make_person()
        assert logged_in(person).get(f"/account/candidates/{person.pk}/").status_code == 403
        assert person.ref_code not in logged_in(person).get("/account/").content.decode()

    @pytest.mark.parametrize("spelling", ["0{}", "{}x", "+{}", "{}.0", "-{}", "٣"])
    def test_id_with_another_spelling_is_404(self, make_person, spelling):
        partner = make_person(Role.PARTNER)
        mine = make_person(invited_by=partner)
        address = f"/account/candidates/{spelling.format(mine.pk)}/"
        assert logged_in(partner).get(address).status_code == 404


def test_links_show_their_address(make_person, settings):
    settings.EFIR = replace(settings.EFIR, public_url="https://xn--80abcmq4aw2g.xn--p1ai")
    partner, client = make_person(Role.PARTNER), Client()
    client.force_login(partner)
    page = client.get("/account/").content.decode()
    assert f'value="https://вебинары.рф/signup/?ref={partner.ref_code}"' in page
    assert "url=https%3A%2F%2Fxn--80abcmq4aw2g.xn--p1ai" in page


class TestQueries:
    """`/account/` asks for little, whoever opens it: session and person, seats and chat; and a partner's list."""

    def test_candidate_needs_few(self, make_person, django_assert_max_num_queries):
        client = logged_in(make_person())
        client.get("/account/")  # fills what a process keeps
        with django_assert_max_num_queries(8):  # five of them for the schedule and the site's settings
            client.get("/account/")

    def test_partners_list_needs_two(self, make_person, make_webinar, django_assert_max_num_queries):
        make_webinar()
        partner = make_person(Role.PARTNER)
        for _ in range(3):
            make_person(invited_by=partner)
        client = logged_in(partner)
        with django_assert_max_num_queries(10):
            client.get("/account/")
