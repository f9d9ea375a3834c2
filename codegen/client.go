package codegen

// clientSignature returns a method of the client interface.
func (w *writer) clientSignature(m *method) string {
	sig := m.GoName + "(" + w.locals.name("ctx") + " " + w.QualifiedGoIdent(contextPackage.Ident("Context")) + ", "
	if m.kind == unary || m.kind == serverStream {
		sig += w.locals.name("in") + " *" + w.QualifiedGoIdent(m.Input.GoIdent) + ", "
	}
	sig += w.locals.name("opts") + " ..." + w.naru("CallOption") + ") "
	if m.kind == unary {
		return sig + "(*" + w.QualifiedGoIdent(m.Output.GoIdent) + ", error)"
	}
	return sig + "(" + w.clientStreamType(m) + ", error)"
}

func (w *writer) clientStreamType(m *method) string {
	return w.naru(runtime[m.kind].client) + w.typeArgs(m)
}

func (w *writer) writeClientAPI(s *service) {
	leading, trailing := commentsOf(s.Comments)
	w.P(doc("// "+s.clientName+" calls service "+s.GoName+". Safe for concurrent use.\n",
		leading, trailing, deprecation(s.deprecated, string(s.Desc.Name()), s.file)),
		"type ", s.clientName, " interface {")
	for _, m := range s.methods {
		w.P(m.doc(s.file), w.clientSignature(m))
	}
	w.P("}")
	w.P()
}

func (w *writer) writeClient(s *service) {
	cc := w.locals.name("cc")
	w.P("type ", s.stubName, " struct {")
	w.P("cc ", w.naru("ClientConnInterface"))
	w.P("}")
	w.P()
	w.P("// ", s.newClientName, " returns a stub whose calls go through cc. Stubs are cheap; many can share a cc.")
	w.P("func ", s.newClientName, "(", cc, " ", w.naru("ClientConnInterface"), ") ", s.clientName, " {")
	w.P("return &", s.stubName, "{cc: ", cc, "}")
	w.P("}")
	w.P()
	for _, m := range s.methods {
		if m.deprecated {
			w.P(deprecation(true, string(m.Desc.Name()), s.file), w.stubHead(s, m))
		} else {
			w.P(w.stubHead(s, m))
		}
		if m.kind == unary {
			w.writeUnaryBody(m)
		} else {
			w.writeStreamBody(m)
		}
		w.P("}")
		w.P()
	}
}

func (w *writer) stubHead(s *service, m *method) string {
	return "func (" + w.locals.name("c") + " *" + s.stubName + ") " + w.clientSignature(m) + " {"
}

func (w *writer) writeUnaryBody(m *method) {
	out, err := w.locals.name("out"), w.locals.name("err")
	w.P(out, " := new(", m.Output.GoIdent, ")")
	w.P("if ", err, " := ", w.locals.name("c"), ".cc.Invoke(", w.locals.name("ctx"), ", ", m.infoName, ", ",
		w.locals.name("in"), ", ", out, ", ", w.locals.name("opts"), "...); ", err, " != nil {")
	w.P("return nil, ", err)
	w.P("}")
	w.P("return ", out, ", nil")
}

func (w *writer) writeStreamBody(m *method) {
	in := ""
	if m.kind == serverStream {
		in = w.locals.name("in") + ", "
	}
	w.P("return ", w.stub(runtime[m.kind].newClient), w.typeArgs(m), "(", w.locals.name("ctx"), ", ",
		w.locals.name("c"), ".cc, ", m.infoName, ", ", in, w.locals.name("opts"), "...)")
}

// writeStreamAliases names the stream types of a service's methods, so that signatures can be
// written short and code written for non-generic streams keeps compiling.
func (w *writer) writeStreamAliases(s *service) {
	streaming := false
	for _, m := range s.methods {
		streaming = streaming || m.kind != unary
	}
	if !streaming {
		return
	}
	w.P("// The streams of service ", s.GoName, " by the names of their methods.")
	w.P("type (")
	for _, m := range s.methods {
		if m.kind != unary {
			w.P(m.serverAlias, " = ", w.serverStreamType(m))
			w.P(m.clientAlias, " = ", w.clientStreamType(m))
		}
	}
	w.P(")")
	w.P()
}
