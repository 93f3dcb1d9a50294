"""The pages of users: the list, an invitation, one user, the roles."""
