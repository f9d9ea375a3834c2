// Package policy decides which caller may call what, by rules of the form that gRFC A43 gives them:
//
//	{
//	  "name": "shop",
//	  "deny_rules": [
//	    {"name": "no-dev-headers", "request": {"headers": [{"key": "x-dev", "values": ["*"]}]}}
//	  ],
//	  "allow_rules": [
//	    {"name": "admins", "source": {"groups": ["admin"]}},
//	    {"name": "readers", "source": {"principals": ["spiffe://example.com/*"]},
//	     "request": {"paths": ["/shop.Products/Get*", "/shop.Products/List*"]}}
//	  ]
//	}
//
// A call that a deny rule matches is refused; otherwise one that an allow rule matches is served;
// otherwise it is refused. A policy that is not understood as a whole - an unknown name, a value of
// another type, a name twice - is an error, and is not used.
//
//	rules, err := policy.Open("/etc/shop/policy.json", policy.Config{Logger: logger})
//	srv, err := naru.NewServer(
//		naru.WithAuthenticator(rules.Enforce(auth.Require(tokens))),
//		naru.WithAuthenticatorFor("grpc.health.v1.Health", nil), // neither credentials nor policy
//	)
//
// Reflection shows each caller what it may call with reflection.WithFilter(rules.Allowed).
//
// All parts of a rule that are given must match, and of each list one entry:
//
//	source.principals  names of the caller: auth.Caller.Names, such as SPIFFE IDs, DNS names, users, a token's subject
//	source.issuers     who vouches for the caller                          (not in A43)
//	source.schemes     how it was verified: "certificate", "jwt", "basic"  (not in A43)
//	source.groups      its groups                                          (not in A43)
//	source.scopes      what its token is for                               (not in A43)
//	source.claims      claims of its token, by name                        (not in A43)
//	source.addresses   where the connection comes from, as CIDR prefixes   (not in A43)
//	request.paths      the method, "/package.Service/Method"
//	request.headers    the request's metadata
//
// Values are matched as a whole and with regard to case; a "*" at their beginning or end stands for
// anything, and "*" alone for any value that is not empty. An empty or missing list matches
// everything, calls without a caller included.
//
// The package starts no goroutines.
package policy
