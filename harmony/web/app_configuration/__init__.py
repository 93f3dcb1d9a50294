"""The pages of the app configuration of Protect."""
