"""Notices to operators: what is wrong, who wants to hear of it, and what is announced when."""
