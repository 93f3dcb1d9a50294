"""Which servers are called: addresses, networks that are refused, certificates, TLS."""
