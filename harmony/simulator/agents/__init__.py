"""Simulated Protect apps: HTTP clients of /protect/v1 with scripted threats, written from its contract."""
