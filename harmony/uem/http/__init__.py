"""HTTP calls to a UEM: sessions, deadlines, retries, rate limits, typed errors."""
