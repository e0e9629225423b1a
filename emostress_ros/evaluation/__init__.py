"""Bag in, report out: media to bags, recorded states to figures."""
