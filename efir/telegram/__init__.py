"""The outbox, the dispatcher that empties it into Telegram, and the link between a person and a chat.

It knows how a message is kept and sent, not what it says: whoever has something to say registers a kind.
"""
