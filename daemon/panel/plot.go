package panel

import (
	"math"
	"slices"

	"github.com/confmirror/confmirror/mirror"
)

// plot shows how long runs took and how much they did, the latest at the right. Heights are
// of the logarithm: a run of a minute stands beside hundreds of a few milliseconds.
type plot struct {
	Bars          []bar
	Width, Height int
	Longest       int64 // milliseconds
}

// bar is one run.
type bar struct {
	Run       *mirror.Report
	X         int
	Y, Height float64 // of the duration
	Entities  int
	Radius    float64 // of the dot for the entities; 0: none
}

const (
	barWidth   = 10
	plotHeight = 80
	dotRoom    = 12 // above the bars
)

func plotted(runs []*mirror.Report) plot {
	p := plot{Height: plotHeight + dotRoom, Width: barWidth * runsPlotted}
	for _, r := range runs {
		p.Longest = max(p.Longest, r.DurationMS)
	}
	share := func(ms int64) float64 {
		if p.Longest == 0 {
			return 0
		}
		return math.Log1p(float64(ms)) / math.Log1p(float64(p.Longest))
	}
	for i, r := range slices.Backward(runs) {
		b := bar{Run: r, X: p.Width - (i+1)*barWidth, Entities: r.Exported + r.Imported + r.Deleted + r.Merged}
		b.Height = math.Round(max(2, share(r.DurationMS)*plotHeight))
		b.Y = float64(p.Height) - b.Height
		if b.Entities > 0 {
			b.Radius = math.Round(10*min(1.5+math.Log10(float64(b.Entities)), 5)) / 10
		}
		p.Bars = append(p.Bars, b)
	}
	return p
}
