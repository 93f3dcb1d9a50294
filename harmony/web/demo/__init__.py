"""Demo mode: a device in the visitor's hand."""
