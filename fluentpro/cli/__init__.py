"""The `fluentpro` command. It works when Django cannot start."""
