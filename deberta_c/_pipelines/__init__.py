"""Task pipelines: from texts to labels, entities and fills."""
