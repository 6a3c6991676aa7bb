"""ASGI in front of Django: the schedule for guests, the room, its state and files are answered from memory.

Other requests (no access, an error, a message to show) are left to Django.
"""
