"""Priors over codes: where the codes of new faces come from, exchangeable behind `base.Prior`."""
