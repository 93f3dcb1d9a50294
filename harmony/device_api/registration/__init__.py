"""Registration of Protect apps: who may register a device, and what it takes over."""
