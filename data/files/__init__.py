"""Access to local and remote files."""
