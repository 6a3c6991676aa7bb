"""Efir: self-hosted live webinars with attendance verdicts and follow-up in Telegram."""
