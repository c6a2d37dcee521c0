package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/confmirror/confmirror/mirror"
)

// progress shows how far a run is: a bar on a terminal, else a line for each stage.
type progress struct {
	w            io.Writer
	organization string

	mu  sync.Mutex
	bar *progressbar.ProgressBar // nil where there is no terminal
	at  string                   // the stage that was said last
}

func newProgress(w io.Writer, organization string) *progress {
	p := &progress{w: w, organization: organization}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(organization),
			progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(14),
			progressbar.OptionSetPredictTime(false))
	}
	return p
}

// stages are what the engine's names for them mean to people.
var stages = map[string]string{
	"observe":  "looking at both sides",
	"import":   "importing into the database",
	"commit":   "making commits",
	"push":     "pushing",
	"checkout": "writing working files",
}

func (p *progress) stage(now mirror.Progress) {
	text := cmp.Or(stages[now.Stage], now.Stage)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		if now.Total > 0 && now.Done == 0 {
			text = fmt.Sprintf("%s (%d)", text, now.Total)
		}
		p.line(now.Stage, text)
		return
	}
	p.bar.Describe(p.organization + ": " + text)
	if now.Total > 0 {
		p.bar.ChangeMax(now.Total)
		_ = p.bar.Set(now.Done)
	} else {
		_ = p.bar.Add(0)
	}
}

// say shows a remark.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Describe(p.organization + ": " + text)
		_ = p.bar.Add(0)
		return
	}
	p.line(text, text)
}

func (p *progress) line(stage, text string) {
	if p.at != stage {
		p.at = stage
		fmt.Fprintf(p.w, "%s: %s\n", p.organization, text)
	}
}

// end takes the bar off the terminal.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
