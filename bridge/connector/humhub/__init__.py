"""HumHub as a storage of the connector: by the session of who asks, or by the key of its rest module."""
