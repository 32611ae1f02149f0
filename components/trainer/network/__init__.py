"""The network: encoder, decoder, their layers and the initial weights."""
