"""The page that explains the state of a device."""
