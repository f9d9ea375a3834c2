// Package lifecycle tests real server processes as they come and go: told to stop under load,
// killed, out of descriptors.
package lifecycle
