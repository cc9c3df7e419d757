"""Programs made with crlf, to read and to run."""
