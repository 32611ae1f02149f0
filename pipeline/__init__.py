"""The pipeline: its config, its wiring, its runners, its command line."""
