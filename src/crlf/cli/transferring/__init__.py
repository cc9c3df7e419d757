"""`crlf download` and `crlf upload`: files, with progress."""
