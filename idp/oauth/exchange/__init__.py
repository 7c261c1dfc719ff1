"""Token exchange (RFC 8693): who may exchange for what, which tokens may be presented, and who acts for whom."""
