"""Import people and webinars from another system: the WordPress original."""
