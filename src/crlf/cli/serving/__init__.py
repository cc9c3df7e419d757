"""`crlf serve`: its options, its settings, and how it is run."""
