"""Presents the results of runs in published reports, comparisons and a terminal summary."""
