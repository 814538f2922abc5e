"""Codes: 1,024 numbers a face, the attributes they are labelled with, their moments, PCA.

Convention: a code is float32 [D], whitened over training people (every number has mean 0 and
standard deviation 1 there) and stamped with the id of its model (`space`). A reading is a linear
estimate of an attribute, scaled so that people without it read 0 and people with it read 1 on
average. numpy only; nothing here opens a model.
"""
