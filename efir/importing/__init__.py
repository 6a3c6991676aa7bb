"""Import people and webinars of another system; today that is the WordPress original."""
