"""Creates the report of a run: metrics, verdicts, pictures of predictions and an HTML page."""
