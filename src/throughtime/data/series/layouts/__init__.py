"""How files lay series out: long, wide, a series a row, the Monash archive, JSON lines."""
