"""What the data should look like, and whether they do: schema, ranges, drift between spans."""
