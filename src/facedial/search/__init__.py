"""An index of the faces of many photos, searched by person, by code or by attribute.

The truth is Parquet, a row a face; graphs of nearest neighbours (usearch) are made from it and only save
time. Start reading at `index.Index`.
"""
