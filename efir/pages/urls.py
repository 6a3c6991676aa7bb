"""Addresses of the composed pages."""

from __future__ import annotations

from django.urls import path, re_path

from efir.broadcast.recording_links import LINK_PATTERN
from efir.pages import (
    account,
    audit,
    candidate,
    own_webinars,
    player_trial,
    recording,
    room,
    rtmp_proxy,
    seat,
    signup,
    site,
    speaker,
    speaker_actions,
    studio,
)

urlpatterns = [
    path("signup/", signup.sign_up, name="signup"),
    path("account/", account.account, name="account"),
    path("account/contact_details", account.contact_details, name="contact_details"),
    path("account/contacts/", account.contacts, name="contacts"),
    path("account/candidates/<id:person_id>/", candidate.candidate, name="candidate"),
    path("account/webinars/", own_webinars.own_webinars, name="own_webinars"),
    path("account/recordings/<id:webinar_id>/", own_webinars.own_recording, name="own_recording"),
    path("account/seats/<id:webinar_id>/", seat.seat, name="own_seat"),
    path("account/seats/<id:webinar_id>/remind", seat.remind, name="seat_remind"),
    path("account/seats/<id:webinar_id>/device", seat.device, name="seat_device"),
    path("account/site/", site.site_settings, name="site_settings"),
    path("account/audit/", audit.audit_log, name="audit_log"),
    path("account/webinar_room/", room.room, name="current_room"),
    path("account/webinar_room/<id:webinar_id>/", room.room, name="room"),
    path("admin_webinar/", speaker.webinar_list, name="speaker_list"),
    path("admin_webinar/new/", speaker.new_webinar, name="speaker_new"),
    path("admin_webinar/player/", player_trial.try_player, name="try_player"),
    path("admin_webinar/<id:webinar_id>/", speaker.webinar_page, name="speaker"),
    path("admin_webinar/<id:webinar_id>/studio/", studio.studio, name="studio"),
    path("admin_webinar/<id:webinar_id>/start", speaker_actions.start, name="webinar_start"),
    path("admin_webinar/<id:webinar_id>/stop", speaker_actions.stop, name="webinar_stop"),
    path("admin_webinar/<id:webinar_id>/cta", speaker_actions.cta, name="webinar_cta"),
    path("admin_webinar/<id:webinar_id>/copy", speaker_actions.copy, name="webinar_copy"),
    path("admin_webinar/<id:webinar_id>/delete", speaker_actions.delete, name="webinar_delete"),
    path("admin_webinar/<id:webinar_id>/publish", speaker_actions.publish, name="webinar_publish"),
    path("admin_webinar/<id:webinar_id>/withdraw", speaker_actions.withdraw, name="webinar_withdraw"),
    path("admin_webinar/<id:webinar_id>/recording", speaker_actions.recording, name="webinar_recording"),
    path("admin_webinar/<id:webinar_id>/stream_key", speaker_actions.stream_key, name="stream_key"),
    path("broadcast/on_publish", rtmp_proxy.on_publish, name="rtmp_on_publish"),
    re_path(rf"^recordings/(?P<token>{LINK_PATTERN})/$", recording.page, name="recording"),
    re_path(
        rf"^recordings/(?P<token>{LINK_PATTERN})/video\.(?P<kind>m3u8|mp4)$",
        recording.video,
        name="recording_video",
    ),
]
