"""Apps on the devices: read from the UEM or reported by Protect, and the decisions about them."""
