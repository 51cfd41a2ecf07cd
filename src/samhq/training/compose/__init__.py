"""Training pictures composed of photographs, cut-outs, backgrounds and drawn thin things.

A folder of photographs with masks is rarely enough for thin objects, parts and clutter. This package makes many
pictures of each photograph: closer, rotated, with pasted objects and drawn cables. Masks are always exact. Knows
nothing about networks or prompts.
"""
