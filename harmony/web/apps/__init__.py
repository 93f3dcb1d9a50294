"""The pages of apps."""
