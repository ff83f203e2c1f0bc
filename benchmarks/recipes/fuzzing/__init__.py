"""A mutation fuzzer: what is read, how it is damaged, and the processes that read it."""
