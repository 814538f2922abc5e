"""Stores of training crops: a memory-mapped pixel array and a Parquet index.

Conventions as in `faces`: x right, y down, integer coordinates at pixel centres, RGB uint8 [H, W, 3],
left and right of landmarks as seen in the image. Unknown numbers are NaN. A person is in one split
only.
"""
