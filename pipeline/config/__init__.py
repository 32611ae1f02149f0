"""The config file: one model for each section, and how a file is read."""
