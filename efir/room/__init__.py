"""The live room: page, stream, and the presence that the server records."""
