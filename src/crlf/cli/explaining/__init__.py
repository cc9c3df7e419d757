"""`crlf explain`: the wire, and what each byte of it means."""
