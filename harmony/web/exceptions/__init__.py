"""The page of exceptions in force."""
