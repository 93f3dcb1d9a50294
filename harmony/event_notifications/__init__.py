"""Event notifications of a UEM: an address for each integration, and what arrives there."""
