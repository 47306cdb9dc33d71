"""Marks that end a sentence or a clause, in any script, with the quotes and brackets that may follow."""

import re

SENTENCE_END = re.compile(r"[.!?…。！？]['\"”’»)\]]*$")
CLAUSE_END = re.compile(r"[,;:，、；：–—]['\"”’»)\]]*$")
