"""Past runs as ML Metadata records them, and people's decisions about their models."""
