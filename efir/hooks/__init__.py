"""The contract between Efir's modules: typed events, the two inbound actions, `listen`, `emit`, the journal.

This package imports no other app: an emitter does not know its listeners, and a listener imports the contract, not
the emitter.
"""
