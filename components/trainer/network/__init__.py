"""The network: encoder, decoder, their layers, and the weights it starts from."""
