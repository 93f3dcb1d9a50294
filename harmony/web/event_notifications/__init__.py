"""The page of an integration's event notifications: what to paste into the UEM, and what arrived."""
