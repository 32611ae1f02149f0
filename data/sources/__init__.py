"""Data sources: a module for each kind finds the pairs, and `registry` lists the kinds.

`pairs` assigns groups and splits to the pairs.
"""
