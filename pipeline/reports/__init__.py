"""What a person sees of runs: published reports, comparisons, and the summary in the terminal."""
