"""The device API, /protect/v1: Protect apps register, check in and unregister."""
