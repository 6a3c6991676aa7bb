"""Django's backend for SQLite, with a fair queue for the writers of this process."""
