"""Messages that leave the dashboard: the outbox, its delivery, and what each kind of message says."""
