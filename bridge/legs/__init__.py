"""The listeners, one in each network, and what all of them share."""
