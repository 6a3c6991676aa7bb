"""Views of a person's own chat and of a webinar's messages."""
