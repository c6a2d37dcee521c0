package panel

import "testing"

// Signing in leads to a page of ours, whoever made the address.
func TestOnward(t *testing.T) {
	for next, want := range map[string]string{
		"/organizations/acme/entities?kind=skills&search=a+b": "/organizations/acme/entities?kind=skills&search=a+b",
		"":                       "/",
		"/":                      "/",
		"//evil.example/":        "/",
		"/\\evil.example":        "/",
		"/\t/evil.example":       "/",
		"https://evil.example/":  "/",
		"javascript:alert(1)":    "/",
		"evil.example":           "/",
		"/a\r\nSet-Cookie: x":    "/",
		"/organizations/%zz":     "/",
		"/organizations/ac me#x": "/organizations/ac%20me",
	} {
		if got := onward(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestSignInAtKeepsTheWay(t *testing.T) {
	if got := signInAt("/organizations/acme?a=b&c=d"); got != "/sign-in?next=%2Forganizations%2Facme%3Fa%3Db%26c%3Dd" {
		t.Error(got)
	}
	if got := signInAt("/"); got != "/sign-in" {
		t.Error(got)
	}
}
