"""Voice: chunks of sound in, embeddings of stretches of speech out."""
