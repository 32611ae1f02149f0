"""The network: encoder, decoder, their layers and the first weights."""
