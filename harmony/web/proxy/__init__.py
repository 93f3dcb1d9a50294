"""The page of the proxy that direct calls leave through."""
