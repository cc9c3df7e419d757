"""Processes: one that looks after others, and what is said between them."""
