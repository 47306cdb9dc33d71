"""Numba kernels for the small operations between a network's matrix products.

PyTorch has an operation for each line of these kernels. One decoder step over one row needs 400 of them, and
their call overhead is longer than their arithmetic. So each kernel here is a single pass over the rows.

    jit.py ── scalar.py ── rows.py        scaling, GELU, layer normalisation
                        ── attention.py   self-attention of a decoder step
                        ── byte_rows.py, byte_attention.py (on byte_tiles.py, tiles.py)
                                          products of rows of bytes; cross-attention of a decoder step
                        ── encoder_attention.py (on word_tiles.py, tiles.py)
                                          the encoder's attention; with AVX2 alone, cross-attention too
                        ── time_convolution.py, half_rows.py (on float_tiles.py, tiles.py)
                                          convolutions over time, products with float16, for AVX2
                        ── tacotron.py    gates of an LSTM cell, energies of additive attention
                        ── sampling.py    log-softmax with a mask, top-k
                        ── alignment.py   median filter, dynamic time warping
                        ── snake.py       snake activation, moments of channels

All arrays are C-contiguous. A kernel works on each row by itself, so that a row's numbers do not depend on
the other rows of its batch.
"""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
"""Shape (rows, width)."""
Vector = NDArray[np.float32]
"""One number for each row, or one for each column."""
Heads = NDArray[np.float32]
"""Shape (tokens, heads, head width)."""
Mask = NDArray[np.bool_]
"""Which slots each new token attends to: shape (tokens, slots in use and these tokens)."""
