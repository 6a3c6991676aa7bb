"""Posters: uploads are decoded, rendered again in a few sizes, and stored in the database."""
