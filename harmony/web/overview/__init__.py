"""The overview: what needs a person, and the devices of all integrations in numbers."""
