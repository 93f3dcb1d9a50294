"""Sign-in through the OpenID provider, and its settings."""
