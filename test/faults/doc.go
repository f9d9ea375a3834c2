// Package faults breaks the network between a naru client and a naru server: cut at every byte of a
// call, slow, in tiny pieces. Whatever happens, every call ends once, soon, and truthfully.
package faults
