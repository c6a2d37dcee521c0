package web

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryRouteNeedsTheToken(t *testing.T) {
	w := embedded(t, nil)
	w.organization("acme")
	for _, r := range routes {
		for _, path := range r.expand() {
			path = strings.NewReplacer("{org}", "acme", "{slug}", "x", "{id}", "1").Replace(path)
			t.Run(r.method+" "+path, func(t *testing.T) {
				w.t = t
				got := w.do(r.method, path, "{}", anonymous).fails(http.StatusUnauthorized, "UNAUTHORIZED")
				if got.Header.Get("WWW-Authenticate") == "" {
					t.Error("no challenge")
				}
			})
		}
	}
	w.t = t
	if notes := w.engine.take(); len(notes) > 0 {
		t.Errorf("the engine heard %v", notes)
	}
}

func TestTokens(t *testing.T) {
	w := embedded(t, nil)
	for name, test := range map[string]struct {
		value string
		want  int
	}{
		"right":           {"Bearer " + adminToken, 200},
		"lower case":      {"bearer " + adminToken, 200},
		"spaces":          {"Bearer   " + adminToken + " ", 200},
		"wrong":           {"Bearer wrong", 401},
		"part of it":      {"Bearer " + adminToken[:5], 401},
		"longer":          {"Bearer " + adminToken + "x", 401},
		"empty":           {"Bearer ", 401},
		"another scheme":  {"Basic " + adminToken, 401},
		"without scheme":  {adminToken, 401},
		"unknown path is": {"Bearer wrong", 401},
	} {
		path := "/api/v1/organizations"
		if strings.HasPrefix(name, "unknown path") {
			path = "/api/v1/nothing"
		}
		if got := w.do("GET", path, nil, header("Authorization", test.value)); got.Status != test.want {
			t.Errorf("%s: %d, want %d", name, got.Status, test.want)
		}
	}
}

func TestNoTokenLetsNobodyIn(t *testing.T) {
	w := embedded(t, func(o *Options) { o.AdminToken = Options{}.AdminToken })
	w.do("GET", "/api/v1/organizations", nil).fails(401, "UNAUTHORIZED")
	w.do("GET", "/api/v1/organizations", nil, header("Authorization", "Bearer ")).fails(401, "UNAUTHORIZED")
}

func TestUpdateTakesTheNewToken(t *testing.T) {
	w := embedded(t, nil)
	w.server.Update(Options{})
	w.do("GET", "/api/v1/organizations", nil).fails(401, "UNAUTHORIZED")
}

func TestWrongTokensCost(t *testing.T) {
	w := embedded(t, nil)
	wrong := header("Authorization", "Bearer wrong")
	spend := func(o ...option) {
		t.Helper()
		for i := range attempts {
			if got := w.do("GET", "/api/v1/events", nil, append(o, wrong)...); got.Status != 401 {
				t.Fatalf("attempt %d: %d", i, got.Status)
			}
		}
	}
	spend()
	got := w.do("GET", "/api/v1/organizations", nil, wrong).fails(429, "TOO_MANY_ATTEMPTS")
	if got.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
	}
	// Or guessing would go on; another peer is not concerned, nor is a request without a token.
	w.do("GET", "/api/v1/organizations", nil).fails(429, "TOO_MANY_ATTEMPTS")
	w.do("GET", "/api/v1/organizations", nil, from("198.51.100.1:1")).is(200)
	w.do("GET", "/api/v1/organizations", nil, anonymous).fails(401, "UNAUTHORIZED")
	w.clock = w.clock.Add(time.Second)
	w.do("GET", "/api/v1/organizations", nil).is(200)
	w.do("GET", "/api/v1/organizations", nil, wrong).is(401)
	w.do("GET", "/api/v1/organizations", nil, wrong).is(429)

	// A peer cannot name another address; a proxy on this machine can, and is believed.
	w.do("GET", "/api/v1/organizations", nil, header("X-Forwarded-For", "203.0.113.9")).is(429)
	proxy := from("127.0.0.1:1")
	spend(proxy, header("X-Forwarded-For", "1.2.3.4, 203.0.113.9"))
	w.do("GET", "/api/v1/organizations", nil, proxy, header("X-Forwarded-For", "203.0.113.9")).is(429)
	w.do("GET", "/api/v1/organizations", nil, proxy, header("X-Forwarded-For", "203.0.113.10")).is(200)
	// An IPv6 network is one peer.
	spend(from("[2001:db8::1]:1"))
	w.do("GET", "/api/v1/organizations", nil, from("[2001:db8::ffff:2]:1")).is(429)
	w.do("GET", "/api/v1/organizations", nil, from("[2001:db8:0:1::2]:1")).is(200)
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(func() time.Time { return now })
	for i := range 3 * maxPeers {
		l.spend(strings.Repeat("x", i%7) + time.Duration(i).String())
	}
	if len(l.peers) > maxPeers {
		t.Errorf("%d peers", len(l.peers))
	}
}

