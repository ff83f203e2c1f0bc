"""Data in shards: files by pattern or address, compressed or not, read as streams; archives read where they stand."""
