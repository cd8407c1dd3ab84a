"""WebSockets: what is told to an open page, and when."""
