"""iSTFTNet's generator on a CPU: 8-bit convolutions of oneDNN, and all that lies between two in one pass.

The ONNX graph has the weights as integers of 8 bits, and these are taken as they are. What goes into a
convolution is quantised to 8 bits with the range that it has in this very sentence: the range of each channel
before normalisation is found in the pass that finds its mean and variance, normalisation is affine, and a
snake activation never falls. So nothing needs calibration.

    convolution.py ── normalisation.py ── block.py ── onednn.py
"""

from src.engines.kokoro.generator.onednn import OneDnnGenerator

__all__ = ["OneDnnGenerator"]
