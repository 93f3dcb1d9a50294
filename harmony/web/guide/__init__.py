"""The guide: the steps in the console of the UEM, with the values of this integration."""
