"""The audit log as people read it: the page and the command line."""
