"""The dashboard's side of a Connector: calls wait in the database until an agent takes and answers them."""
