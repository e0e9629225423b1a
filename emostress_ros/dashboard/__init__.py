"""The web page that shows a running graph."""
