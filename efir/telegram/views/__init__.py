"""One's own chat, and the messages of a webinar: one module for each."""
