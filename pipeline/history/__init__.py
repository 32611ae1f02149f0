"""Past runs as recorded in ML Metadata, and people's decisions about models."""
