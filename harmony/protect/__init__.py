"""What the devices say: Protect registers and checks in; findings become risk, contact becomes status."""
