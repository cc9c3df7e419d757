"""From a command line to a request: URLs, items, content, credentials, sessions, settings."""
