"""The tokens that open the operators' API: made by a command, kept as hashes."""
