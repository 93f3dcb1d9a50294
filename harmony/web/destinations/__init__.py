"""The pages of destinations: webhooks, syslog servers, HTTP collectors and files."""
