"""A simulated Workspace ONE UEM: its REST wire format over real TLS, written from the fact sheet alone."""
