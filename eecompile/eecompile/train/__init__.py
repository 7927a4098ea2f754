"""Train heads on a trunk, frozen or together.

**Frozen** (default). The trunk runs in evaluation mode and nothing in it changes. The features of all taps and the
trunk's own answer come from one pass over the same augmented samples; they are kept in memory-mapped files as far as
the bound allows, from the answer back to shallower taps, and what does not fit is computed again in every epoch. All
heads learn in one pass over the samples; a head's loss does not reach any other head, except through modules that both
use.

**Joint**. Trunk and heads learn together from a weighted sum of the exits' losses; normalisation layers take the
statistics of the batch.

A seeded share of the training samples is held out. After every epoch each head is measured on it, in float32, and the
weights of its best epoch are kept; epoch 0 is the head as it was given. Heads that share modules are kept together, by
the mean of their scores; so is the whole network in joint mode.

Steps are SGD with Nesterov momentum; the learning rate rises linearly and then falls as a cosine. Heads differ by
orders of magnitude in the rate that they bear, so a gradient that would move a layer by more than 0.3 % of its length
is shortened. A head whose loss is not finite goes back to its best weights at half the rate; others do not notice.

Everything random comes from the seed, and the generators of the caller are left as they were. On a CPU the same seed
and data give the same bits, also when a run is interrupted and resumed.
"""
