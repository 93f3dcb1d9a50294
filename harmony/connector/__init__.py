"""The Connector: the agent inside a customer's network, and the words it and the dashboard exchange."""
