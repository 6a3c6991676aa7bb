"""The schedule, seats, the speaker's page and its controls: one module for each."""
