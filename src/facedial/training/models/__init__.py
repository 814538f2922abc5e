"""Networks, one per file: a frozen `Config` and a module built from it. Pictures are [N, C, H, W]."""
