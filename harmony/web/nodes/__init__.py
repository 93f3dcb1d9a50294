"""The page of the nodes: which processes of Harmony run, and where."""
