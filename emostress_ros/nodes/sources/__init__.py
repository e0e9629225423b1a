"""Live sensors as publishers; each needs the extra `live`."""
