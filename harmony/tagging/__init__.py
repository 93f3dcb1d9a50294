"""What the UEM is told about a device, as tags."""
