package bitbuckettest

// TB is what Start needs of a test.
type TB interface {
	Helper()
	Fatal(...any)
	Cleanup(func())
}

// Start starts a stand-in that ends with the test.
func Start(t TB, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return s
}
