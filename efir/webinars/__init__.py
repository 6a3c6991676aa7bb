"""Core: the webinar and its lifecycle, the two inbound hooks, seats, the schedule, the speaker's page.

This is the only package that writes a webinar's status or the visibility of its call-to-action.
"""
