"""Tables that people have: CSV, TSV and JSON lines, their headings, and which column holds what."""
