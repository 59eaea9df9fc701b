"""The network around a tree: connections kept from being heard of while nobody has them."""
