"""The tables of the operators' overrides; `fluentpro.fleet.ledger` reads and writes them."""
