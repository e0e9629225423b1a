"""Training of the voice model: data, networks, fitting, export, study."""
