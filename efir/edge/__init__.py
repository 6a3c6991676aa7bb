"""What many ask at once is answered here, before Django: the schedule for guests, the room and its state, static files.

Whatever is not the plain case (no access, an error, a message to show) is left to Django, which alone decides it.
"""
