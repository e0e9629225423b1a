"""Training of the stress models: windows, features, networks, export, study."""
