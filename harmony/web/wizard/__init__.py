"""The wizard: server, synchronization, tagging, deployment."""
