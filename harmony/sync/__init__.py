"""The device sync: reading devices from the UEM, writing what changed, deleting what is gone."""
