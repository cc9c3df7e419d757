"""Watching: logs, measures, health and timing of a server."""
