"""Workspace ONE UEM: its endpoints, its wire format and its ways to sign in."""
