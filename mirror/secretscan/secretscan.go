// Package secretscan finds what looks like a credential in text that is about to
// leave the database. It is the only place that knows the rules' library; whoever
// scans needs one method, [Scanner.Find].
package secretscan

import (
	"io"
	"sync"

	"github.com/rs/zerolog"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/logging"
)

// Scanner looks for credentials by the library's maintained rules. It is safe for
// concurrent use. The rules are compiled with the first scan.
type Scanner struct {
	load func() (*rules, error)
}

// rules are the library's, behind a filter that nearly all text ends at.
type rules struct {
	detector *detect.Detector
	suspects suspects
}

// New makes a scanner; it costs nothing until it is used.
func New() *Scanner {
	return &Scanner{load: sync.OnceValues(func() (*rules, error) {
		logging.Logger = zerolog.New(io.Discard) // it would write what it found
		detector, err := detect.NewDetectorDefaultConfig()
		if err != nil {
			return nil, err
		}
		return &rules{detector, newSuspects(detector.Config.Rules)}, nil
	})}
}

// maxScan bounds the text of one scan, in bytes; what is longer is scanned in pieces.
const maxScan = 64 << 10

// overlap of two pieces, so that nothing hides on the border.
const overlap = 4 << 10

// Find names the rule that text breaks, "" for none. It never returns any of the text.
func (s *Scanner) Find(text string) (rule string) {
	rules, err := s.load()
	if err != nil {
		return "rules-unavailable" // what cannot be checked does not leave
	}
	for {
		piece := text[:min(len(text), maxScan)]
		if rules.suspects.any(piece) {
			if found := rules.detector.DetectString(piece); len(found) > 0 {
				return found[0].RuleID
			}
		}
		if len(text) <= maxScan {
			return ""
		}
		text = text[maxScan-overlap:]
	}
}
