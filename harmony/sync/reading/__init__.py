"""Reading the devices of an integration: pages of the UEM, every row of them accounted for."""
