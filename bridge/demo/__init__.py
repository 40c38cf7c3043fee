"""A small HumHub, a small ONLYOFFICE Docs, and the story that ``humhub-bridge demo`` plays."""
