"""The commands of `tamis.cli`: what they take, and what they print."""
