"""Efir: live webinars that recruit."""
