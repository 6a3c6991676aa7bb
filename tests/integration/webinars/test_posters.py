"""Posters: accepted and refused uploads, storage, the form, and copies of a webinar."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from efir.accounts.capabilities import Role
from efir.webinars import core
from efir.webinars.models import Poster, PosterFile, Webinar
from efir.webinars.posters.child import CPU_S, MEMORY_BYTES
from efir.webinars.posters.decode import MAX_FILE_BYTES, decode_image
from efir.webinars.posters.render import render_image, render_upload
from efir.webinars.posters.store import delete_unused, store
from tests.conftest import SYSTEM, logged_in
from tests.support.site import eventually


def picture(size=(1200, 700), mode="RGB", kind="PNG", colour=None, **options) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour or 0).save(file, kind, **options)
    return file.getvalue()


def moving(kind: str) -> bytes:
    frames = [Image.new("RGB", (640, 360), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


def bomb() -> bytes:
    """Return a PNG of a few hundred bytes that claims to be 60,000 pixels wide and high."""
    content = bytearray(picture())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def named_in_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    exif[0x0112] = 6  # lies on its side
    image = Image.new("RGB", (700, 1200), "red")
    image.paste("blue", (0, 0, 700, 600))
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, comment=b"Secret comment")
    return file.getvalue()


GOOD = {
    "a PNG": picture(),
    "a JPEG": picture(kind="JPEG"),
    "a WebP": picture(kind="WEBP"),
    "grey": picture(mode="L"),
    "a palette": picture(mode="P"),
    "sixteen bits": picture(mode="I;16"),
    "see-through": picture(mode="RGBA", colour=(255, 0, 0, 0)),
    "for print": picture(mode="CMYK", kind="JPEG"),
    "a broken colour profile": picture(icc_profile=b"nothing"),
    "upright": picture((900, 1600)),
    "the smallest": picture((480, 270)),
    "something behind it": picture(kind="JPEG") + b"<script>alert(1)</script>PK\x03\x04",
}
BAD = {
    "empty": (b"", "poster_empty"),
    "text": (b"hello", "poster_unknown"),
    "a page": (b"<!doctype html><script>alert(1)</script>" + picture(), "poster_unknown"),
    "an archive": (b"PK\x03\x04" + picture(), "poster_unknown"),
    "a PDF": (b"%PDF-1.7\n" + picture(), "poster_unknown"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "poster_svg"),
    "SVG with a prologue": (b'<?xml version="1.0"?><!-- x --><SVG/>', "poster_svg"),
    "GIF": (picture(kind="GIF"), "poster_gif"),
    "a phone's HEIC": (b"\0\0\0\x18ftypheic" + b"\0" * 100, "poster_phone"),
    "a moving PNG": (moving("PNG"), "poster_moving"),
    "a moving WebP": (moving("WEBP"), "poster_moving"),
    "cut short": (picture((1200, 700), kind="JPEG", colour="red")[:-300], "poster_broken"),
    "a PNG without its pixels": (picture()[:60], "poster_broken"),
    "a bomb": (bomb(), "poster_too_large"),
    "too many pixels": (picture((9000, 6000), mode="1"), "poster_too_large"),
    "small": (picture((320, 180)), "poster_too_small"),
    "a stripe": (picture((4000, 20)), "poster_too_small"),
    "heavy": (b"\xff\xd8" + b"\0" * MAX_FILE_BYTES, "poster_too_heavy"),
    "a BMP": (picture(kind="BMP"), "poster_unknown"),
    "a TIFF": (picture(kind="TIFF"), "poster_unknown"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", GOOD)
def test_valid_image_is_rendered(what):
    poster = render_upload(GOOD[what])
    images = {name: Image.open(io.BytesIO(content)) for name, content in poster.files.items()}
    assert {name: image.format for name, image in images.items()} == {
        "480.webp": "WEBP",
        "960.webp": "WEBP",
        "1600.webp": "WEBP",
        "share.jpg": "JPEG",
    }
    assert images["480.webp"].size == (480, 270)
    assert images["share.jpg"].size == (1200, 630)
    assert not any(b"script" in content or b"PK\x03" in content for content in poster.files.values())


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD)
def test_invalid_file_is_refused_with_a_reason(what):
    content, code = BAD[what]
    with pytest.raises(ValidationError) as refused:
        render_upload(content)
    assert refused.value.code == code
    assert re.match(r"[А-ЯA-Z].+\.$", str(refused.value.message))


def test_metadata_is_dropped_and_orientation_applied():
    poster = render_upload(named_in_exif())
    assert not any(b"Secret" in content for content in poster.files.values())
    shared = Image.open(io.BytesIO(poster.files["share.jpg"]))
    assert shared.getpixel((100, 300))[0] > 200  # what lay below is on the left now
    assert shared.getpixel((1100, 300))[2] > 200


def test_small_image_is_not_enlarged():
    poster = render_upload(picture((800, 450)))
    assert Image.open(io.BytesIO(poster.files["1600.webp"])).size == (800, 450)


def many_scans() -> bytes:
    """Return a progressive JPEG of some hundred kB whose last scan comes 5,000 times."""
    content = picture((1600, 900), kind="JPEG", colour=(10, 90, 200), progressive=True)
    at = content.rindex(b"\xff\xda")
    return content[:at] + content[at:-2] * 5000 + content[-2:]


def see_through() -> bytes:
    """Return a PNG of 8000 × 6200 pixels with transparency, which is some 200 kB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(1)
    row = b"\0" + b"\x10\x20\x30\x80" * 8000
    pixels = b"".join(packer.compress(row) for _ in range(6200)) + packer.flush()
    head = struct.pack(">IIBBBBB", 8000, 6200, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# Prints what comes of each file, sent at the same moment, and what its child processes took.
TOGETHER = """
import json, resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from django.core.exceptions import ValidationError
from efir.webinars.posters.render import render_upload
def answer(path):
    try:
        return sorted(render_upload(Path(path).read_bytes()).files)
    except ValidationError as refused:
        return refused.code
with ThreadPoolExecutor() as pool:
    answers = list(pool.map(answer, sys.argv[1:]))
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([answers, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


@pytest.mark.slow
def test_costly_files_are_refused_while_others_are_taken(tmp_path):
    sent = {"scans": many_scans(), "clear": see_through(), "poster": picture((640, 360))}
    for name, content in sent.items():
        (tmp_path / name).write_bytes(content)
    words = [sys.executable, "-c", TOGETHER, *(str(tmp_path / name) for name in sent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    answers, cpu_s, most_kb = json.loads(done.stdout)
    assert answers[:2] == ["poster_too_complex", "poster_too_large"]
    assert len(answers[2]) == 4
    assert most_kb * 1024 < MEMORY_BYTES
    assert cpu_s < 3 * CPU_S  # it took minutes of a slow machine


@pytest.mark.parametrize(
    "code", ["x = bytearray(2**31)", "while True: pass", "import pathlib; pathlib.Path(path).write_text('x')"]
)
def test_child_has_limits(code, tmp_path):
    limited = "from efir.webinars.posters import child\nchild.CPU_S = 1\nchild.limit()"
    script = f"{limited}\npath = {str(tmp_path / 'file')!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode != 0


def test_child_that_is_ended_is_a_refusal(monkeypatch):
    monkeypatch.setattr("efir.webinars.posters.render.sys.executable", "/bin/false")
    with pytest.raises(ValidationError) as refused:
        render_upload(GOOD["a PNG"])
    assert refused.value.code == "poster_too_complex"


PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "efir.webinars.posters.child", str(os.getpid())])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_child_ends_with_a_killed_parent():
    # The pipe that the child reads stays open, so that it does not end by itself.
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        eventually(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.tuples(
            st.sampled_from([GOOD["a JPEG"], GOOD["a PNG"], GOOD["a WebP"]]),
            st.integers(0, 3000),
            st.binary(min_size=1, max_size=40),
        ).map(lambda spoilt: spoilt[0][: spoilt[1]] + spoilt[2] + spoilt[0][spoilt[1] + len(spoilt[2]) :]),
    )
)
def test_any_bytes_render_or_are_refused(content):
    assert answer_to(content) in ("a poster", *(code for _, code in BAD.values()))


def answer_to(content: bytes) -> str:
    """Do here what the child process does with an upload: a process for each of many would take minutes."""
    try:
        render_image(decode_image(content))
    except ValidationError as refused:
        return refused.code
    return "a poster"


@pytest.mark.django_db
class TestKept:
    def test_same_upload_is_stored_once(self):
        assert store(render_upload(GOOD["a PNG"])) == store(render_upload(GOOD["a PNG"]))
        assert PosterFile.objects.count() == 4

    def test_poster_moves_the_version_and_is_immutable(self, make_webinar):
        webinar = make_webinar()
        changed = core.update(webinar.pk, {"poster": store(render_upload(GOOD["a JPEG"]))}, SYSTEM)
        assert changed.version == webinar.version + 1
        for name, kind in (("480.webp", "image/webp"), ("share.jpg", "image/jpeg")):
            answer = Client().get(f"/posters/{changed.poster_id}/{name}")
            assert answer.status_code == 200
            assert answer["Content-Type"] == kind
            assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer["X-Content-Type-Options"] == "nosniff"
        assert Client().get(f"/posters/{changed.poster_id}/2.webp").status_code == 404

    def test_unused_poster_is_deleted_after_a_day(self, make_webinar, clock):
        used, unused = store(render_upload(GOOD["a PNG"])), store(render_upload(GOOD["upright"]))
        webinar = make_webinar(poster=used)
        assert delete_unused() == 0
        clock.move(timedelta(days=1).total_seconds() + 1)
        assert delete_unused() == 1
        assert list(Poster.objects.all()) == [used]
        core.update(webinar.pk, {"poster": None}, SYSTEM)
        assert (delete_unused(), PosterFile.objects.count(), unused.pk != used.pk) == (1, 0, True)


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("poster.png", content, content_type="image/png")


@pytest.mark.django_db
class TestForm:
    @pytest.fixture
    def speaker(self, make_person):
        return logged_in(make_person(Role.SPEAKER), headers={"accept": "text/html"})

    FIELDS = {"title": "Мой вебинар", "time_zone": "Europe/Moscow", "length_min": "45"}

    def test_poster_is_added_and_removed(self, speaker, make_webinar):
        webinar = make_webinar()
        address = f"/admin_webinar/{webinar.pk}/"
        speaker.post(address, {"poster": upload(GOOD["a PNG"])})
        webinar.refresh_from_db()
        shown = speaker.get(address).content.decode()
        assert f'src="/posters/{webinar.poster_id}/960.webp"' in shown
        speaker.post(address, {"title": "Другое", "poster_kept": webinar.poster_id})
        assert Webinar.objects.get().poster_id == webinar.poster_id
        speaker.post(address, {"title": "Третье"})
        assert Webinar.objects.get().poster_id == webinar.poster_id
        speaker.post(address, {"poster_kept": webinar.poster_id, "poster_removed": "1"})
        assert Webinar.objects.get().poster_id is None

    def test_invalid_poster_keeps_the_other_fields(self, speaker):
        answer = speaker.post(
            "/admin_webinar/new/",
            {**self.FIELDS, "description": "Длинный текст", "poster": upload(b"<svg/>")},
        )
        page = answer.content.decode()
        assert answer.status_code == 400
        assert "SVG не подойдёт" in page
        assert "Длинный текст" in page
        assert 'href="#id_poster"' in page
        assert not Webinar.objects.exists()

    def test_valid_poster_survives_an_error_in_another_field(self, speaker):
        fields = self.FIELDS | {"player_url": "https://example.org/x"}
        page = speaker.post(
            "/admin_webinar/new/", {**fields, "poster": upload(GOOD["a PNG"])}
        ).content.decode()
        assert "Плеер с адреса example.org не разрешён. Разрешены:" in page
        kept = re.search(r'name="poster_kept" value="(\w{32})"', page)[1]
        speaker.post("/admin_webinar/new/", {**self.FIELDS, "poster_kept": kept})
        assert Webinar.objects.get().poster_id == kept

    @pytest.mark.parametrize("kept", ["0" * 32, "../../x", '"><b>'])
    def test_unknown_poster_id_is_refused(self, speaker, kept):
        answer = speaker.post("/admin_webinar/new/", {**self.FIELDS, "poster_kept": kept})
        assert answer.status_code == 400
        assert "Выберите файл ещё раз" in answer.content.decode()
        assert kept not in answer.content.decode() or kept == "0" * 32

    def test_finished_webinar_keeps_its_poster(self, speaker, make_webinar):
        webinar = make_webinar("finished")
        answer = speaker.post(f"/admin_webinar/{webinar.pk}/", {"poster": upload(GOOD["a PNG"])})
        assert answer.status_code == 409
        assert Webinar.objects.get().poster_id is None

    @pytest.mark.parametrize("role", [Role.CANDIDATE, Role.PARTNER, Role.LEADER])
    def test_needs_the_capability(self, make_person, make_webinar, role):
        client = logged_in(make_person(role))
        answer = client.post(f"/admin_webinar/{make_webinar().pk}/", {"poster": upload(GOOD["a PNG"])})
        assert (answer.status_code, Poster.objects.count()) == (403, 0)

    def test_needs_the_csrf_token(self, make_person, make_webinar):
        client = logged_in(make_person(Role.SPEAKER), enforce_csrf_checks=True)
        answer = client.post(f"/admin_webinar/{make_webinar().pk}/", {"poster": upload(GOOD["a PNG"])})
        assert (answer.status_code, Poster.objects.count()) == (403, 0)


@pytest.mark.django_db
class TestCopy:
    def test_copies_fields_and_poster_but_not_time_and_status(self, make_person, make_webinar):
        poster = store(render_upload(GOOD["a PNG"]))
        source = make_webinar("finished", poster=poster, forgotten_h=2.0, cta_text="Иду", length_min=45)
        client = Client(headers={"accept": "text/html"})
        speaker = make_person(Role.SPEAKER)
        client.force_login(speaker)
        answer = client.post(f"/admin_webinar/{source.pk}/copy")
        copy = Webinar.objects.exclude(pk=source.pk).get()
        assert answer.url == f"/admin_webinar/{copy.pk}/"
        assert (copy.title, copy.speaker_name, copy.player_url, copy.length_min, copy.cta_text) == (
            source.title,
            source.speaker_name,
            source.player_url,
            45,
            "Иду",
        )
        assert (copy.poster, copy.forgotten_h, copy.created_by) == (poster, 2.0, speaker)
        assert (copy.status, copy.starts_at, copy.withdrawn, copy.recording_url) == ("draft", None, False, "")

    @pytest.mark.parametrize("role", [Role.CANDIDATE, Role.PARTNER, Role.LEADER])
    def test_needs_the_capability(self, make_person, make_webinar, role):
        client = logged_in(make_person(role))
        assert client.post(f"/admin_webinar/{make_webinar().pk}/copy").status_code == 403
        assert Webinar.objects.count() == 1
