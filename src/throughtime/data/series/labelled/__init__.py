"""Series with what is to be told of them, and what models see of them."""
