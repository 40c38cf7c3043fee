"""One gateway between browsers, HumHub and ONLYOFFICE Docs, in networks that cannot see each other."""
