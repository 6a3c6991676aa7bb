"""Operations: the command line, the server, the worker, health, and the demo."""
