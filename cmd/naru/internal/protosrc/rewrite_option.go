package protosrc

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/near"
)

// Reports about options. Most options are declared by the messages and enums of descriptor.proto,
// which is built in, so that hints can be made from it.

func rewriteExtensionNumber(l *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	d.Message = fmt.Sprintf("extension number %s of message %s is used twice", m[1], m[2])
	if p, ok := l.place(m[3], m[4], m[5]); ok {
		d.Notes = append(d.Notes, diag.Note{Place: p, Message: "the other extension"})
	}
	return true
}

// rewriteUnrecognized drops what follows from a name that was reported as unknown.
func rewriteUnrecognized(l *loader, _ *source, d *diag.Diagnostic, _ []string) bool {
	return !l.list.Has(d.Place)
}

func rewriteNoOption(_ *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	d.Message = fmt.Sprintf("%s has no field %s", m[3], m[2])
	message, ok := builtinType(m[3]).(protoreflect.MessageDescriptor)
	if !ok {
		return true
	}
	if strings.HasPrefix(m[3], "google.protobuf.") && strings.HasSuffix(m[3], "Options") {
		d.Message = fmt.Sprintf("there is no option %s in %s", m[2], m[3])
	}
	best, bestDistance := "", 1+len(m[2])/4
	for i := range message.Fields().Len() {
		name := string(message.Fields().Get(i).Name())
		if n := near.Distance(strings.ToLower(m[2]), name); n <= bestDistance {
			best, bestDistance = name, n
		}
	}
	if best != "" {
		d.Hint = "did you mean " + best + "?"
	}
	return true
}

func rewriteNoValue(_ *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	d.Message = fmt.Sprintf("%soption %s cannot be %s", m[1], m[2], m[4])
	enum, ok := builtinType(m[3]).(protoreflect.EnumDescriptor)
	if !ok {
		d.Message += ": " + m[3] + " has no such value"
		return true
	}
	var values []string
	for i := range enum.Values().Len() {
		values = append(values, string(enum.Values().Get(i).Name()))
	}
	d.Hint = "it can be " + strings.Join(values, ", ")
	return true
}

func rewriteSetTwice(_ *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	d.Message = fmt.Sprintf("%soption %s is set already", m[1], m[2])
	return true
}

// builtinType finds a message or enum of the built-in files by its full name, nested ones included;
// nil if there is none.
func builtinType(name string) protoreflect.Descriptor {
	for _, file := range builtins() {
		pkg := string(file.Package()) + "."
		rest, ok := strings.CutPrefix(name, pkg)
		if !ok {
			continue
		}
		var at protoreflect.Descriptor = file
		for _, part := range strings.Split(rest, ".") {
			if at = member(at, protoreflect.Name(part)); at == nil {
				break
			}
		}
		if at != nil {
			return at
		}
	}
	return nil
}

func member(of protoreflect.Descriptor, name protoreflect.Name) protoreflect.Descriptor {
	scope, ok := of.(interface {
		Messages() protoreflect.MessageDescriptors
		Enums() protoreflect.EnumDescriptors
	})
	if !ok {
		return nil
	}
	if m := scope.Messages().ByName(name); m != nil {
		return m
	}
	if e := scope.Enums().ByName(name); e != nil {
		return e
	}
	return nil
}

// rewriteTag gives numbers out of range the words of the language guide.
func rewriteTag(_ *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	number, err := strconv.ParseUint(m[1], 10, 64)
	switch {
	case err != nil:
		return true
	case number == 0:
		d.Message = "field numbers start at 1"
	case number >= firstReservedNumber && number < firstReservedNumber+1000:
		d.Message = fmt.Sprintf("field number %d is one of 19000 to 19999, which protobuf keeps for itself", number)
	default:
		d.Message = fmt.Sprintf("field number %d is higher than the highest, 536870911", number)
	}
	return true
}
