"""Set-up of the first administrator, sign-in, sign-out."""
