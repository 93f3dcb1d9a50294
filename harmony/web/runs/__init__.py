"""The pages of runs: device syncs, app syncs, tagging."""
