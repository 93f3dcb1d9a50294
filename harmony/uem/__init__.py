"""The outside world: a typed, careful client for the UEM that an administrator named."""
