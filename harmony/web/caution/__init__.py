"""The page that a restore is confirmed on."""
