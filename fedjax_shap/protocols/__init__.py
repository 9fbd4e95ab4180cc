"""Protocols: what parties tell one another, as messages, and transcripts of who could read what."""
