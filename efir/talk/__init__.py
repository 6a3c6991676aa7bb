"""The room's talk: questions and chat."""
