"""Training of the face model: data, networks, fitting, export, study."""
