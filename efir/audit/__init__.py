"""The audit log: who did what, when, on what. It holds numbers, never somebody's name, log-in or contacts.

A webinar's words are in it as they were before and after; of a speaker's name (`untold`) only that it changed.

What has a record of its own is not written twice: starts, stops and the call-to-action are in the ledger, decided
verdicts in the journal. Only the address they came from is kept here.
"""
