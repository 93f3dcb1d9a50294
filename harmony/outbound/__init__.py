"""All that leaves for other systems: destinations, their formats, and the one delivery from the feed."""
