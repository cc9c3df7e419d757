"""What shells and readers of manuals are given: completion and the man page."""
