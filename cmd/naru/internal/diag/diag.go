// Package diag holds what is wrong with source files and shows it: position, the source line, a
// caret below the place, notes at other places, and what to do about it.
package diag

import (
	"cmp"
	"slices"
	"strings"
)

// Severity tells an error from a warning.
type Severity uint8

// Severities. A warning never changes an exit code.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Place is a stretch of a source file in bytes. End may equal Start (a point). Source nil means no
// place in a file, or, with File set, a file as a whole.
type Place struct {
	Source     *Source
	File       string // shown if Source is nil
	Start, End int
}

// Diagnostic is one finding.
type Diagnostic struct {
	Severity Severity
	Place    Place
	// Message is one sentence, lower case, no full stop. It may quote what stands in a file: the
	// printer makes control characters harmless.
	Message string
	Notes   []Note
	// Hint says what to do; "" for nothing to say.
	Hint string
}

// Note points at another place that belongs to the finding. Without a place it is a line of text.
type Note struct {
	Place   Place
	Message string
}

// List is a set of findings. The zero value is empty. Not safe for concurrent use.
type List struct {
	all []*Diagnostic
}

// Add appends d.
func (l *List) Add(d *Diagnostic) { l.all = append(l.all, d) }

// AddAll appends what other has.
func (l *List) AddAll(other *List) { l.all = append(l.all, other.all...) }

// Has reports whether there is a finding at p's start.
func (l *List) Has(p Place) bool {
	return slices.ContainsFunc(l.all, func(d *Diagnostic) bool {
		return d.Place.Name() == p.Name() && d.Place.Start == p.Start
	})
}

// All returns the findings in order of file and position, errors before warnings at the same place,
// without repetitions. The slice belongs to the caller.
func (l *List) All() []*Diagnostic {
	sorted := slices.Clone(l.all)
	slices.SortStableFunc(sorted, compare)
	return slices.CompactFunc(sorted, func(a, b *Diagnostic) bool { return compare(a, b) == 0 })
}

// Count returns how many errors and warnings All has.
func (l *List) Count() (errors, warnings int) {
	for _, d := range l.All() {
		if d.Severity == Warning {
			warnings++
		} else {
			errors++
		}
	}
	return errors, warnings
}

func compare(a, b *Diagnostic) int {
	return cmp.Or(
		strings.Compare(a.Place.Name(), b.Place.Name()),
		cmp.Compare(a.Place.Start, b.Place.Start),
		cmp.Compare(a.Severity, b.Severity),
		strings.Compare(a.Message, b.Message),
	)
}

// Name returns the name of the place's file as it is shown; "" for none.
func (p Place) Name() string {
	if p.Source != nil {
		return p.Source.Name
	}
	return p.File
}
