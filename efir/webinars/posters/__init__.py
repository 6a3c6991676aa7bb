"""Posters: uploads are decoded, rendered anew in a few sizes, and stored in the database."""
