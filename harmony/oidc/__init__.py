"""Sign-in through an OpenID provider: discovery, code flow, tokens, rules, accounts, logout."""
