"""Exports and serves trained models, with a client for model servers and a local server."""
