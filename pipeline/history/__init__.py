"""Past runs and people's decisions about models, as recorded in ML Metadata."""
