"""A BERT-shaped encoder for text classification.

Source: Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, 2019.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eecompile.zoo.encoder_layer import EncoderLayer
from eecompile.zoo.plain_network import PlainNetwork
from eengines.errors import IngestError

__all__ = ["BertEncoder", "BertShape", "bert_encoder"]

_MASKED = -1e4
"""Added to the attention scores of padding: exp of it is 0 in float32, and it is finite in float16, too."""


@dataclass(frozen=True, kw_only=True)
class BertShape:
    """The sizes of an encoder; see `bert_encoder`.

    Raises:
        IngestError: the width cannot be shared among the heads.
    """

    vocabulary: int
    classes: int
    layers: int
    width: int
    heads: int
    feed_forward: int
    max_length: int
    pad: int

    def __post_init__(self) -> None:
        if self.width % self.heads:
            problem = f"got width {self.width} and {self.heads} heads, expected a width that the heads divide"
            raise IngestError("arch_kwargs 'heads'", problem, "Correct the arguments of the architecture")


class Embeddings(nn.Module):
    """The sum of a token's, its position's and segment 0's vector, normalised."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocabulary, shape.width, padding_idx=shape.pad)
        self.positions = nn.Embedding(shape.max_length, shape.width)
        self.token_types = nn.Embedding(2, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Map tokens `[batch, length] int64` to `[batch, length, width] float32`."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.words(input_ids) + self.positions(places) + self.token_types.weight[0]
        embedded: Tensor = self.dropout(self.norm(x))
        return embedded


class PoolerHead(nn.Module):
    """BERT's own head: token 0, a linear layer, tanh (the pooler), dropout, a linear layer to the classes."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.1)
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, length, width] float32` to logits `[batch, classes]`."""
        logits: Tensor = self.linear(self.dropout(torch.tanh(self.pooler(x[:, 0]))))
        return logits


class BertEncoder(PlainNetwork):
    """Embeddings, encoder layers `layers.0`, `layers.1`, …, and the head. See `bert_encoder`."""

    own_head = "head"

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.layers = nn.ModuleList(
            EncoderLayer(shape.width, shape.heads, shape.feed_forward) for _ in range(shape.layers)
        )
        self.head = PoolerHead(shape.width, shape.classes)
        self._initialise()

    @property
    def tap_names(self) -> tuple[str, ...]:
        """Every encoder layer; a tap is `[batch, length, width]`."""
        return tuple(f"layers.{index}" for index in range(len(self.layers)))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Map texts to logits `[batch, classes]`.

        Args:
            input_ids: `[batch, length] int64`, tokens; any length up to the greatest.
            attention_mask: `[batch, length] int64`, 1 for tokens and 0 for padding, which is behind the tokens.
        """
        x = self.embeddings(input_ids)
        bias = (1 - attention_mask.to(x.dtype))[:, None, None, :] * _MASKED
        for layer in self.layers:
            x = layer(x, bias)
        logits: Tensor = self.head(x)
        return logits

    def _initialise(self) -> None:
        """Draw weights from a normal distribution of standard deviation 0.02, as BERT does; biases are 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        padding = self.embeddings.words.padding_idx
        with torch.no_grad():
            self.embeddings.words.weight[padding].zero_()


def bert_encoder(  # noqa: PLR0913, PLR0917 - the arch_kwargs of a checkpoint are plain values
    vocabulary: int,
    classes: int,
    layers: int,
    width: int,
    heads: int,
    feed_forward: int,
    max_length: int,
    pad: int = 0,
) -> BertEncoder:
    """Make an encoder whose answer does not depend on how much padding follows a text.

    Its inputs are `input_ids` and `attention_mask`; every token is of segment 0. BERT-base is (30522, classes, 12, 768,
    12, 3072, 512): 109,482,240 parameters without the last linear layer.

    Args:
        vocabulary: number of tokens.
        classes: the number of classes.
        layers: encoder layers.
        width: of a token's feature.
        heads: attention heads of a layer; they divide the width.
        feed_forward: width inside a layer's feed-forward part.
        max_length: tokens of the longest text.
        pad: the token that stands for padding.

    Raises:
        IngestError: the heads do not divide the width.
    """
    return BertEncoder(
        BertShape(
            vocabulary=vocabulary,
            classes=classes,
            layers=layers,
            width=width,
            heads=heads,
            feed_forward=feed_forward,
            max_length=max_length,
            pad=pad,
        )
    )
