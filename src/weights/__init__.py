"""How weights arrive, and the folder that keeps them. Others import `store.py`, which says what there is."""
