"""Training pictures put together from photographs, cut-outs, backgrounds and drawn thin things.

A folder of photographs with masks is rarely enough for thin objects, parts and clutter. This package turns every
photograph into many: seen closer, turned, with other objects pasted onto it and cables drawn across it, the masks
always exact. Knows nothing about networks or prompts.
"""
