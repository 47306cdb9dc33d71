"""Kokoro-82M in PyTorch, filled with the weights of the ONNX file: for a GPU.

The architecture is StyleTTS 2 (Li et al., 2023) with the generator of iSTFTNet (Kaneko et al., 2022). Modules
have the names that they have in the package `kokoro` (Apache 2.0), whose `KModel` was exported: so their
weights are found by name. As the export does, and unlike that package, it adds no noise and no random phase
to the harmonic source.
"""
