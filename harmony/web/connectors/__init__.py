"""The pages of Connectors: the list, and one Connector with its agents."""
