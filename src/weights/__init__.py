"""How weights arrive: downloads, archives, data packages, and the folder that keeps them.

`store.py` says which models there are and where each comes from; nothing else imports this.
"""
