"""Work outside the request: the queue is a doorbell only, what is due stands in the database."""
