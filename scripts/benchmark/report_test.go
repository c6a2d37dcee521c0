package benchmark_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// report collects samples.
type report struct{ Series []*series }

// series are the samples of one quantity.
type series struct {
	Job       string    `json:"job"`
	Database  string    `json:"database"`
	Entities  int       `json:"entities"`
	Contender string    `json:"contender"`
	Unit      string    `json:"unit,omitempty"`
	Median    float64   `json:"median"`
	Samples   []float64 `json:"samples"`
}

func newReport() *report { return &report{} }

func (r *report) add(w *world, job, contender, unit string, value float64) {
	s := r.find(job, w.dialect, w.n, contender)
	if s == nil {
		s = &series{Job: job, Database: w.dialect, Entities: w.n, Contender: contender, Unit: unit}
		r.Series = append(r.Series, s)
	}
	s.Samples = append(s.Samples, value)
	s.Median = median(s.Samples)
}

func (r *report) find(job, database string, n int, contender string) *series {
	for _, s := range r.Series {
		if s.Job == job && s.Database == database && s.Entities == n && s.Contender == contender {
			return s
		}
	}
	return nil
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

func (r *report) save(b *testing.B) {
	if *result == "" {
		return
	}
	out, err := json.MarshalIndent(r.Series, "", "\t")
	if err == nil {
		err = os.WriteFile(*result, append(out, '\n'), 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// print shows every quantity, with its ratio to the script's.
func (r *report) print(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "job\tdatabase\tentities\tcontender\tmedian\tmin..max\tto the script\t")
	for _, s := range r.Series {
		ratio := ""
		if base := r.find(s.Job, s.Database, s.Entities, "script"); base != nil && base != s && base.Median > 0 {
			ratio = fmt.Sprintf("%.2f", s.Median/base.Median)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%.1f..%.1f\t%s\t\n", s.Job, s.Database, s.Entities, s.Contender,
			strings.TrimSpace(fmt.Sprintf("%.1f %s", s.Median, s.Unit)), slices.Min(s.Samples), slices.Max(s.Samples), ratio)
	}
	t.Flush()
}
