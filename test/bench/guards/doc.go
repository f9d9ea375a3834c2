// Package guards holds tests that keep speed without a clock: they count bytes, writes,
// allocations and memory, which a busy machine does not change.
package guards
