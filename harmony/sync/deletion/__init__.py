"""Missing devices: marked, held for a person, deleted softly, restored."""
