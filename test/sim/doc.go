// Package sim simulates a client, servers and a network between them in virtual time, with
// schedules and faults drawn from a seed: calls of all kinds, cancellations, deadlines, connections
// cut or slow, servers that drain and come back. Thousands of such lives take a minute.
//
// A failing seed prints the line that runs it again. What depends on the order in which the Go
// scheduler runs goroutines that are ready at the same virtual instant is not the seed's, so that a
// failure may take a few runs to come again: -args -runs repeats the seed.
package sim
