"""Player and chat URLs: URLs as people copy them become URLs that can be framed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.exceptions import ValidationError

from efir.webinars.embeds import MAX_LENGTH, clean_chat_url, clean_player_url

YOUTUBE = "https://www.youtube.com/embed/dQw4w9WgXcQ"
VK = "https://vk.com/video_ext.php?oid=-22822305&id=456239018"
RUTUBE = "https://rutube.ru/play/embed/10b3a03fc01d5bbcc632a2f3514e8aab"
VIMEO = "https://player.vimeo.com/video/123456"
VIMEO_EVENT = "https://vimeo.com/event/1234567/embed"
KINESCOPE = "https://kinescope.io/embed/nCFVVLjYZGmJoCzFtmsX3o"

COPIED = {
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ": YOUTUBE,
    "https://www.youtube.com/watch?app=desktop&v=dQw4w9WgXcQ&list=PL1&index=2": YOUTUBE,
    "https://youtube.com/watch?v=dQw4w9WgXcQ": YOUTUBE,
    "http://m.youtube.com/watch?v=dQw4w9WgXcQ": YOUTUBE,
    "youtube.com/watch?v=dQw4w9WgXcQ": YOUTUBE,
    " www.youtube.com/live/dQw4w9WgXcQ?si=x_Y-z ": YOUTUBE,
    "https://www.youtube.com/live/dQw4w9WgXcQ": YOUTUBE,
    "https://youtube.com/shorts/dQw4w9WgXcQ/": YOUTUBE,
    "https://youtu.be/dQw4w9WgXcQ?si=x_Y-z": YOUTUBE,
    "https://m.youtube.com/embed/dQw4w9WgXcQ": YOUTUBE,
    "https://youtu.be/dQw4w9WgXcQ?t=90": f"{YOUTUBE}?start=90",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=1h1m1s": f"{YOUTUBE}?start=3661",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&start=5": f"{YOUTUBE}?start=5",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=soon": YOUTUBE,
    "https://vk.com/video-22822305_456239018": VK,
    "https://vk.com/video-22822305_456239018?list=ln-abc": VK,
    "https://m.vk.com/video-22822305_456239018": VK,
    "https://vkvideo.ru/video-22822305_456239018": VK,
    "https://vkvideo.ru/playlist/-22822305_1/video-22822305_456239018": VK,
    "https://vk.com/videos-22822305?z=video-22822305_456239018%2Fpl_-22822305": VK,
    "https://vk.com/video1_2": "https://vk.com/video_ext.php?oid=1&id=2",
    "https://rutube.ru/video/10b3a03fc01d5bbcc632a2f3514e8aab/": RUTUBE,
    "https://rutube.ru/video/10b3a03fc01d5bbcc632a2f3514e8aab": RUTUBE,
    "https://www.rutube.ru/live/video/10b3a03fc01d5bbcc632a2f3514e8aab/?r=wd": RUTUBE,
    "https://rutube.ru/video/private/10b3a03fc01d5bbcc632a2f3514e8aab/?p=k-E_y": f"{RUTUBE}/?p=k-E_y",
    "https://vimeo.com/76979871": "https://player.vimeo.com/video/76979871",
    "https://www.vimeo.com/76979871/8272103f6e": "https://player.vimeo.com/video/76979871?h=8272103f6e",
    "https://kinescope.io/nCFVVLjYZGmJoCzFtmsX3o": KINESCOPE,
    "https://kinescope.io/nCFVVLjYZGmJoCzFtmsX3o/": KINESCOPE,
    '<iframe width="1" src="https://www.youtube.com/watch?v=dQw4w9WgXcQ&amp;t=5"></iframe>': f"{YOUTUBE}?start=5",
    "//youtu.be/dQw4w9WgXcQ": YOUTUBE,
    "https://studio.youtube.com/video/dQw4w9WgXcQ/livestreaming": YOUTUBE,
    "https://vk.com/clip-22822305_456239018": VK,
    "https://vk.ru/video_ext.php?oid=-22822305&id=456239018": VK,
    "<iframe width=1 src=https://youtu.be/dQw4w9WgXcQ allow=x></iframe>": YOUTUBE,
    "<iframe src=https://rutube.ru/play/embed/1>": "https://rutube.ru/play/embed/1",
    "https://vimeo.com/event/1234567": VIMEO_EVENT,
    "https://vimeo.com/event/1234567/": VIMEO_EVENT,
    "https://vimeo.com/event/1234567/embed": VIMEO_EVENT,
    "https://www.vimeo.com/event/1234567/embed?autoplay=1": VIMEO_EVENT,
    '<iframe src="https://vimeo.com/event/1234567/embed" allow="autoplay"></iframe>': VIMEO_EVENT,
    '<iframe src="https://vimeo.com/event/1234567"></iframe>': VIMEO_EVENT,
    '<iframe src="https://vimeo.com/event/1234567/embed/abcdef0123"></iframe>': f"{VIMEO_EVENT}/abcdef0123",
    "https://vimeo.com/event/1234567/abcdef0123": f"{VIMEO_EVENT}/abcdef0123",
    "https://vimeo.com/channels/staffpicks/123456": VIMEO,
    "https://vimeo.com/groups/shortfilms/videos/123456": VIMEO,
    "https://vimeo.com/showcase/111/video/123456": VIMEO,
    "https://vimeo.com/showcase/111/video/123456?share=copy": VIMEO,
    "https://vimeo.com/album/111/video/123456": VIMEO,
    "https://vimeo.com/manage/videos/123456/8272103f6e": f"{VIMEO}?h=8272103f6e",
    "https://www.youtube-nocookie.com/watch?v=dQw4w9WgXcQ": YOUTUBE,
    "https://youtube-nocookie.com/embed/dQw4w9WgXcQ": YOUTUBE,
    "https://www.youtube.com/v/dQw4w9WgXcQ": YOUTUBE,
    "https://www.youtube.com/v/dQw4w9WgXcQ?version=3&hl=ru": YOUTUBE,
    "https://youtube.com/v/dQw4w9WgXcQ&hl=ru_RU": YOUTUBE,
    "https://www.youtube.com/e/dQw4w9WgXcQ": YOUTUBE,
    "https://music.youtube.com/watch?v=dQw4w9WgXcQ&list=RD": YOUTUBE,
    "https://live.vkvideo.ru/efir": "https://live.vkvideo.ru/app/embed/efir",
    "https://live.vkvideo.ru/efir/?from=x": "https://live.vkvideo.ru/app/embed/efir",
    "https://vkplay.live/efir": "https://live.vkvideo.ru/app/embed/efir",
}

KEPT = [
    "",
    "https://www.youtube.com/embed/abc",
    "https://www.youtube.com/embed/abc?start=5&rel=0",
    "https://www.youtube.com/embed/videoseries?list=PL1",
    "https://www.youtube-nocookie.com/embed/abc",
    "https://vk.com/video_ext.php?oid=-1&id=2&hash=abc",
    "https://vkvideo.ru/video_ext.php?oid=-1&id=2",
    "https://rutube.ru/play/embed/1",
    "https://player.vimeo.com/video/1?h=2",
    "https://kinescope.io/embed/abc",
    "https://vimeo.com/showcase/111/embed",
    "https://live.vkvideo.ru/app/embed/efir?autoplay=1",
]


@pytest.mark.parametrize("copied", COPIED)
def test_copied_url_becomes_an_embed_url(copied):
    assert clean_player_url(copied) == COPIED[copied]
    assert clean_player_url(COPIED[copied]) == COPIED[copied]


@pytest.mark.parametrize("address", KEPT)
def test_embed_url_stays_as_it_is(address):
    assert clean_player_url(address) == address
    assert clean_chat_url(address) == address


CHANNELS = [
    "https://www.youtube.com/@channel",
    "youtube.com/@channel/live",
    "https://www.youtube.com/channel/UCabc/live",
    "https://vk.com/club1",
    "https://rutube.ru/channel/1/",
    "https://rutube.ru/video/person/123/",
]
PAGES = [
    "https://www.youtube.com/",
    "https://www.youtube.com/results?search_query=watch",
    "https://vk.com/durov",
    "https://rutube.ru/x",
    "https://vimeo.com/showcase/111",
    "https://vimeo.com/features/livestreaming",
    "https://live.vkvideo.ru/",
    "https://kinescope.io/embed",
    "https://kinescope.io",
]


@pytest.mark.parametrize("field", [clean_player_url, clean_chat_url])
@pytest.mark.parametrize("address", CHANNELS + PAGES)
def test_unframable_page_is_refused_with_advice(address, field):
    said = "Это страница канала" if address in CHANNELS else "Эту страницу нельзя показать в комнате"
    with pytest.raises(ValidationError, match=said + ".*скопируйте|" + said + ".*Подойдёт"):
        field(address)


def test_iframe_code_of_a_provider_is_trusted():
    address = "https://rutube.ru/new-embed/1"
    assert clean_player_url(f'<iframe src="{address}"></iframe>') == address
    assert clean_chat_url(f"<iframe src={address}></iframe>") == address


def test_added_host_is_trusted(settings):
    settings.FRAME_HOSTS = settings.FRAME_HOSTS | {"m.vk.com"}
    assert clean_chat_url("https://m.vk.com/live-chat/1/") == "https://m.vk.com/live-chat/1/"


@pytest.mark.parametrize(
    ("host", "typed", "framed"),
    [
        ("player.example:8443", "https://player.example:8443/x", "https://player.example:8443/x"),
        ("player.example:8443", "player.example:8443/x", "https://player.example:8443/x"),
        ("player.example", "https://player.example:443/x", "https://player.example:443/x"),
        ("xn--80abcmq4aw2g.xn--p1ai", "https://вебинары.рф/x", "https://xn--80abcmq4aw2g.xn--p1ai/x"),
    ],
)
def test_added_host_has_its_port_and_script(settings, host, typed, framed):
    settings.FRAME_HOSTS = settings.FRAME_HOSTS | {host}
    assert clean_player_url(typed) == framed


@pytest.mark.parametrize("typed", ["https://player.example/x", "https://player.example:8444/x"])
def test_port_of_an_added_host_counts(settings, typed):
    settings.FRAME_HOSTS = settings.FRAME_HOSTS | {"player.example:8443"}
    with pytest.raises(ValidationError, match="EFIR_FRAME_HOSTS"):
        clean_player_url(typed)


def test_refused_playlist_names_the_setting():
    with pytest.raises(ValidationError, match="EFIR_HLS_HOSTS"):
        clean_player_url("https://evil.example/x.m3u8")


@pytest.mark.parametrize(
    "copied",
    [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=5",
        "youtu.be/dQw4w9WgXcQ?si=x",
        "https://www.youtube.com/live/dQw4w9WgXcQ",
        "https://www.youtube.com/live_chat?v=dQw4w9WgXcQ",
        "https://www.youtube.com/live_chat?is_popout=1&v=dQw4w9WgXcQ",
        '<iframe src="https://www.youtube.com/live_chat?v=dQw4w9WgXcQ&amp;embed_domain=x.example"></iframe>',
    ],
)
def test_youtube_video_becomes_its_chat_for_this_host(copied, settings):
    settings.EFIR = replace(settings.EFIR, public_url="https://efir.example:8443")
    expected = "https://www.youtube.com/live_chat?v=dQw4w9WgXcQ&embed_domain=efir.example"
    assert clean_chat_url(copied) == expected
    assert clean_chat_url(expected) == expected


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/watch?v=dQw4w9WgXcQ",
        "https://evil.example/https://youtu.be/x",
        "https://youtu.be.evil.example/dQw4w9WgXcQ",
        "https://www.youtube.com:8443/x",
    ],
)
def test_unknown_provider_is_refused_with_the_allowed_ones(address):
    host = address.split("/")[2]
    allowed = rf"с адреса {host} не разрешён. Разрешены: YouTube, VK Видео, .*Vimeo"
    setting = rf".* пишет {host} в настройку EFIR_FRAME_HOSTS"
    with pytest.raises(ValidationError, match=f"Плеер {allowed}{setting}"):
        clean_player_url(address)
    with pytest.raises(ValidationError, match=f"Чат {allowed}{setting}"):
        clean_chat_url(address)


def test_provider_without_encryption_is_refused():
    with pytest.raises(ValidationError, match="начинается с https"):
        clean_player_url("http://www.youtube.com/embed/x")


@pytest.mark.parametrize(
    "text",
    [
        'javascript:alert(1)//"',
        "ftp://youtu.be/dQw4w9WgXcQ",
        "x",
        "https://[",
        "https://www.youtube.com:x/",
        "https://me@www.youtube.com/embed/abc",
        "https://www.youtube.com/embed/a b",
        "https://www.youtube.com/embed/" + "a" * MAX_LENGTH,
        "https://youtu.be/" + "a" * MAX_LENGTH,
    ],
)
def test_text_that_is_no_url_is_refused(text):
    for field in (clean_player_url, clean_chat_url):
        with pytest.raises(ValidationError, match="Это не адрес"):
            field(text)


def test_url_must_fit_the_column():
    short = "youtu.be/" + "a" * (MAX_LENGTH - len("https://youtu.be/"))
    with pytest.raises(ValidationError, match="Это не адрес"):
        clean_player_url(short)


@pytest.fixture
def media_host(settings):
    """Set up an installation on https that may play HLS from one other host and from itself."""
    settings.EFIR = replace(settings.EFIR, public_url="https://efir.example")
    settings.HLS_HOSTS = ("live.example:8443",)
    settings.HLS_ORIGINS = ("https://live.example:8443",)


@pytest.mark.parametrize(
    "address",
    [
        "https://live.example:8443/x/stream.m3u8",
        "https://live.example:8443/stream.M3U8?key=1",
        "https://efir.example/hls/stream.m3u8",
        "efir.example/hls/stream.m3u8",
    ],
)
def test_hls_is_allowed_from_configured_hosts(media_host, address):
    assert clean_player_url(address).removeprefix("https://") == address.removeprefix("https://")
    with pytest.raises(ValidationError, match=r"Чат с адреса (live|efir)\.example.* не разрешён"):
        clean_chat_url(address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://evil.example/x.m3u8", "Разрешены: efir.example, live.example:8443."),
        ("https://live.example/x.m3u8", "Разрешены: efir.example, live.example:8443."),
        ("https://kinescope.io/abc/master.m3u8", "kinescope.io в настройку EFIR_HLS_HOSTS"),
        ("http://live.example:8443/x.m3u8", "только по https"),
        ("http://efir.example/x.m3u8", "только по https"),
        ("https://me@live.example:8443/x.m3u8", "Это не адрес"),
        ("https://live.example:port/x.m3u8", "Это не адрес"),
    ],
)
def test_hls_from_another_host_is_refused(media_host, address, said):
    with pytest.raises(ValidationError) as refused:
        clean_player_url(address)
    assert said in refused.value.messages[0]
