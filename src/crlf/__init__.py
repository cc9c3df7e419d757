"""crlf: both ends of HTTP for Python."""
