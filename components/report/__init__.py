"""What a person looks at after a run: the verdict in numbers, and pictures of predictions."""
