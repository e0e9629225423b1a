"""Training of the fusion: pairs, spoiled senses, strategies, export, figures."""