func TestMetricsAreForThisMachine(t *testing.T) {
	w := embedded(t, nil)
	for name, test := range map[string]struct {
		options []option
		want    int
	}{
		"loopback":            {[]option{anonymous, from("127.0.0.1:5000")}, 200},
		"IPv6 loopback":       {[]option{anonymous, from("[::1]:5000")}, 200},
		"mapped loopback":     {[]option{anonymous, from("[::ffff:127.0.0.1]:5000")}, 200},
		"elsewhere":           {[]option{anonymous, from("10.0.0.7:5000")}, 401},
		"claims to be local":  {[]option{anonymous, from("10.0.0.7:5000"), header("X-Forwarded-For", "127.0.0.1")}, 401},
		"through a proxy":     {[]option{anonymous, from("127.0.0.1:5000"), header("X-Forwarded-For", "10.0.0.7")}, 401},
		"through another one": {[]option{anonymous, from("127.0.0.1:5000"), header("Forwarded", "for=10.0.0.7")}, 401},
		"by another name":     {[]option{anonymous, from("127.0.0.1:5000"), at("rebound.example:8080")}, 401},
		"by a name of here":   {[]option{anonymous, from("127.0.0.1:5000"), at("localhost:8080")}, 200},
		"by address":          {[]option{anonymous, from("[::1]:5000"), at("[::1]:8080")}, 200},
		"with the token":      {[]option{from("10.0.0.7:5000")}, 200},
		"with a wrong token":  {[]option{from("127.0.0.1:5000"), header("Authorization", "Bearer x")}, 401},
	} {
		if got := w.do("GET", "/metrics", nil, append([]option{at("127.0.0.1:8080")}, test.options...)...); got.Status != test.want {
			t.Errorf("%s: %d, want %d", name, got.Status, test.want)
		}
	}
	w.do("GET", "/api/v1/organizations/nobody/skills/x", nil).is(404)
	w.do("GET", "/made-up/by-somebody", nil).is(404)
	body := string(w.do("GET", "/metrics", nil).is(200).Body)
	for _, line := range []string{
		`confmirror_http_requests_total{method="GET",route="/metrics",status="401"} 6`,
		`confmirror_http_requests_total{method="GET",route="/api/v1/organizations/{org}/{kind}/{slug}",status="404"} 1`,
		`confmirror_http_requests_total{method="GET",route="other",status="404"} 1`,
		`confmirror_http_request_duration_seconds_count{route="/metrics"}`,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("no %s in\n%s", line, body)
		}
	}
	if strings.Contains(body, "made-up") {
		t.Error("a path became a label")
	}
}

func TestPathsAndMethods(t *testing.T) {
	w := embedded(t, nil)
	w.organization("acme")
	w.do("GET", "/nothing", nil, anonymous).fails(404, "NOT_FOUND")
	w.do("GET", "/api/v1/nothing", nil).fails(404, "NOT_FOUND")
	w.do("GET", "/api/v1", nil, anonymous).fails(401, "UNAUTHORIZED")
	w.do("GET", org("acme", "gadgets"), nil).fails(404, "NOT_FOUND")
	w.do("GET", org("acme", "gadgets/x"), nil).fails(404, "NOT_FOUND")
	w.do("GET", org("nobody", "mirror"), nil).fails(404, "NOT_FOUND", "organization")
	w.do("GET", org("nobody", "skills"), nil).fails(404, "NOT_FOUND", "organization")
	for path, want := range map[string]struct{ method, allow string }{
		org("acme", "mirror"):            {"DELETE", "GET, HEAD"},
		org("acme", "mirror/sync"):       {"GET", "POST"},
		org("acme", "mirror/connection"): {"PATCH", "DELETE, GET, HEAD, PUT"},
		org("acme", "toolkits/x"):        {"POST", "DELETE, GET, HEAD, PUT"},
		"/api/v1/organizations":          {"POST", "GET, HEAD"},
		webhookPath:                      {"GET", "POST"},
		"/healthz":                       {"POST", "GET, HEAD"},
	} {
		got := w.do(want.method, path, "{}").fails(405, "METHOD_NOT_ALLOWED", want.method)
		allow := strings.Split(got.Header.Get("Allow"), ", ")
		slices.Sort(allow)
		if strings.Join(allow, ", ") != want.allow {
			t.Errorf("%s: Allow %v, want %s", path, allow, want.allow)
		}
	}
	if got := w.do("HEAD", "/healthz", nil); got.Status != 200 {
		t.Errorf("HEAD: %d", got.Status)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	w := embedded(t, nil)
	w.connect("acme", nil)
	path := org("acme", "mirror/sync")
	w.do("POST", path, nil, header("Sec-Fetch-Site", "cross-site")).fails(403, "CROSS_ORIGIN")
	w.do("POST", path, nil, header("Origin", "https://evil.example")).fails(403, "CROSS_ORIGIN")
	w.do("GET", org("acme", "mirror"), nil, header("Sec-Fetch-Site", "cross-site")).is(200)
	w.do("POST", path, nil, header("Sec-Fetch-Site", "same-origin")).is(202)
	// A delivery proves itself otherwise.
	w.do("POST", webhookPath, "{}", anonymous, header("X-Event-Key", "diagnostics:ping"), header("Origin", "https://evil.example")).is(200)
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	w := embedded(t, nil)
	for _, path := range []string{"/", "/healthz", "/nothing", "/api/v1/organizations"} {
		h := w.do("GET", path, nil).Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	w := embedded(t, nil)
	w.server.handler = w.server.measure(w.server.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the innards") })))
	got := w.do("GET", "/healthz", nil).fails(500, "INTERNAL")
	if strings.Contains(string(got.Body), "innards") || !strings.Contains(w.log.String(), "the innards") {
		t.Errorf("answer %s, log %s", got.Body, w.log)
	}
	// After the answer has begun the connection is cut, so that nobody takes it for a whole one.
	w.server.handler = w.server.measure(w.server.guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		panic("late")
	})))
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the connection was not cut")
		}
	}()
	w.server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
}

func TestLogHoldsNoQuery(t *testing.T) {
	w := embedded(t, nil)
	w.do("GET", "/api/v1/organizations?cursor="+canary+"query", nil).is(400)
	if !strings.Contains(w.log.String(), "path=/api/v1/organizations ") {
		t.Errorf("log: %s", w.log)
	}
}
