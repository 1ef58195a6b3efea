"""One HTML file of what was found, and sheets of pictures."""
