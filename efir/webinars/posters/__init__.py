"""Posters: read with suspicion, made anew in a few sizes, kept in the database, served for ever."""
