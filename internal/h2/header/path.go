package header

// SplitPath splits the :path of a gRPC request, "/service/method", at its last slash. It is
// the canonical parse: route, authorise and log by its results only. ok is false, and path
// names no method anywhere, if
//
//   - it does not start with a slash, or its service or method is empty;
//   - a segment is empty ("//") or starts with a dot ("/../");
//   - it holds a byte that some party on the way could decode, cut off or rewrite: ? % # ; \,
//     white space, control characters, anything that is not ASCII.
//
// The service may hold slashes: a prefix some servers mount services under.
func SplitPath(path string) (service, method string, ok bool) {
	if len(path) < 4 || path[0] != '/' {
		return "", "", false
	}
	slash := 0
	for i := 1; i < len(path); i++ {
		b := path[i]
		if classes[b]&inMethod == 0 {
			return "", "", false
		}
		if path[i-1] == '/' && (b == '/' || b == '.') {
			return "", "", false
		}
		if b == '/' {
			slash = i
		}
	}
	if slash == 0 || slash == len(path)-1 {
		return "", "", false
	}
	return path[1:slash], path[slash+1:], true
}
