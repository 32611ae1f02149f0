"""The network: encoder, decoder, custom layers, initial weights and inspection."""
