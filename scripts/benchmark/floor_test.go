package benchmark_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// emptyPush is the floor of every export: one request that pushes a commit without
// a change, made by hand. It returns how long the branch took to move.
func (l *lane) emptyPush(client *http.Client) time.Duration {
	l.b.Helper()
	old := l.head()
	tree, err := l.repo.Git("rev-parse", "main^{tree}")
	l.must(err)
	who := fmt.Sprintf("Floor <floor@example.com> %d +0000", time.Now().Unix())
	commit := fmt.Sprintf("tree %sparent %s\nauthor %s\ncommitter %s\n\nNothing\n", tree, old, who, who)
	id := mirror.Hash(fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "commit %d\x00%s", len(commit), commit))))

	var body bytes.Buffer
	line := fmt.Sprintf("%s %s refs/heads/main\x00report-status side-band-64k", old, id)
	fmt.Fprintf(&body, "%04x%s0000", len(line)+4, line)
	pack := bytes.NewBufferString("PACK\x00\x00\x00\x02\x00\x00\x00\x01") // version 2, one object
	size, kind := len(commit), byte(1<<4)
	pack.WriteByte(0x80 | kind | byte(size&15)) // a commit has more than 15 bytes
	for size >>= 4; size >= 128; size >>= 7 {
		pack.WriteByte(0x80 | byte(size&127))
	}
	pack.WriteByte(byte(size))
	z := zlib.NewWriter(pack)
	_, _ = z.Write([]byte(commit))
	l.must(z.Close())
	sum := sha1.Sum(pack.Bytes())
	pack.Write(sum[:])
	body.Write(pack.Bytes())

	moves, stop := l.moves()
	defer stop()
	start := time.Now()
	r, err := http.NewRequest("POST", l.repo.URL()+"/git-receive-pack", &body)
	l.must(err)
	r.SetBasicAuth(l.credentials())
	r.Header.Set("Content-Type", "application/x-git-receive-pack-request")
	r.Header.Set("User-Agent", "git/floor")
	res, err := client.Do(r)
	l.must(err)
	answer, err := io.ReadAll(res.Body)
	l.must(err)
	res.Body.Close()
	if !strings.Contains(string(answer), "ok refs/heads/main") {
		l.b.Fatalf("the empty push was refused: %q", answer)
	}
	return (<-moves).Sub(start)
}
