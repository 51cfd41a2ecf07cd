"""Tests of samhq, file by file as the source lies; shared material is in `conftest.py`, `tiny.py` and `golden/`."""
