"""Mail: one message as bytes, one SMTP connection, and every failure with a next step."""
