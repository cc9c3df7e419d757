"""One exchange, from a request to an exit code."""
