"""Networks at their precision: what their products multiply, the ranges of that, and what rounding does to the answers."""
