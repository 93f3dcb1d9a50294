"""The protection of devices: threat factors, risk and status, and the policy that decides them."""
