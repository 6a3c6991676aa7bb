"""The own broadcast: receives a recorder's chunks, serves segments and playlists, and makes the recording."""
