package codegen

import "strconv"

// writeNames writes the constants and the method descriptions of a service.
func (w *writer) writeNames(s *service) {
	w.P("// Full names of service ", s.GoName, " and its methods, as they are on the wire.")
	w.P("const (")
	w.P(s.nameName, " = ", strconv.Quote(string(s.Desc.FullName())))
	for _, m := range s.methods {
		w.P(m.fullMethodName, " = ", strconv.Quote(m.path))
	}
	w.P(")")
	w.P()
	if len(s.methods) == 0 {
		return
	}
	w.P("var (")
	for _, m := range s.methods {
		level := ""
		if name := m.idempotency(); name != "" {
			level = ", Idempotency: " + w.naru(name)
		}
		w.P(m.infoName, " = &", w.naru("MethodInfo"), "{FullMethod: ", m.fullMethodName,
			", Kind: ", w.naru(runtime[m.kind].kind), level, "}")
	}
	w.P(")")
	w.P()
}

// naru qualifies a name of package naru.
func (w *writer) naru(name string) string { return w.QualifiedGoIdent(naruPackage.Ident(name)) }

// stub qualifies a name of package stub.
func (w *writer) stub(name string) string { return w.QualifiedGoIdent(stubPackage.Ident(name)) }

// typeArgs returns the messages of the stream types of a streaming method, in brackets.
func (w *writer) typeArgs(m *method) string {
	if m.kind == serverStream {
		return "[" + w.QualifiedGoIdent(m.Output.GoIdent) + "]"
	}
	return "[" + w.QualifiedGoIdent(m.Input.GoIdent) + ", " + w.QualifiedGoIdent(m.Output.GoIdent) + "]"
}

func (w *writer) serverStreamType(m *method) string {
	return w.naru(runtime[m.kind].server) + w.typeArgs(m)
}

// serverSignature returns a method of the server interface.
func (w *writer) serverSignature(m *method) string {
	in := "*" + w.QualifiedGoIdent(m.Input.GoIdent)
	switch m.kind {
	case unary:
		return m.GoName + "(" + w.QualifiedGoIdent(contextPackage.Ident("Context")) + ", " + in +
			") (*" + w.QualifiedGoIdent(m.Output.GoIdent) + ", error)"
	case serverStream:
		return m.GoName + "(" + in + ", " + w.serverStreamType(m) + ") error"
	default:
		return m.GoName + "(" + w.serverStreamType(m) + ") error"
	}
}

func (w *writer) writeServerAPI(s *service) {
	leading, trailing := commentsOf(s.Comments)
	w.P(doc("// "+s.serverName+" is what an implementation of service "+s.GoName+" offers. Methods are called\n"+
		"// concurrently. Embed ["+s.unimplementedName+"] to leave methods out.\n",
		leading, trailing, deprecation(s.deprecated, string(s.Desc.Name()), s.file)),
		"type ", s.serverName, " interface {")
	for _, m := range s.methods {
		w.P(m.doc(s.file), w.serverSignature(m))
	}
	w.P("}")
	w.P()
}

func (w *writer) writeUnimplemented(s *service) {
	w.P("// ", s.unimplementedName, " answers every method with code UNIMPLEMENTED. Embedded by value, it")
	w.P("// makes methods that an implementation lacks a run-time answer instead of a compile error.")
	w.P("type ", s.unimplementedName, " struct{}")
	w.P()
	for _, m := range s.methods {
		zero := ""
		if m.kind == unary {
			zero = "nil, "
		}
		w.P("// ", m.GoName, " answers UNIMPLEMENTED.")
		w.P("func (", s.unimplementedName, ") ", w.serverSignature(m), " {")
		w.P("return ", zero, statusPackage.Ident("Error"), "(", codesPackage.Ident("Unimplemented"), ", ",
			strconv.Quote("method "+m.path+" is not implemented"), ")")
		w.P("}")
		w.P()
	}
}

func (w *writer) writeRegister(s *service) {
	srv, registrar := w.locals.name("srv"), w.locals.name("s")
	w.P("// ", s.registerName, " adds srv to a server. Mistakes, such as registering twice, are reported when")
	w.P("// the server starts to serve. It panics if one of them is nil.")
	w.P("func ", s.registerName, "(", registrar, " ", w.naru("ServiceRegistrar"), ", ", srv, " ", s.serverName, ") {")
	w.P(w.stub("Register"), "(", registrar, ", ", srv, ", ", s.descName, ")")
	w.P("}")
	w.P()
	w.P("// ", s.descName, " describes service ", s.GoName, " with the methods of srv as its handlers.")
	w.P("func ", s.descName, "(", srv, " ", s.serverName, ") *", w.naru("ServiceDesc"), " {")
	w.P("return &", w.naru("ServiceDesc"), "{")
	w.P("Name: ", s.nameName, ",")
	w.P("Methods: []", w.naru("MethodDesc"), "{")
	for _, m := range s.methods {
		w.P(w.stub(runtime[m.kind].handler), "(", m.infoName, ", ", srv, ".", m.GoName, "),")
	}
	w.P("},")
	w.P("File: ", w.file.GoDescriptorIdent, ",")
	w.P("}")
	w.P("}")
	w.P()
}
