"""Results of runs for people: published reports, comparisons and the terminal summary."""
