"""Parts of heads, in torch."""
