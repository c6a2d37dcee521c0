package clone

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// report is a server's answer to a push.
type report struct {
	unpack string // "ok", or what went wrong with the pack
	refs   map[string]string
	// text is what hooks and the server said to people.
	text string
}

// maxReport bounds the answer to a push of one ref.
const maxReport = 4 << 20

// errReport: the answer is empty or cut off. It says nothing of the outcome.
var errReport = errors.New("the answer to the push is empty or cut off")

// readReport reads a receive-pack answer, with or without side bands. A report
// that does not end properly is an error: a connection cut at the right place
// must not look like success.
func readReport(r io.Reader) (*report, error) {
	outer := packetsOf(r, maxReport)
	first, kind, err := outer.next()
	if err != nil || kind != pktData || len(first) == 0 {
		return nil, errors.Join(errReport, err)
	}
	if text, ok := bytes.CutPrefix(first, []byte("ERR ")); ok {
		return nil, outer.said(string(text))
	}
	if first[0] > bandError { // no side bands
		rep := &report{}
		if err := rep.read(first, outer); err != nil {
			return nil, err
		}
		return rep, nil
	}
	s := &sideband{pkts: outer}
	if err := s.feed(bytes.Clone(first)); err != nil {
		return nil, err
	}
	inner, err := io.ReadAll(s)
	rep := &report{text: mirror.Conceal(s.progress.String(), outer.hidden...)}
	var said *remoteError
	if errors.As(err, &said) {
		rep.text += "\n" + said.text
	}
	// What was said in full before a cut still counts.
	if rerr := rep.readInner(inner, outer.hidden); rerr != nil {
		return rep, errors.Join(rerr, err)
	}
	return rep, nil
}

func (rep *report) readInner(b []byte, hidden []string) error {
	pkts := &pktReader{r: bytes.NewReader(b), hidden: hidden}
	first, kind, err := pkts.next()
	if err != nil || kind != pktData {
		return errors.Join(errReport, err)
	}
	return rep.read(first, pkts)
}

// read takes the lines of the report up to its flush packet.
func (rep *report) read(first []byte, pkts *pktReader) error {
	line := mirror.Conceal(string(bytes.TrimSuffix(first, []byte("\n"))), pkts.hidden...)
	status, ok := strings.CutPrefix(line, "unpack ")
	if !ok {
		return fmt.Errorf("%w: %q", errReport, cleanText(line))
	}
	rep.unpack = status
	rep.refs = make(map[string]string)
	for {
		line, kind, err := pkts.line()
		if err != nil {
			return errors.Join(errReport, err)
		}
		if kind != pktData {
			return nil
		}
		line = mirror.Conceal(line, pkts.hidden...)
		verb, rest, _ := strings.Cut(line, " ")
		ref, reason, _ := strings.Cut(rest, " ")
		switch verb {
		case "ok":
			rep.refs[ref] = ""
		case "ng":
			if reason == "" {
				reason = "refused without a reason"
			}
			rep.refs[ref] = reason
		case "option": // of report-status-v2, about the ref before
		default:
			return fmt.Errorf("%w: %q", errReport, cleanText(line))
		}
	}
}
