"""Work on any number of photos by the workers of a Ray cluster, in parts that are done once.

`inputs` finds photos, `listing` stores their list, `manifest` says which parts of it are done, `worker`
does a part, `run` has Ray share them out.  Needs the extra `cluster`.
"""
