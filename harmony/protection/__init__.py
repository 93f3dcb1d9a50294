"""How devices are: threat factors, risk, status, and the policy that says what they mean."""
