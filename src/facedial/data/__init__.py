"""Stores of training crops: one memory-mapped pixel array and a Parquet index.

Convention: as in `faces`: x right, y down, integer coordinate = pixel centre, RGB uint8 [H, W, 3],
left and right of landmarks as seen in the image.  An unknown number is NaN, never a guess.
A person is in one split only.
"""
