//go:build !unix

package serve

// DescriptorLimit returns how many descriptors the process may have open, and could; ok is false
// where that is not known.
func DescriptorLimit() (soft, hard uint64, ok bool) { return 0, 0, false }
