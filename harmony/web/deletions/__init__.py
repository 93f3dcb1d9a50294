"""The pages of held deletions."""
