package daemon_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// scrape is what Prometheus gets.
func (w *world) scrape() string {
	w.t.Helper()
	_, said := w.visitor().page("GET", "/metrics", nil)
	return said
}

// has waits until Prometheus gets a line.
func (w *world) has(line string) {
	w.t.Helper()
	w.eventually(line, func() bool { return slices.Contains(strings.Split(w.scrape(), "\n"), line) })
}

// A mirror that does not come any further turns red, whatever the reason, and green again.
func TestStalled_S4(t *testing.T) {
	clocks := map[*world]*clockwork{}
	eachWorld(t, func(w *world) {
		clocks[w] = &clockwork{start: time.Now()}
		w.now = clocks[w].now
		w.config.Sync.Poll = "@every 1h" // five of them are patience
	}, func(w *world) {
		t, clock := w.t, clocks[w]
		w.synced()
		stalled := func(want bool) map[string]any {
			t.Helper()
			value := map[bool]string{true: " 1", false: " 0"}[want]
			w.has(`confmirror_mirror_stalled{organization="acme"}` + value)
			w.eventually("readiness tells", func() bool {
				_, said := w.visitor().page("GET", "/readyz", nil)
				return strings.Contains(said, mirror.CodeStalled) == want
			})
			c := w.condition(mirror.CodeStalled)
			if (c != nil) != want || c != nil && c["severity"] != "critical" {
				t.Errorf("condition %v", c)
			}
			return c
		}
		stalled(false)

		clock.advance(6 * time.Hour)
		if c := stalled(true); !strings.Contains(c["message"].(string), "No run") {
			t.Errorf("nothing runs: %v", c)
		}
		w.synced()
		stalled(false)

		undo := w.standIn.Inject(bitbuckettest.Fault{Status: 404, Body: "nothing here"}, bitbuckettest.GitEndpoints...)
		if report := w.sync(); report["state"] != "blocked" {
			t.Errorf("report: %v", report)
		}
		stalled(false)
		clock.advance(6 * time.Hour)
		if c := stalled(true); !strings.Contains(c["message"].(string), mirror.CodeRepositoryNotFound) || c["remedy"] != w.mirror()["detail"].(map[string]any)["remedy"] {
			t.Errorf("it is blocked: %v", c)
		}
		w.has(`confmirror_mirror_state{organization="acme",state="blocked"} 1`)
		w.call("POST", "mirror/pause", nil)
		stalled(false)
		w.call("POST", "mirror/resume", nil)
		undo()
		w.synced()
		stalled(false)
		w.eventually("the log tells when it stalled and when it did no more", func() bool {
			log := w.log.String()
			return strings.Contains(log, `msg="a mirror is stalled"`) && strings.Contains(log, `msg="a mirror is stalled no more"`)
		})
	})
}

// What the metrics of a mirror say is so.
func TestMirrorMetrics(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		t := w.t
		w.commit(bitbuckettest.Write("toolkits/a.json", toolkitA), bitbuckettest.Write("toolkits/bad.json", "{"))
		w.synced()
		w.apart(func() { w.exec("UPDATE toolkits SET name = 'From the database'") }, bitbuckettest.Write("toolkits/a.json", strings.Replace(toolkitA, "before", "after", 1)))
		w.synced()
		w.has(`confmirror_mirror_state{organization="acme",state="ok"} 1`)
		w.has(`confmirror_mirror_errors{organization="acme"} 1`)
		w.has(`confmirror_mirror_held{organization="acme"} 0`)
		w.has(`confmirror_mirror_pending_changes{organization="acme"} 0`)
		w.has(`confmirror_mirror_unexported_age_seconds{organization="acme"} 0`)
		w.has(`confmirror_mirror_unimported_age_seconds{organization="acme"} 0`)
		w.has(`confmirror_mirrors_held 1`)
		w.has(`confmirror_mirrors_unheld 0`)
		w.has(`confmirror_clones_open 1`)
		said := w.scrape()
		if !regexp.MustCompile(`confmirror_outbound_requests_total\{host="127\.0\.0\.1",status="200"\} [1-9]`).MatchString(said) ||
			!regexp.MustCompile(`confmirror_outbound_sent_bytes_total\{host="127\.0\.0\.1"\} [1-9]`).MatchString(said) ||
			!regexp.MustCompile(`confmirror_outbound_received_bytes_total\{host="127\.0\.0\.1"\} [1-9]`).MatchString(said) {
			t.Error("requests are not counted")
		}
		w.call("POST", "mirror/pause", nil)
		w.exec("UPDATE toolkits SET name = 'Waits'")
		w.has(`confmirror_mirror_pending_changes{organization="acme"} 1`)
		w.eventually("the lag grows", func() bool {
			return regexp.MustCompile(`confmirror_mirror_unexported_age_seconds\{organization="acme"\} [0-9.]*[1-9]`).MatchString(w.scrape())
		})
	})
}

// Each metric is in the README, with its help; and alerts and dashboard go by metrics that are there.
func TestMetricsAreDocumented(t *testing.T) {
	eachWorld(t, mayMakeHooks, func(w *world) {
		t := w.t
		w.synced()
		w.has(`confmirror_mirror_stalled{organization="acme"} 0`)
		w.nudge()
		w.eventually("a delivery is counted", func() bool { return strings.Contains(w.scrape(), "confmirror_webhook_deliveries_total{") })
		there := map[string]bool{}
		for _, line := range regexp.MustCompile(`(?m)^# HELP (\S+) (.*)$`).FindAllStringSubmatch(w.scrape(), -1) {
			if there[line[1]] = true; line[2] == "" {
				t.Errorf("%s has no help", line[1])
			}
		}
		readme := read(t, "../README.md")
		for name := range there {
			if strings.HasPrefix(name, "confmirror_") && !strings.Contains(readme, "`"+name+"`") {
				t.Errorf("%s is not in the README", name)
			}
		}
		for _, name := range regexp.MustCompile("`(confmirror_[a-z_]+)`").FindAllStringSubmatch(readme, -1) {
			if !there[name[1]] {
				t.Errorf("the README has %s, the daemon does not", name[1])
			}
		}
		for _, expression := range slices.Concat(alerts(t), charts(t)) {
			for _, name := range metricsOf(t, expression) {
				base := strings.TrimSuffix(name, "_bucket")
				if !there[base] {
					t.Errorf("%s: the daemon has no %s", expression, base)
				}
			}
		}
	})
}

func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// alerts are the expressions of the rules for Prometheus.
func alerts(t testing.TB) (expressions []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../configs/prometheus-rules.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, rule := range file.Groups[0].Rules {
		if rule.Alert == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
			t.Errorf("%+v", rule)
		}
		expressions = append(expressions, rule.Expr)
	}
	return expressions
}

// charts are the expressions of Grafana's dashboard.
func charts(t testing.TB) (expressions []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			ID      int
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../configs/grafana-dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("two panels are %d", panel.ID)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			expressions = append(expressions, strings.ReplaceAll(target.Expr, "$organization", ".*"))
		}
	}
	return expressions
}

// metricsOf are the metrics that an expression goes by.
func metricsOf(t testing.TB, expression string) []string {
	t.Helper()
	parsed, err := metricsql.Parse(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	names := map[string]bool{}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		if m, ok := e.(*metricsql.MetricExpr); ok {
			for _, filters := range m.LabelFilterss {
				for _, f := range filters {
					if f.Label == "__name__" {
						names[f.Value] = true
					}
				}
			}
		}
	})
	if len(names) == 0 {
		t.Errorf("%s goes by no metric", expression)
	}
	return slices.Sorted(maps.Keys(names))
}
