"""ASGI in front of Django: the schedule for guests, the room, its state and files are answered from memory.

A request that is not the plain case (no access, an error, a message to show) is left to Django.
"""
