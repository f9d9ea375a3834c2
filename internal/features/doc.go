// Package features has tests alone: they show each documented option of client connections
// (balancing policies, resolvers, service configs, client options) at work through naru.NewClient,
// against servers of naru.NewServer. A policy that passes beside a hand-made neighbor may still
// never be given what it needs: [TestEveryOptionIsShown] holds the list of options, and fails for
// one that no test shows.
package features
