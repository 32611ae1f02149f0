"""What ML Metadata knows of past runs, and what people decided about their models."""
