"""People: their consent and their resting baseline."""
