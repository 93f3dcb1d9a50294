"""Verify: from a typed address to readable devices, one check at a time."""
