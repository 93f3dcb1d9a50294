"""The pages of an integration."""
