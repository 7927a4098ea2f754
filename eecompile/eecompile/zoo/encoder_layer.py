"""One layer of a transformer encoder, as in BERT: normalised after each sum."""

from math import sqrt

from torch import Tensor, nn

__all__ = ["EncoderLayer"]


class Attention(nn.Module):
    """Multi-head self-attention: softmax(query key^T / sqrt(width of a head) + bias) value, and a linear layer.

    It is written out, so that it becomes plain matrix products in ONNX.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = 1 / sqrt(width // heads)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Map `[batch, length, width] float32` to the same shape; `bias` is `[batch, 1, 1, length]`, by key."""
        query, key, value = (self._by_head(part(x)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(2, 3) * self.scale + bias
        mixed = self.dropout(scores.softmax(-1)) @ value
        result: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return result

    def _by_head(self, x: Tensor) -> Tensor:
        """Map `[batch, length, width]` to `[batch, heads, length, width / heads]`."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, x.shape[2] // self.heads).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward part with GELU, each added to its input and normalised.

    Source: Vaswani et al., Attention Is All You Need, 2017, section 3.1, with BERT's GELU and dropout of 0.1.

    Args:
        width: of a token's feature.
        heads: attention heads.
        feed_forward: width inside the feed-forward part.
    """

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.inner = nn.Linear(width, feed_forward)
        self.gelu = nn.GELU()
        self.outer = nn.Linear(feed_forward, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Map `[batch, length, width] float32` to the same shape.

        Args:
            x: features of the tokens.
            bias: `[batch, 1, 1, length] float32`, added to the attention scores of each token: 0, or far below it for
                padding.
        """
        x = self.attention_norm(x + self.dropout(self.attention(x, bias)))
        result: Tensor = self.norm(x + self.dropout(self.outer(self.gelu(self.inner(x)))))
        return result
