"""Programs as text for LLVM, and the object code made of it."""
