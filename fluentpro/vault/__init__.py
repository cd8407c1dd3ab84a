"""Secrets from a Vault or OpenBao: read over hvac, kept current while the process runs."""
