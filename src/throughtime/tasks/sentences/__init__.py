"""Tasks on sentences: sentiment, of flat texts and of trees, and named entities."""
