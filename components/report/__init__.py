"""The report of a run: its metrics and verdicts, pictures of predictions, and the page."""
