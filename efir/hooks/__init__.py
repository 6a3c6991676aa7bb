"""The contract between Efir's modules: typed events, the two inbound actions, `listen`, `emit`, the journal.

This package knows nobody: an emitter does not know its listeners, and a listener imports the contract, not the
emitter.
"""
