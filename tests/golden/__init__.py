"""Outputs of the published implementation on weights and pictures that are functions of names and sizes."""
