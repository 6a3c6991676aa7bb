"""Telegram: the outbox, the dispatcher that sends it, and the link between a person and a chat.

This app stores and sends messages. Their texts come from the apps that register a message type.
"""
