"""Training of the text model: data, encoders, heads, fine-tuning, export, study."""
