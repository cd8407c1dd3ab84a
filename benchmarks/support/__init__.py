"""What the benchmarks share: projects, servers, connections, load, the table."""
