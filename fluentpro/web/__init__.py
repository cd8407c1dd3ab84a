"""Django: settings derived from the snapshot, and the bridge that keeps them in step."""
