"""Files of text as everybody reads them: their encodings, their lines, and what is told of how they were taken."""
