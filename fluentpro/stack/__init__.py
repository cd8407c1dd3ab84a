"""The local production-like stack: PostgreSQL, Valkey and OpenBao from wheels, without Docker or root."""
