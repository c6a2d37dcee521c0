package clone

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// pktKind tells special packets from data.
type pktKind int

const (
	pktData  pktKind = iota
	pktFlush         // 0000
	pktDelim         // 0001
	pktEnd           // 0002
)

// maxPkt is the longest packet of the protocol, length included.
const maxPkt = 65520

var errPkt = errors.New("malformed packet")

// pktReader reads packets; a packet is valid until the next one.
type pktReader struct {
	r      io.Reader
	hidden []string // that no text of it may show
	buf    [maxPkt]byte
}

// packetsOf reads an answer's packets, of so many bytes at most.
func packetsOf(r io.Reader, limit int64) *pktReader {
	p := &pktReader{r: io.LimitReader(r, limit)}
	if a, ok := r.(*answer); ok {
		p.hidden = a.sent
	}
	return p
}

// said is a text that stands instead of what was asked for.
func (p *pktReader) said(text string) *remoteError {
	return &remoteError{cleanText(mirror.Conceal(text, p.hidden...))}
}

// next returns io.EOF only between two packets.
func (p *pktReader) next() ([]byte, pktKind, error) {
	if _, err := io.ReadFull(p.r, p.buf[:4]); err != nil {
		return nil, 0, err
	}
	n, err := strconv.ParseUint(string(p.buf[:4]), 16, 16)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: length %q", errPkt, p.buf[:4])
	}
	switch {
	case n <= 2:
		return nil, [...]pktKind{pktFlush, pktDelim, pktEnd}[n], nil
	case n < 4 || n > maxPkt:
		return nil, 0, fmt.Errorf("%w: length %d", errPkt, n)
	}
	b := p.buf[:n-4]
	if _, err := io.ReadFull(p.r, b); err != nil {
		return nil, 0, unexpected(err)
	}
	return b, pktData, nil
}

// line is next without a final newline.
func (p *pktReader) line() (string, pktKind, error) {
	b, kind, err := p.next()
	return strings.TrimSuffix(string(b), "\n"), kind, err
}

// pkt appends one packet.
func pkt(b []byte, format string, args ...any) []byte {
	text := fmt.Sprintf(format, args...)
	return append(fmt.Appendf(b, "%04x", len(text)+4), text...)
}

// Bands of a side-band-64k stream.
const (
	bandData     = 1
	bandProgress = 2
	bandError    = 3
)

// maxRemoteText bounds what is kept of a remote's messages.
const maxRemoteText = 8 << 10

// sideband reads band 1 of a stream and keeps the texts of the others.
type sideband struct {
	pkts     *pktReader
	pending  []byte
	progress strings.Builder
	// ended: the flush packet came, so the stream is complete.
	ended bool
}

// remoteError is a text that the remote sent instead of an answer.
type remoteError struct{ text string }

func (e *remoteError) Error() string { return "the remote says: " + e.text }

func (s *sideband) Read(p []byte) (int, error) {
	for len(s.pending) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		b, kind, err := s.pkts.next()
		if err != nil {
			return 0, unexpected(err)
		}
		if kind != pktData {
			s.ended = true
			continue
		}
		if err := s.feed(b); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

func (s *sideband) feed(b []byte) error {
	if len(b) == 0 {
		return fmt.Errorf("%w: no band", errPkt)
	}
	switch b[0] {
	case bandData:
		s.pending = b[1:]
	case bandProgress:
		s.keep(b[1:])
	case bandError:
		return s.pkts.said(string(b[1:]))
	default:
		if text, ok := strings.CutPrefix(string(b), "ERR "); ok {
			return s.pkts.said(text)
		}
		return fmt.Errorf("%w: band %d", errPkt, b[0])
	}
	return nil
}

func (s *sideband) keep(b []byte) {
	if room := maxRemoteText - s.progress.Len(); room > 0 {
		s.progress.Write(b[:min(len(b), room)])
	}
}
