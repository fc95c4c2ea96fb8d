"""Programs, policies and who may change them."""
