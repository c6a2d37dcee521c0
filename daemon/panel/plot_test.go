package panel

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
)

// The longest run is as high as the plot, the latest is at the right.
func TestPlot(t *testing.T) {
	if p := plotted(nil); len(p.Bars) != 0 {
		t.Errorf("%+v", p)
	}
	p := plotted([]*mirror.Report{{RunID: "latest", DurationMS: 10}, {RunID: "longest", DurationMS: 60_000, Exported: 500}, {RunID: "none"}})
	if p.Longest != 60_000 || len(p.Bars) != 3 {
		t.Fatalf("%+v", p)
	}
	none, longest, latest := p.Bars[0], p.Bars[1], p.Bars[2]
	if latest.Run.RunID != "latest" || latest.X != p.Width-barWidth || longest.X >= latest.X || none.X >= longest.X {
		t.Errorf("the order: %+v", p.Bars)
	}
	if longest.Height != plotHeight || latest.Height >= longest.Height || none.Height <= 0 || longest.Y+longest.Height != float64(p.Height) {
		t.Errorf("the heights: %+v", p.Bars)
	}
	if longest.Radius <= 0 || latest.Radius != 0 {
		t.Errorf("the dots: %+v", p.Bars)
	}
}
