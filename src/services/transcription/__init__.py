"""The pieces of speech to text, in the order in which audio passes them.

`segmenter`: blocks of audio -> chunks of speech, each with its place in the recording.
`chunks`: the chunks of any source of blocks, read on a thread, as they are asked for.
`language`: the language of the recording, from its first chunks.
`rows`: a chunk -> the engine -> its transcripts.
`finished`: what was read, so that another process can go on after it.
`placement`: times in a chunk -> times in the recording.
`builder`: transcripts -> segments with times in the recording, and the whole text.
"""
