"""The page of one's own account: password and sessions; asking for the password again."""
