"""The audit log: who did what, when and to what. It has ids, never somebody's name, login or contacts.

A webinar's texts are in it with their values before and after; of a speaker's name only the fact that it changed
(`untold`).

Actions that have a record elsewhere are not written twice: starts, stops and the call-to-action are in the ledger,
decided verdicts in the journal. For these only the IP address is stored here.
"""
