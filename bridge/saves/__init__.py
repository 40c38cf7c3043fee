"""From a callback to a file that HumHub has stored."""
