"""The service on several machines, with Ray Serve.

The only package that imports `ray`, which is installed by `requirements-ray.txt` alone. See docs/scale.md.
"""
