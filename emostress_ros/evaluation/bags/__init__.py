"""Bags: made from media, read back, and the sample that a first run makes."""
