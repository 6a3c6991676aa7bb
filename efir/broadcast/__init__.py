"""The own broadcast: chunks of a recorder come in, segments and playlists go out, and the recording stays."""
