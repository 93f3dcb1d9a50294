"""The pages of messages: the mail server, the channels and the queue."""
