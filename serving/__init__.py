"""The served model, a client of model servers, and a local model server."""
