package main

// retired is what a type had before: each such field is refused, in words that name its new form.
// Without it a client that does not ask for strict validation would have its rule dropped unseen.
func retired(name, typed, message string) amendment {
	return func(s *schema) {
		if _, ok := s.Properties[name]; ok {
			panic("the field is in use: " + name)
		}
		gone := schema{Type: typed, Description: "Not part of the API: " + message + "."}
		rule("false", message)(&gone)
		s.Properties[name] = gone
	}
}
