"""The demo: the whole system on one address, with sample people and a fake Telegram."""
