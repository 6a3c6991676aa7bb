"""Coming over from another system: today, from the WordPress original."""
