"""Health: checks as data, one background checker, verdicts that probes read without waiting."""
