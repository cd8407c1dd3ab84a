"""The fleet: processes that announce changes, acknowledge them, and know of one another."""
